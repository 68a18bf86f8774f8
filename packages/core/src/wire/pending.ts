/** The attempts of one link that wait for their effect, and a memory of those that were answered last. */
import type { Address, NodeAddress, OutboundEntry, ReplySink } from './transport.ts';

/** An entry between `send` and its last reply. A class, as no literal may make what waits: docs/decisions/0011. */
export class PendingAttempt {
  /** The attempt it was added under: an entry that is repeated has a new one by then. */
  readonly attempt: number;
  readonly to: Address;
  readonly entry: OutboundEntry;
  readonly sink: ReplySink;
  /** Set by the table when it forgets the attempt. */
  isEnded = false;

  constructor(to: Address, entry: OutboundEntry, sink: ReplySink) {
    this.attempt = entry.attempt;
    this.to = to;
    this.entry = entry;
    this.sink = sink;
  }
}

/** Answered attempts remembered, to recognise a second answer. */
const ANSWERED = 1_024;

/**
 * Attempts found directly by `attempt % SLOTS`. A `Map` would do, but under a steady flow of additions and removals
 * it rebuilds its table again and again, and its dead tables keep the dead entries alive until a full collection
 * (measured at 1,024 in flight: a fifth of the client's time).
 */
const SLOTS = 16_384;

/** For transports: one per link. */
export class PendingTable<P extends PendingAttempt> {
  readonly #slots: (P | undefined)[] = new Array<P | undefined>(SLOTS).fill(undefined);
  /** Attempts so old that a newer one took their slot. */
  readonly #overtaken = new Map<number, P>();
  readonly #answeredAttempts = new Float64Array(ANSWERED).fill(-1);
  readonly #answeredShards = new Uint32Array(ANSWERED);
  /** Told of a second reply for one attempt: two nodes serve the shard. */
  onDuplicateReply: ((shard: number, from: NodeAddress | undefined) => void) | undefined;

  add(attempt: number, pending: P): void {
    const slot = attempt % SLOTS;
    const older = this.#slots[slot];
    if (older !== undefined) this.#overtaken.set(older.attempt, older);
    this.#slots[slot] = pending;
  }

  /** Forgets an attempt that will not be answered, and returns it. */
  remove(attempt: number): P | undefined {
    const slot = attempt % SLOTS;
    const pending = this.#slots[slot];
    if (pending !== undefined && pending.attempt === attempt) {
      this.#slots[slot] = undefined;
      pending.isEnded = true;
      return pending;
    }
    const older = this.#overtaken.get(attempt);
    if (older === undefined) return undefined;
    this.#overtaken.delete(attempt);
    older.isEnded = true;
    return older;
  }

  /** The attempt that a reply answers; undefined for a late or a second reply, the latter being reported. */
  answer(attempt: number, from: NodeAddress | undefined): P | undefined {
    const pending = this.remove(attempt);
    const slot = attempt % ANSWERED;
    if (pending === undefined) {
      if (this.#answeredAttempts[slot] === attempt)
        this.onDuplicateReply?.(this.#answeredShards[slot]!, from);
      return undefined;
    }
    this.#answeredAttempts[slot] = attempt;
    this.#answeredShards[slot] = pending.entry.shard;
    return pending;
  }

  /** Forgets all attempts and returns them. */
  clear(): P[] {
    const all = [...this.#overtaken.values(), ...this.#slots.filter((pending) => pending !== undefined)];
    this.#overtaken.clear();
    this.#slots.fill(undefined);
    for (const pending of all) pending.isEnded = true;
    return all;
  }
}
