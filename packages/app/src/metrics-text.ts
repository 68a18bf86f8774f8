/** The text of an app's metrics. */
import type { Metrics } from '@clstr/core';
import { ClstrError } from '@clstr/core';

/** @throws INVALID_OPTION if none of the metrics has a text */
export async function textOf(given: Metrics | readonly Metrics[] = []): Promise<string> {
  const all = Array.isArray(given) ? (given as readonly Metrics[]) : [given as Metrics];
  const source = all.find((metrics) => metrics.text !== undefined);
  if (source !== undefined) return await source.text!();
  const needed =
    'give prometheusMetrics() of @clstr/prometheus, or metrics with a method text(), to createApp';
  throw new ClstrError('INVALID_OPTION', `app.metrics(): no metrics of this app have a text: ${needed}`);
}
