/** A clock whose turns of the event loop a test ends, and whose handlers take the time that it says. */
import type { Clock } from '../../src/base/clock.ts';
import { ManualClock } from '../manual-clock.ts';

export class TurningClock extends ManualClock implements Clock {
  #macrotasks: (() => void)[] = [];

  override macrotask(fn: () => void): void {
    this.#macrotasks.push(fn);
  }

  get isWatched(): boolean {
    return this.#macrotasks.length > 0;
  }

  /** Ends the turn: what it left for the next one runs. */
  turn(): void {
    const due = this.#macrotasks;
    this.#macrotasks = [];
    for (const fn of due) fn();
  }
}
