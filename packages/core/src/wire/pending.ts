/** The attempts of one link that wait for an answer, and those that were answered last. */
import { SlotTable } from './slot-table.ts';
import type { Address, NodeAddress, OutboundEntry, ReplySink } from './transport.ts';

/** An entry from `send` to its last reply. A class, because what waits must not be a literal: docs/decisions/0011. */
export class PendingAttempt {
  /** The attempt under which the table holds it; the entry of a repeated call may have a newer one. */
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

/** How many answered attempts the table remembers, to recognise a second answer. */
const ANSWERED = 1_024;

/** Nearly every link has fewer attempts waiting. */
const SLOTS = 16_384;

/** For transports: one per link. */
export class PendingTable<P extends PendingAttempt> {
  readonly #waiting = new SlotTable<P>(SLOTS);
  readonly #answeredAttempts = new Float64Array(ANSWERED).fill(-1);
  readonly #answeredShards = new Uint32Array(ANSWERED);
  /** Called when a second reply for one attempt arrives: two nodes serve the shard. */
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

  /** The attempt that a reply answers; undefined for a late reply, or for a second one, which is reported. */
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
