/** The store of the simulated counters, which refuses writers of an earlier epoch. */
import type { Clock } from '@clstr/core';

interface Cell {
  value: number;
  epoch: number;
}

export class FencedCounterStore {
  readonly #cells = new Map<string, Cell>();
  readonly #delayMs: () => number;
  readonly #world: Clock;

  /** `delayMs` returns how long a request or an answer takes. */
  constructor(world: Clock, delayMs: () => number) {
    this.#world = world;
    this.#delayMs = delayMs;
  }

  /** Reads the value; from then on no writer of a lower epoch is accepted. */
  claim(clock: Clock, key: string, epoch: number): Promise<number> {
    return this.#ask(clock, () => {
      const cell = this.#cell(key);
      if (epoch < cell.epoch) throw new Error(`epoch ${epoch} is below ${cell.epoch}`);
      cell.epoch = epoch;
      return cell.value;
    });
  }

  /** Accepts only the successor of the last value. */
  write(clock: Clock, key: string, value: number, epoch: number): Promise<number> {
    return this.#ask(clock, () => {
      const cell = this.#cell(key);
      if (epoch < cell.epoch) throw new Error(`epoch ${epoch} is below ${cell.epoch}`);
      if (value !== cell.value + 1) throw new Error(`${value} does not follow ${cell.value}`);
      cell.epoch = epoch;
      cell.value = value;
      return value;
    });
  }

  valueOf(key: string): number {
    return this.#cells.get(key)?.value ?? 0;
  }

  #cell(key: string): Cell {
    let cell = this.#cells.get(key);
    if (cell === undefined) this.#cells.set(key, (cell = { value: 0, epoch: 0 }));
    return cell;
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
