/** The metrics of clstr as Prometheus reads them. */
export { prometheusMetrics } from './prometheus-metrics.ts';
export type { PrometheusMetrics, PrometheusOptions } from './prometheus-metrics.ts';
