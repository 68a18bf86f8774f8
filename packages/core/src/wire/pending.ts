/** The attempts of one link that wait for an answer, and a memory of those that were answered last. */
import { SlotTable } from './slot-table.ts';
import type { Address, NodeAddress, OutboundEntry, ReplySink } from './transport.ts';

/** An entry between `send` and its last reply. A class, as no literal may make what waits: docs/decisions/0011. */
export class PendingAttempt {
  /** The attempt it was added under: an entry that is repeated has a new one by then. */
  readonly id: number;
  readonly to: Address;
  readonly entry: OutboundEntry;
  readonly sink: ReplySink;
  /** Set by the table when it forgets the attempt. */
  isEnded = false;

  constructor(to: Address, entry: OutboundEntry, sink: ReplySink) {
    this.id = entry.attempt;
    this.to = to;
    this.entry = entry;
    this.sink = sink;
  }
}

/** Answered attempts remembered, to recognise a second answer. */
const ANSWERED = 1_024;

/** More than wait on nearly every link. */
const SLOTS = 16_384;

/** For transports: one per link. */
export class PendingTable<P extends PendingAttempt> {
  readonly #waiting = new SlotTable<P>(SLOTS);
  readonly #answeredAttempts = new Float64Array(ANSWERED).fill(-1);
  readonly #answeredShards = new Uint32Array(ANSWERED);
  /** Told of a second reply for one attempt: two nodes serve the shard. */
  onDuplicateReply: ((shard: number, from: NodeAddress | undefined) => void) | undefined;

  add(pending: P): void {
    this.#waiting.add(pending);
  }

  /** Forgets an attempt that will not be answered, and returns it. */
  remove(attempt: number): P | undefined {
    const pending = this.#waiting.remove(attempt);
    if (pending !== undefined) pending.isEnded = true;
    return pending;
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
    const all = this.#waiting.values();
    this.#waiting.clear();
    for (const pending of all) pending.isEnded = true;
    return all;
  }
}
