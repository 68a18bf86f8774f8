/** The node side: decodes what arrives for one served address and sends replies back. */
import type { Clock } from '@clstr/core';
import type { EntryReceiver, FrameVisitor, InboundEntry, NodeAddress, ReplyPort } from '@clstr/core/wire';
import type { Failure } from '@clstr/core/handler';
import { decodeFrame } from '@clstr/core/wire';
import type { Endpoint } from './memory-bus.ts';
import type { MemoryReplies } from './memory-replies.ts';

export class MemoryServer implements Endpoint {
  readonly name: string;
  readonly self: NodeAddress;
  readonly #clock: Clock;
  readonly #replies: MemoryReplies;
  readonly #receiver: EntryReceiver;

  constructor(clock: Clock, replies: MemoryReplies, receiver: EntryReceiver, self: NodeAddress) {
    this.name = nameOf(self);
    this.self = self;
    this.#clock = clock;
    this.#replies = replies;
    this.#receiver = receiver;
  }

  deliver(bytes: Uint8Array, from: Endpoint): void {
    const delivery = new Delivery(this.#receiver, this.#replies, this, from);
    this.#replies.hold();
    try {
      decodeFrame(bytes, delivery, this.#clock.monoMs());
    } finally {
      this.#replies.release();
    }
  }
}

/** As packets name it. */
export function nameOf({ nodeId, inc }: NodeAddress): string {
  return `node:${nodeId}.${inc}`;
}

/** One arrival: visits its frame, and is the way back for its entries. */
class Delivery implements FrameVisitor, ReplyPort {
  readonly #receiver: EntryReceiver;
  readonly #replies: MemoryReplies;
  readonly #server: Endpoint;
  readonly #sender: Endpoint;

  constructor(receiver: EntryReceiver, replies: MemoryReplies, server: Endpoint, sender: Endpoint) {
    this.#receiver = receiver;
    this.#replies = replies;
    this.#server = server;
    this.#sender = sender;
  }

  get inbox(): string {
    return this.#sender.name;
  }

  onMessage(entry: InboundEntry): void {
    this.#receiver.onEntry(entry, this);
  }

  onCancel(clientId: number, attempt: number): void {
    this.#receiver.onCancel(clientId, attempt);
  }

  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    this.#replies.reply(this.#server, this.#sender, entry, payload, isRaw);
  }

  fail(entry: InboundEntry, error: Failure): void {
    this.#replies.fail(this.#server, this.#sender, entry, error);
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
