/** How much later than it should the event loop of this process runs its timers. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { IntervalHistogram } from 'node:perf_hooks';
import type { Sample } from './family.ts';

/** A timer of libuv that runs 50 times a second costs nothing that could be measured. */
const RESOLUTION_MS = 20;
const QUANTILES = [0.5, 0.9, 0.99, 1];

/** A summary: the quantiles are those since the last reading, sum and count are those since the first. */
export class EventLoopDelay {
  readonly #histogram: IntervalHistogram;
  #quantiles: readonly number[] = QUANTILES.map(() => 0);
  #sum = 0;
  #count = 0;

  constructor(histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })) {
    this.#histogram = histogram;
  }

  *samples(name: string): Iterable<Sample> {
    // Measures from the first reading on, so that nobody pays for what nobody reads.
    this.#histogram.enable();
    const { count, mean } = this.#histogram;
    if (count > 0) {
      this.#quantiles = QUANTILES.map((quantile) => delayOf(this.#histogram.percentile(quantile * 100)));
      this.#sum += delayOf(mean) * count;
      this.#count += count;
      this.#histogram.reset();
    }
    for (const [index, value] of this.#quantiles.entries()) {
      yield { labels: { quantile: QUANTILES[index]! }, value };
    }
    yield { metricName: `${name}_sum`, labels: {}, value: this.#sum };
    yield { metricName: `${name}_count`, labels: {}, value: this.#count };
  }

  close(): void {
    this.#histogram.disable();
  }
}

/** In seconds. What Node measures, in nanoseconds, contains the period of its timer. */
function delayOf(measuredNs: number): number {
  return Math.max(0, measuredNs / 1e6 - RESOLUTION_MS) / 1_000;
}
