/** The fenced store of the simulated counters, some milliseconds away from the processes that use it. */
import type { Clock } from '@clstr/core';
import { FencedStore } from '../checkers/fenced-store.ts';

export class DistantStore {
  readonly #store = new FencedStore();
  readonly #delayMs: () => number;
  readonly #world: Clock;

  /** `delayMs` returns how long a request or an answer takes. */
  constructor(world: Clock, delayMs: () => number) {
    this.#world = world;
    this.#delayMs = delayMs;
  }

  /** Reads the value for its owner. Rejects if a later owner has claimed it. */
  claim(clock: Clock, key: string, epoch: number): Promise<number> {
    return this.#ask(clock, () => {
      const claimed = this.#store.claim(key, epoch);
      if (claimed === undefined) throw new Error(`${key}: a later owner than that of epoch ${epoch}`);
      return claimed.value;
    });
  }

  /** Rejects if the store refuses. */
  write(clock: Clock, key: string, value: number, epoch: number): Promise<void> {
    return this.#ask(clock, () => {
      const written = this.#store.write(key, value, epoch);
      if (written.kind === 'refused') throw new Error(`${key} = ${value}: ${written.why}`);
    });
  }

  valueOf(key: string): number {
    return this.#store.read(key).value;
  }

  /** The highest fencing token that claimed or wrote the value. */
  tokenOf(key: string): number {
    return this.#store.read(key).epoch;
  }

  /** `clock` belongs to the asking process: a dead process never gets the answer. */
  #ask<T>(clock: Clock, work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#world.timer(() => {
        let settle: () => void;
        try {
          const result = work();
          settle = () => resolve(result);
        } catch (error) {
          settle = () => reject(error);
        }
        clock.timer(settle, this.#delayMs());
      }, this.#delayMs());
    });
  }
}
