/** The client side: encodes each entry when its turn comes, and matches replies to attempts. */
import type {
  Address,
  ClientLink,
  FrameVisitor,
  InboundReply,
  NodeAddress,
  OutboundEntry,
  PendingAttempt,
  ReplySink,
} from '@clstr/core';
import { ClstrError, PendingTable, createFrameWriter, decodeFrame, describe } from '@clstr/core';
import type { BusWork, Endpoint, MemoryBus } from './memory-bus.ts';
import { payloadTooLarge, transportClosed } from './memory-errors.ts';

export class MemoryLink implements ClientLink, Endpoint {
  readonly name: string;
  readonly self = undefined;
  readonly #bus: MemoryBus;
  readonly #session: number;
  readonly #onClose: () => void;
  readonly #pending = new PendingTable<Outgoing>();
  readonly #writer = createFrameWriter();
  readonly #visitor: FrameVisitor;
  #from: NodeAddress | undefined;
  #isClosed = false;

  constructor(bus: MemoryBus, session: number, onClose: () => void) {
    this.name = `client:${session}`;
    this.#bus = bus;
    this.#session = session;
    this.#onClose = onClose;
    this.#visitor = replyVisitor(this.#pending, () => this.#from);
  }

  get onDuplicateReply(): ClientLink['onDuplicateReply'] {
    return this.#pending.onDuplicateReply;
  }

  set onDuplicateReply(listener: ClientLink['onDuplicateReply']) {
    this.#pending.onDuplicateReply = listener;
  }

  send(to: Address, entry: OutboundEntry, sink: ReplySink): void {
    const outgoing = new Outgoing(this, to, entry, sink);
    if (!this.#isClosed) this.#pending.add(outgoing.attempt, outgoing);
    this.#bus.enqueue(outgoing);
  }

  cancel(attempt: number): void {
    const outgoing = this.#pending.remove(attempt);
    if (outgoing === undefined || !outgoing.isSent || outgoing.entry.isNotify) return;
    this.#writer.cancel(this.#session, attempt);
    const bytes = this.#writer.take();
    for (const server of this.#bus.serversOf(outgoing.to)) this.#bus.transmit(this, server, bytes);
  }

  release(attempt: number): void {
    this.#pending.remove(attempt);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#pending.clear();
    this.#onClose();
    return Promise.resolve();
  }

  /** The transport closes: what waits for a reply fails. */
  fail(): void {
    const waiting = this.#pending.clear();
    void this.close();
    for (const { sink, isSent } of waiting) {
      sink.onError(transportClosed(isSent ? 'unknown' : 'not-executed'));
    }
  }

  deliver(bytes: Uint8Array, from: Endpoint): void {
    this.#from = from.self;
    decodeFrame(bytes, this.#visitor, 0);
  }

  /** An entry's turn on the bus. */
  transmit(outgoing: Outgoing): void {
    const { to, sink } = outgoing;
    if (outgoing.isEnded) return;
    const error = this.#isClosed ? transportClosed('not-executed') : this.#leave(outgoing);
    if (error !== undefined) {
      this.#pending.remove(outgoing.attempt);
      sink.onError(error);
      return;
    }
    const servers = this.#bus.serversOf(to);
    for (const server of servers) this.#bus.transmit(this, server, outgoing.bytes);
    outgoing.isSent = true;
    sink.onSent();
    // As over a network: the message has left before anybody knows that nobody hears it.
    if (servers.size === 0 && this.#pending.remove(outgoing.attempt) !== undefined) {
      sink.onError(new ClstrError('NO_SUBSCRIBER', `no node serves shard ${outgoing.entry.shard}`));
    }
  }

  #leave(outgoing: Outgoing): ClstrError | undefined {
    const { entry } = outgoing;
    // A text has at least as many bytes as units: what is far too large is not even encoded.
    if (entry.payload.length > this.#bus.maxPayload) return tooLarge(entry, entry.payload.length, this.#bus);
    this.#writer.message(this.#session, entry);
    const { size } = this.#writer;
    if (size <= this.#bus.maxPayload) {
      outgoing.bytes = this.#writer.take();
      return undefined;
    }
    this.#writer.rollback(0);
    return tooLarge(entry, size, this.#bus);
  }
}

function tooLarge(entry: OutboundEntry, bytes: number, bus: MemoryBus): ClstrError {
  return payloadTooLarge(`request ${describe(entry.type)}`, bytes, bus);
}

/** An entry between `send` and its last reply. */
class Outgoing implements PendingAttempt, BusWork {
  readonly #link: MemoryLink;
  readonly attempt: number;
  readonly to: Address;
  readonly entry: OutboundEntry;
  readonly sink: ReplySink;
  isEnded = false;
  bytes: Uint8Array = NO_BYTES;
  isSent = false;

  constructor(link: MemoryLink, to: Address, entry: OutboundEntry, sink: ReplySink) {
    this.#link = link;
    this.attempt = entry.attempt;
    this.to = to;
    this.entry = entry;
    this.sink = sink;
  }

  run(): void {
    this.#link.transmit(this);
  }
}

const NO_BYTES = new Uint8Array(0);

function replyVisitor(pending: PendingTable<Outgoing>, from: () => NodeAddress | undefined): FrameVisitor {
  const ignore = (): void => {};
  return {
    onReply(attempt, payload, isRaw, isFinal, error) {
      const reply: InboundReply = { error, payload, isRaw, from: from() };
      pending.answer(attempt, reply.from)?.sink.onReply(reply, isFinal);
    },
    onMessage: ignore,
    onCancel: ignore,
    onBatchError: ignore,
    onMalformed: ignore,
  };
}
