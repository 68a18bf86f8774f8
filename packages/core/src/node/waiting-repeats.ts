/** Repeats of one shard that wait until its new owner knows what ran before. */
import { payloadBytes } from '../wire/codec.ts';
import type { InboundEntry, ReplyPort } from '../wire/transport.ts';
import { heldBytes } from '../wire/transport.ts';

/** The part of a node that runs messages. */
export interface IdempotencyHost {
  /** A message takes memory of the node, until it has ended. */
  began(bytes: number): void;
  ended(bytes: number): void;
  /** Decides anew about a message that has waited. */
  again(entry: InboundEntry, port: ReplyPort): void;
}

export class WaitingRepeats {
  readonly #host: IdempotencyHost;
  readonly #waiting: { readonly entry: InboundEntry; readonly port: ReplyPort; readonly bytes: number }[] =
    [];

  constructor(host: IdempotencyHost) {
    this.#host = host;
  }

  add(entry: InboundEntry, port: ReplyPort): void {
    const bytes = heldBytes(entry);
    // A copy, because the payload is only valid while the entry arrives.
    const { payload: arrived } = entry;
    entry.payload = typeof arrived === 'string' ? arrived : new Uint8Array(payloadBytes(arrived));
    this.#waiting.push({ entry, port, bytes });
    this.#host.began(bytes);
  }

  /** The node decides about each of them anew, in the order in which they came. */
  end(): void {
    for (const { entry, port, bytes } of this.#waiting.splice(0)) {
      this.#host.ended(bytes);
      this.#host.again(entry, port);
    }
  }
}
