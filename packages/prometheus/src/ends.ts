/** How many ended well, and how many did not. */
import type { Labels, Sample } from './family.ts';

export class Ends {
  #succeeded = 0;
  #failed = 0;

  add(isSuccess: boolean): void {
    if (isSuccess) this.#succeeded++;
    else this.#failed++;
  }

  *samples(labels: Labels = {}): Iterable<Sample> {
    yield { labels: { ...labels, success: 'true' }, value: this.#succeeded };
    yield { labels: { ...labels, success: 'false' }, value: this.#failed };
  }
}
