/**
 * Calls that wait for a silent node which no longer owns their shard.
 *
 * A newer owner is proof that they wait in vain: it takes a shard only when the one before it has answered what it began,
 * or may answer no more. Calls that may run twice are sent again; the others may have run, and wait for their deadline.
 */
import type { HoldQueue } from './hold-queue.ts';
import type { Clock } from '../base/clock.ts';

export interface FormerOwnerCallsOptions<C> {
  readonly clock: Clock;
  readonly holdQueue: HoldQueue;
  /** All calls of the client that have not ended. */
  readonly calls: () => readonly C[];
  /** Holds the call if it waits for the owner before the present one, and may run twice. */
  readonly leave: (call: C) => void;
}

/**
 * The wait after a new owner became known: answers and refusals of the one before may still be on their way, and a refusal
 * keeps calls of one key in better order.
 */
const GRACE_MS = 100;

export class FormerOwnerCalls<C extends { readonly shard: number }> {
  readonly #options: FormerOwnerCallsOptions<C>;
  /** When a new owner of the shard became known. */
  readonly #movedMs = new Map<number, number>();
  #cancelTimer: (() => void) | undefined;

  constructor(options: FormerOwnerCallsOptions<C>) {
    this.#options = options;
  }

  onMoved(shard: number): void {
    this.#movedMs.set(shard, this.#options.clock.monoMs());
    if (this.#cancelTimer === undefined) this.#lookLater();
  }

  close(): void {
    this.#cancelTimer?.();
  }

  #lookLater(): void {
    this.#cancelTimer = this.#options.clock.timer(() => this.#look(), GRACE_MS);
  }

  /** Goes through all calls once, however many shards have moved. */
  #look(): void {
    const { clock, holdQueue, calls, leave } = this.#options;
    const nowMs = clock.monoMs();
    const due = new Set<number>();
    for (const [shard, movedMs] of this.#movedMs) if (nowMs - movedMs >= GRACE_MS) due.add(shard);
    for (const shard of due) this.#movedMs.delete(shard);
    this.#cancelTimer = undefined;
    if (this.#movedMs.size > 0) this.#lookLater();
    for (const call of calls()) if (due.has(call.shard)) leave(call);
    // All calls are held by now, so the first call of each key is tried, whichever was found first.
    for (const shard of due) holdQueue.onMoved(shard);
  }
}
