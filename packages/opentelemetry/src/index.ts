/** OpenTelemetry for clstr: spans and durations by the RPC conventions. */
export { openTelemetryTracing } from './tracing.ts';
export type { OpenTelemetryTracingOptions } from './tracing-options.ts';
export { activateSpans, contextOf } from './handler-context.ts';
export type { HandledMessage } from './handler-context.ts';
export { openTelemetryMetrics } from './metrics.ts';
export type { OpenTelemetryMetricsOptions } from './metrics-options.ts';
