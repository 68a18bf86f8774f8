/** A histogram of sizes: of batches, and of lists of calls. */
import { histogramSamples } from './durations.ts';
import type { Labels, Sample } from './family.ts';

/** 1 to 1,024 in steps of a power of two. */
const BOUNDS = Array.from({ length: 11 }, (_, power) => 2 ** power);

export class Sizes {
  /** How many fell into each bucket, then how many into none. */
  readonly counts: number[] = new Array<number>(BOUNDS.length + 1).fill(0);
  sum = 0;

  add(size: number): void {
    const bucket = BOUNDS.findIndex((bound) => size <= bound);
    this.counts[bucket === -1 ? BOUNDS.length : bucket]!++;
    this.sum += size;
  }

  /** Adds what another part has counted in buckets of the same steps, of which it may have more. */
  addAll(counts: readonly number[], sum: number): void {
    for (const [power, count] of counts.entries()) this.counts[Math.min(power, BOUNDS.length)]! += count;
    this.sum += sum;
  }

  samples(name: string, labels: Labels): Iterable<Sample> {
    return histogramSamples(name, labels, BOUNDS, this.counts, this.sum);
  }
}
