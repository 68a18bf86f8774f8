/** How long a node may act on its last heartbeat: a span of its own monotonic clock, never a date. */
import type { Clock } from '../base/clock.ts';

/** One reading of both clocks. */
export interface Instant {
  readonly monoMs: number;
  readonly wallMs: number;
}

/** Only the wall clock shows that a machine was suspended: if it differs by more than this, the lease counts as over. */
const MAX_DIVERGENCE_MS = 500;

export class Lease {
  readonly #clock: Clock;
  readonly #lengthMs: number;
  /** When the newest acknowledged heartbeat was first sent. */
  #from: Instant | undefined;

  /** `lengthMs` is the published lease less the guard. */
  constructor(clock: Clock, lengthMs: number) {
    this.#clock = clock;
    this.#lengthMs = lengthMs;
  }

  now(): Instant {
    return { monoMs: this.#clock.monoMs(), wallMs: this.#clock.wallMs() };
  }

  /** Never shortens the lease: acknowledgements may come in any order. */
  extend(from: Instant): void {
    if (this.#from === undefined || from.monoMs > this.#from.monoMs) this.#from = from;
  }

  /** Hot path: called before every message is admitted, by code that has just read the monotonic clock. */
  isValid(nowMs: number = this.#clock.monoMs()): boolean {
    const from = this.#from;
    if (from === undefined) return false;
    const ageMs = nowMs - from.monoMs;
    return (
      ageMs <= this.#lengthMs && Math.abs(this.#clock.wallMs() - from.wallMs - ageMs) <= MAX_DIVERGENCE_MS
    );
  }

  /** Time since the newest acknowledged heartbeat was first sent; Infinity before the first. */
  get ageMs(): number {
    return this.#from === undefined ? Infinity : this.#clock.monoMs() - this.#from.monoMs;
  }

  /** Time until the lease ends, on the monotonic clock; 0 when it has ended. */
  get remainingMs(): number {
    if (this.#from === undefined) return 0;
    return Math.max(0, this.#from.monoMs + this.#lengthMs - this.#clock.monoMs());
  }
}
