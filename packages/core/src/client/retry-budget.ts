/**
 * How many repeats a client may make, as a share of its calls: when a cluster is in trouble, repeats must not multiply
 * its load. A repeat is charged when it is decided, not when it leaves, so that many cannot gather during their pauses.
 */
import { sum } from '../base/sum.ts';

/** Repeats per call. */
const SHARE = 0.2;
/** Repeats per second beyond that, for clients that make few calls. */
const PER_SECOND = 10;
/** Calls and repeats count this long; in slices, so that they cost two numbers each and not one per call. */
const SLICE_MS = 1_000;
const SLICES = 10;

export class RetryBudget {
  readonly #calls = new Array<number>(SLICES).fill(0);
  readonly #repeats = new Array<number>(SLICES).fill(0);
  /** The slice of the last reading of the clock, counted from the clock's zero. */
  #slice = 0;
  #sliceEndMs = -Infinity;
  #index = 0;

  /** Hot path: counts a call. `nowMs` is monotonic and never goes back. */
  onCall(nowMs: number): void {
    if (nowMs >= this.#sliceEndMs) this.#turnTo(nowMs);
    this.#calls[this.#index]!++;
  }

  /** Charges a repeat; returns false if nothing is left for it. */
  take(nowMs: number): boolean {
    if (this.left(nowMs) < 1) return false;
    this.#repeats[this.#index]!++;
    return true;
  }

  /** How many repeats may still be decided now. */
  left(nowMs: number): number {
    if (nowMs >= this.#sliceEndMs) this.#turnTo(nowMs);
    const earned = SHARE * sum(this.#calls) + (PER_SECOND * SLICES * SLICE_MS) / 1_000;
    return Math.max(0, Math.floor(earned - sum(this.#repeats)));
  }

  #turnTo(nowMs: number): void {
    const slice = Math.floor(nowMs / SLICE_MS);
    const passed = Math.min(SLICES, this.#sliceEndMs === -Infinity ? SLICES : slice - this.#slice);
    for (let i = 0; i < passed; i++) {
      this.#index = (this.#index + 1) % SLICES;
      this.#calls[this.#index] = 0;
      this.#repeats[this.#index] = 0;
    }
    this.#slice = slice;
    this.#sliceEndMs = (slice + 1) * SLICE_MS;
  }
}
