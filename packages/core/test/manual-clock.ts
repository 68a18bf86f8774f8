/** A clock that stands still until it is told to move. */
import type { Clock } from '../src/base/clock.ts';

export class ManualClock implements Clock {
  nowMs: number;
  /** Timers armed over the whole life of the clock. */
  timersArmed = 0;
  readonly #timers = new Set<{ atMs: number; fn: () => void }>();

  constructor(nowMs = 0) {
    this.nowMs = nowMs;
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  monoMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }

  timer(fn: () => void, delayMs: number): () => void {
    const timer = { atMs: this.nowMs + delayMs, fn };
    this.timersArmed++;
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  macrotask(fn: () => void): void {
    fn();
  }

  /** Fires every timer due within `ms`, each at its time. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.#timers.delete(next);
      next.fn();
    }
    this.nowMs = untilMs;
  }

  /** Time passes while the process is stopped: timers fire late, all at `ms` from now. */
  stall(ms: number): void {
    this.nowMs += ms;
    this.advance(0);
  }

  #next(untilMs: number): { atMs: number; fn: () => void } | undefined {
    return [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
  }
}
