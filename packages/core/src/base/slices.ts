/** Spreads work on many items over turns of the event loop, which heartbeats need as well. */
import type { Clock } from './clock.ts';
import { turn } from './clock.ts';

const ITEMS_PER_TURN = 256;

/** All work given to one instance shares its turns. */
export class Slices {
  readonly #clock: Clock;
  #left = ITEMS_PER_TURN;
  #next: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `work`, which must not throw, for each item: for the first ones before it returns. */
  async each<T>(items: Iterable<T>, work: (item: T) => void): Promise<void> {
    for (const item of items) {
      // Several callers wait for the same turn, and the first of them may use it up.
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
