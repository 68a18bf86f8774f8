/** Metrics for Prometheus: counters of our own, from which a registry of prom-client makes the text when it is read. */
import type { Metrics } from '@clstr/core';
import { invalidOption, methods, orMade, resolve } from '@clstr/core/internal';
import type { Resolved, Spec } from '@clstr/core/internal';
import { Registry } from 'prom-client';
import { Counted } from './counted.ts';
import { EventLoopDelay } from './event-loop.ts';
import { familiesOf } from './families.ts';
import { Family } from './family.ts';

export interface PrometheusOptions {
  /** Where the metrics are registered, beside your own. Default: a registry of their own. */
  registry?: Registry | undefined;
}

export interface PrometheusMetrics extends Metrics {
  readonly registry: Registry;
  /** The content type of the text. */
  readonly contentType: string;
  /** All metrics of the registry: what a page for Prometheus answers. */
  text(): Promise<string>;
  /** Takes the metrics out of the registry, and ends what measures the event loop. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const prometheusSpec: Spec<Resolved<PrometheusOptions>> = {
  registry: orMade(methods<Registry>(['registerMetric', 'getSingleMetric', 'metrics']), () => new Registry()),
};

/**
 * Make one for all clients, nodes and apps of a process, and give it to each as `metrics`.
 *
 * @throws INVALID_OPTION, also if the registry already has these metrics
 */
export function prometheusMetrics(options: PrometheusOptions = {}): PrometheusMetrics {
  const owner = 'prometheusMetrics';
  const { registry } = resolve(owner, prometheusSpec, options);
  const counted = new Counted();
  const eventLoopDelay = new EventLoopDelay();
  const families = familiesOf(counted, eventLoopDelay).map((family) => new Family(family));
  const taken = families.find(({ name }) => registry.getSingleMetric(name) !== undefined);
  if (taken !== undefined) {
    throw invalidOption(
      owner,
      'registry',
      registry,
      `a registry without ${taken.name}: make these metrics once`,
    );
  }
  for (const family of families) family.register(registry);
  const close = async (): Promise<void> => {
    eventLoopDelay.close();
    for (const family of families) family.leave(registry);
  };
  return Object.assign(counted, {
    registry,
    contentType: registry.contentType,
    text: () => registry.metrics(),
    close,
    [Symbol.asyncDispose]: close,
  });
}
