/** What ended: how long it took, and whether it succeeded. Success is what is left, so that it costs no counter. */
import { Durations } from './durations.ts';
import type { Labels, Sample } from './family.ts';

export class Timed {
  readonly durations: Durations = new Durations();
  #failed = 0;

  add(isSuccess: boolean, durationMs: number): void {
    if (!isSuccess) this.#failed++;
    this.durations.add(durationMs);
  }

  ends(labels: Labels): Iterable<Sample> {
    return endsOf(this.durations.count, this.#failed, labels);
  }
}

export function* endsOf(count: number, failed: number, labels: Labels): Iterable<Sample> {
  yield { labels: { ...labels, success: 'true' }, value: count - failed };
  yield { labels: { ...labels, success: 'false' }, value: failed };
}
