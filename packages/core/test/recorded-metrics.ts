/** Metrics that keep what they are told. */
import type { Metrics } from '../src/base/metrics.ts';

/** Each call as `[method, ...arguments]`. */
export interface RecordedMetrics extends Metrics {
  readonly calls: unknown[][];
}

export function recordMetrics(): RecordedMetrics {
  const calls: unknown[][] = [];
  const keep =
    (name: keyof Metrics) =>
    (...args: unknown[]): void => {
      calls.push([name, ...args]);
    };
  return {
    calls,
    requestEnded: keep('requestEnded'),
    notifyEnded: keep('notifyEnded'),
    transportError: keep('transportError'),
    handlerEnded: keep('handlerEnded'),
    handlersActive: keep('handlersActive'),
    shardsOwned: keep('shardsOwned'),
  };
}
