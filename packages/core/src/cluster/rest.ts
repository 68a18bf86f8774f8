/** Whether membership has come to rest: shards that may still have an owner, or are about to move again, wait for that. */
import type { Clock } from '../base/clock.ts';
import type { Known } from './ledger.ts';
import type { ShardRecord } from './records.ts';
import type { Timing } from './timing.ts';

export interface RestOptions {
  readonly clock: Clock;
  readonly timing: Timing;
  /** Whether all known members are placed. */
  readonly isPlaced: () => boolean;
  /** Time alone may have changed an answer. */
  readonly onRest: () => void;
}

export class Rest {
  readonly #options: RestOptions;
  #firstSeenMs: number;
  /** This run wrote the first record of the bucket. */
  isNewBucket = false;
  #changedMs: number;
  #cancelStableTimer: (() => void) | undefined;
  #cancelNewTimer: (() => void) | undefined;

  constructor(options: RestOptions) {
    this.#options = options;
    this.#firstSeenMs = options.clock.monoMs();
    this.#changedMs = this.#firstSeenMs;
  }

  /** This run is in a bucket that it has not seen before. */
  onBucket(isNew: boolean): void {
    const { clock, timing, onRest } = this.#options;
    this.#firstSeenMs = clock.monoMs();
    this.isNewBucket = isNew;
    this.#cancelNewTimer?.();
    if (isNew) this.#cancelNewTimer = clock.timer(onRest, noticedMs(timing) + 1);
  }

  /** The members that are up have changed. */
  onMembersChanged(): void {
    const { clock, timing, onRest } = this.#options;
    this.#changedMs = clock.monoMs();
    this.#cancelStableTimer?.();
    this.#cancelStableTimer = clock.timer(onRest, timing.stableMs + 1);
  }

  /**
   * Whether no owner from an earlier bucket may serve the shard any more. In a new bucket, a node that knew such an owner
   * has written `restored` by then.
   */
  isWaitOver(known: Known<ShardRecord> | undefined): boolean {
    const { timing } = this.#options;
    const isShort = this.isNewBucket && known === undefined;
    return this.#hasPassed(this.#firstSeenMs, isShort ? noticedMs(timing) : timing.expiryMs);
  }

  /** Membership has not changed for a while: a move that it asks for will still be right when it is done. */
  get isStable(): boolean {
    return this.#options.isPlaced() && this.#hasPassed(this.#changedMs, this.#options.timing.stableMs);
  }

  /** Nodes that start together let membership come to rest first; later, orphans are taken at once. */
  get isSettled(): boolean {
    const isOld = this.#hasPassed(this.#firstSeenMs, 2 * this.#options.timing.stableMs);
    return this.isStable || (isOld && this.#options.isPlaced());
  }

  end(): void {
    this.#cancelStableTimer?.();
    this.#cancelNewTimer?.();
  }

  #hasPassed(sinceMs: number, ms: number): boolean {
    return this.#options.clock.monoMs() - sinceMs >= ms;
  }
}

/** How soon an owner that reaches the store has noticed that its bucket is gone, and written the epochs that it knew. */
function noticedMs({ heartbeatMs, ackTimeoutMs, slackMs }: Timing): number {
  return heartbeatMs + ackTimeoutMs + slackMs / 3;
}
