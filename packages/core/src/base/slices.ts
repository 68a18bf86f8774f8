/** Work of many items, some in each turn of the event loop: it must not stop the loop, which heartbeats need as well. */
import type { Clock } from './clock.ts';
import { turn } from './clock.ts';

const ITEMS_PER_TURN = 256;

/** All that is given to one of these shares its turns. */
export class Slices {
  readonly #clock: Clock;
  #left = ITEMS_PER_TURN;
  #next: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when `work` was called for each item; the first ones are done when it returns. `work` must not throw. */
  async each<T>(items: Iterable<T>, work: (item: T) => void): Promise<void> {
    for (const item of items) {
      // Several wait for the same turn, and the first of them may use it up.
      while (this.#left === 0) await (this.#next ??= this.#begin());
      this.#left--;
      work(item);
    }
  }

  async #begin(): Promise<void> {
    await turn(this.#clock);
    this.#left = ITEMS_PER_TURN;
    this.#next = undefined;
  }
}
