/**
 * Whether a client sends calls to one node: a state machine that knows time only from its caller.
 *
 * closed → open when enough calls failed in the window; open → half-open when its pause is over; then a few probes decide.
 */

import type { BreakerState } from '../base/metrics.ts';
import { sum } from '../base/sum.ts';

export interface BreakerOptions {
  /** The share of failed calls, above 0 and at most 1, from which the node gets no calls. Default 0.5. */
  readonly failureRate: number;
  /** How many calls must have ended in the window before the share counts. Default 20. */
  readonly minCalls: number;
  /** Over which time the share is taken, in milliseconds. Default 10,000. */
  readonly windowMs: number;
  /** How long the node gets no calls, in milliseconds; after that some try whether it answers again. Default 5,000. */
  readonly openMs: number;
}

/** How an attempt ended: `unrelated` says nothing about the node, such as an abort or a move of the shard. */
export type AttemptEnd = 'answered' | 'failed' | 'unrelated';

/** How many calls may try at the same time whether a node answers again; as many answers close the breaker. */
export const MAX_PROBES = 3;
const SLICES = 10;

export class Breaker {
  readonly #options: BreakerOptions;
  readonly #sliceMs: number;
  readonly #answered = new Array<number>(SLICES).fill(0);
  readonly #failed = new Array<number>(SLICES).fill(0);
  #slice = 0;
  state: BreakerState = 'closed';
  /** Rises with each change of the state: what began before counts no more. */
  #era = 1;
  #openUntilMs = 0;
  #probes = 0;
  #answeredProbes = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#sliceMs = options.windowMs / SLICES;
  }

  /** Hot path: returns a pass that {@link ended} takes back, or 0 if the call must not be sent. */
  pass(nowMs: number): number {
    if (this.state === 'closed') return this.#era;
    if (this.state === 'open') {
      if (nowMs < this.#openUntilMs) return 0;
      this.#turn('half-open');
    }
    if (this.#probes + this.#answeredProbes >= MAX_PROBES) return 0;
    this.#probes++;
    return this.#era;
  }

  /** How long no call is sent, in milliseconds; 0 if the next one may be. */
  waitMs(nowMs: number): number {
    return this.state === 'open' ? Math.max(0, Math.ceil(this.#openUntilMs - nowMs)) : 0;
  }

  /**
   * Whether the node gets no calls, or only probes. A breaker that no call has met since its pause ended counts for a window
   * more: the run of a node that has ended gets no call that would close it.
   */
  isLimiting(nowMs: number): boolean {
    if (this.state === 'closed') return false;
    return this.#probes > 0 || nowMs < this.#openUntilMs + this.#options.windowMs;
  }

  /**
   * Hot path. `nowMs` may be when the attempt began, if it was answered: the window moves in slices of a tenth.
   */
  ended(pass: number, end: AttemptEnd, nowMs: number): void {
    if (pass !== this.#era) return;
    if (this.state === 'half-open') this.#probeEnded(end, nowMs);
    else if (end !== 'unrelated') this.#count(end, nowMs);
  }

  #probeEnded(end: AttemptEnd, nowMs: number): void {
    this.#probes--;
    if (end === 'failed') this.#open(nowMs);
    else if (end === 'answered' && ++this.#answeredProbes === MAX_PROBES) this.#turn('closed');
  }

  #count(end: 'answered' | 'failed', nowMs: number): void {
    const slice = Math.floor(nowMs / this.#sliceMs);
    if (slice <= this.#slice - SLICES) return;
    for (let i = Math.max(this.#slice + 1, slice - SLICES + 1); i <= slice; i++) {
      this.#answered[i % SLICES] = 0;
      this.#failed[i % SLICES] = 0;
    }
    this.#slice = Math.max(slice, this.#slice);
    if (end === 'answered') {
      this.#answered[slice % SLICES]!++;
      return;
    }
    this.#failed[slice % SLICES]!++;
    const failed = sum(this.#failed);
    const ended = failed + sum(this.#answered);
    if (ended >= this.#options.minCalls && failed >= this.#options.failureRate * ended) this.#open(nowMs);
  }

  #open(nowMs: number): void {
    this.#openUntilMs = nowMs + this.#options.openMs;
    this.#turn('open');
  }

  #turn(state: BreakerState): void {
    this.state = state;
    this.#era++;
    this.#probes = 0;
    this.#answeredProbes = 0;
    this.#answered.fill(0);
    this.#failed.fill(0);
  }
}
