/** A histogram of durations. Hot path: each message fills one at its client and one at its node. */
import type { Labels, Sample } from './family.ts';

/** The bounds of its buckets: requests within a machine take a third of a millisecond, and calls wait for seconds. */
const BOUNDS_MS = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000] as const;
const OVER = BOUNDS_MS.length;
const SUM = OVER + 1;

export class Durations {
  /** How many fell into each bucket, then how many into none, then the sum of all in milliseconds. */
  readonly #values = new Float64Array(SUM + 1);

  add(durationMs: number): void {
    const values = this.#values;
    let bucket = 0;
    // Most messages end in one of the first buckets, where a search from the start is faster than a binary one.
    while (bucket < OVER && durationMs > BOUNDS_MS[bucket]!) bucket++;
    values[bucket]!++;
    values[SUM]! += durationMs;
  }

  get count(): number {
    return this.#values.subarray(0, SUM).reduce((count, inBucket) => count + inBucket, 0);
  }

  /** These durations and those of another histogram. */
  with(other: Durations): Durations {
    const both = new Durations();
    for (let i = 0; i <= SUM; i++) both.#values[i] = this.#values[i]! + other.#values[i]!;
    return both;
  }

  /** These durations and `count` that were 0. */
  withZeros(count: number): Durations {
    const all = this.with(new Durations());
    all.#values[0]! += count;
    return all;
  }

  *samples(name: string, labels: Labels): Iterable<Sample> {
    const bounds = BOUNDS_MS.map((boundMs) => boundMs / 1_000);
    yield* histogramSamples(name, labels, bounds, this.#values, this.#values[SUM]! / 1_000);
  }
}

/** `counts` has one more number than `bounds`: how many values were over all of them. */
export function* histogramSamples(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  counts: ArrayLike<number>,
  sum: number,
): Iterable<Sample> {
  let count = 0;
  for (const [index, bound] of bounds.entries()) {
    count += counts[index]!;
    yield { metricName: `${name}_bucket`, labels: { le: bound, ...labels }, value: count };
  }
  count += counts[bounds.length]!;
  yield { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count };
  yield { metricName: `${name}_sum`, labels, value: sum };
  yield { metricName: `${name}_count`, labels, value: count };
}
