/** The node side: decodes what arrives for one served address and sends replies back. */
import type {
  ClstrError,
  EntryReceiver,
  FrameVisitor,
  InboundEntry,
  NodeAddress,
  ReplyPort,
} from '@clstr/core';
import { createFrameWriter, decodeFrame, describe, shortError } from '@clstr/core';
import type { Endpoint, MemoryBus } from './memory-bus.ts';
import { payloadTooLarge } from './memory-errors.ts';

export class MemoryServer implements Endpoint {
  readonly name: string;
  readonly self: NodeAddress;
  readonly #bus: MemoryBus;
  readonly #receiver: EntryReceiver;

  constructor(bus: MemoryBus, receiver: EntryReceiver, self: NodeAddress) {
    this.name = `node:${self.nodeId}.${self.inc}`;
    this.self = self;
    this.#bus = bus;
    this.#receiver = receiver;
  }

  deliver(bytes: Uint8Array, from: Endpoint): void {
    decodeFrame(bytes, new Delivery(this.#bus, this.#receiver, this, from), this.#bus.clock.monoMs());
  }
}

/** One arrival: visits its frame, and is the way back for its entries. */
class Delivery implements FrameVisitor, ReplyPort {
  readonly #bus: MemoryBus;
  readonly #receiver: EntryReceiver;
  readonly #server: Endpoint;
  readonly #sender: Endpoint;

  constructor(bus: MemoryBus, receiver: EntryReceiver, server: Endpoint, sender: Endpoint) {
    this.#bus = bus;
    this.#receiver = receiver;
    this.#server = server;
    this.#sender = sender;
  }

  onMessage(entry: InboundEntry): void {
    this.#receiver.onEntry(entry, this);
  }

  onCancel(session: number, attempt: number): void {
    this.#receiver.onCancel(session, attempt);
  }

  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const { maxPayload } = this.#bus;
    let bytes = payload.length;
    if (bytes <= maxPayload) {
      writer.reply(entry.attempt, payload, isRaw);
      bytes = writer.size;
      if (bytes <= maxPayload) {
        this.#bus.transmit(this.#server, this.#sender, writer.take());
        return;
      }
      writer.rollback(0);
    }
    this.fail(entry, payloadTooLarge(`reply to ${describe(entry.type)}`, bytes, this.#bus, 'executed'));
  }

  fail(entry: InboundEntry, error: ClstrError): void {
    writer.failure(entry.attempt, error);
    if (writer.size > this.#bus.maxPayload) {
      writer.rollback(0);
      writer.failure(entry.attempt, shortError(error));
    }
    this.#bus.transmit(this.#server, this.#sender, writer.take());
  }

  onReply(): void {
    /* nobody replies to a node */
  }

  onBatchError(): void {
    /* the bus speaks one version */
  }

  onMalformed(): void {
    /* both ends are of this process */
  }
}

/** Used within one call only. */
const writer = createFrameWriter();
