/** The client side: encodes entries when their turn comes, and matches replies to attempts. */
import type {
  Address,
  ClientLink,
  FrameVisitor,
  InboundReply,
  NodeAddress,
  OutboundEntry,
  ReplySink,
} from '@clstr/core/wire';
import { ClstrError } from '@clstr/core';
import { PendingAttempt, PendingTable, createFrameWriter, decodeFrame } from '@clstr/core/wire';
import { describe } from '@clstr/core/internal';
import { MAX_FRAME_ENTRIES, PREFERRED_FRAME_BYTES } from './batching.ts';
import type { BusWork, Endpoint, MemoryBus } from './memory-bus.ts';
import { payloadTooLarge, transportClosed } from './memory-errors.ts';

export class MemoryLink implements ClientLink, Endpoint {
  readonly name: string;
  readonly self = undefined;
  readonly #bus: MemoryBus;
  readonly #clientId: number;
  readonly #onClose: () => void;
  readonly #limit: number;
  readonly #pending = new PendingTable<Outgoing>();
  readonly #writer = createFrameWriter();
  readonly #visitor: FrameVisitor;
  /** Hears announcements, as far as this link listens. */
  #listener: Endpoint | undefined;
  /** What comes next still joins it. */
  #turn: Turn | undefined;
  /** What the writer holds. */
  #frame: Outgoing[] = NO_ENTRIES;
  #from: NodeAddress | undefined;
  #isClosed = false;

  constructor(bus: MemoryBus, clientId: number, onClose: () => void) {
    this.name = `client:${clientId}`;
    this.#bus = bus;
    this.#clientId = clientId;
    this.#onClose = onClose;
    this.#limit = Math.min(bus.maxPayload, PREFERRED_FRAME_BYTES);
    this.#visitor = replyVisitor(this.#pending, () => this.#from);
  }

  get onDuplicateReply(): ClientLink['onDuplicateReply'] {
    return this.#pending.onDuplicateReply;
  }

  set onDuplicateReply(listener: ClientLink['onDuplicateReply']) {
    this.#pending.onDuplicateReply = listener;
  }

  send(to: Address, entry: OutboundEntry, sink: ReplySink): void {
    const outgoing = new Outgoing(to, entry, sink);
    if (!this.#isClosed) this.#pending.add(outgoing.attempt, outgoing);
    const turn = this.#turn;
    if (turn !== undefined && turn.to === to && turn.weight < MAX_FRAME_ENTRIES) turn.entries.push(outgoing);
    else this.#bus.enqueue((this.#turn = new Turn(this, to, outgoing)));
  }

  cancel(attempt: number): void {
    const outgoing = this.#pending.remove(attempt);
    if (outgoing === undefined || !outgoing.isSent || outgoing.entry.isNotify) return;
    this.#writer.cancel(this.#clientId, attempt);
    const bytes = this.#writer.take();
    for (const server of this.#bus.serversOf(outgoing.to)) this.#bus.transmit(this, server, bytes, 1);
  }

  release(attempt: number): void {
    this.#pending.remove(attempt);
  }

  onAnnouncement(listener: (from: NodeAddress | undefined) => void): void {
    if (this.#isClosed) return;
    this.#listener = { name: this.name, self: undefined, deliver: (_bytes, from) => listener(from.self) };
    this.#bus.listeners.add(this.#listener);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    if (this.#listener !== undefined) this.#bus.listeners.delete(this.#listener);
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

  /** The turn of entries on the bus. */
  transmit(turn: Turn): void {
    if (turn === this.#turn) this.#turn = undefined;
    for (const outgoing of turn.entries) {
      if (outgoing.isEnded) continue;
      const error = this.#isClosed ? transportClosed('not-executed') : this.#write(outgoing);
      if (error === undefined) continue;
      this.#leave();
      this.#pending.remove(outgoing.attempt);
      outgoing.sink.onError(error);
    }
    this.#leave();
  }

  /** Writes an entry into the open frame, or into the next when it is full. */
  #write(outgoing: Outgoing): ClstrError | undefined {
    const { entry } = outgoing;
    const { maxPayload } = this.#bus;
    // A text has at least as many bytes as units: what is far too large is not even encoded.
    if (entry.payload.length > maxPayload) return tooLarge(entry, entry.payload.length, this.#bus);
    const writer = this.#writer;
    const before = writer.size;
    writer.message(this.#clientId, entry);
    if (before > 0 && writer.size > this.#limit) {
      writer.rollback(before);
      this.#leave();
      if (outgoing.isEnded) return undefined;
      writer.message(this.#clientId, entry);
    }
    const { size } = writer;
    if (size > maxPayload) {
      writer.rollback(0);
      return tooLarge(entry, size, this.#bus);
    }
    outgoing.isSent = true;
    if (this.#frame.length === 0) this.#frame = [outgoing];
    else this.#frame.push(outgoing);
    return undefined;
  }

  /** Sends the open frame. Only then are its sinks told: what they do finds the writer empty. */
  #leave(): void {
    const frame = this.#frame;
    if (frame.length === 0) return;
    this.#frame = NO_ENTRIES;
    const bytes = this.#writer.take();
    const servers = this.#bus.serversOf(frame[0]!.to);
    const isHeard = servers.size > 0;
    for (const server of servers) this.#bus.transmit(this, server, bytes, frame.length);
    for (const outgoing of frame) {
      if (outgoing.isEnded) continue;
      outgoing.sink.onSent();
      // As over a network: the message has left before anybody knows that nobody hears it.
      if (!isHeard && this.#pending.remove(outgoing.attempt) !== undefined) {
        outgoing.sink.onError(nobody());
      }
    }
  }
}

function tooLarge(entry: OutboundEntry, bytes: number, bus: MemoryBus): ClstrError {
  return payloadTooLarge(`request ${describe(entry.type)}`, bytes, bus);
}

function nobody(): ClstrError {
  return new ClstrError('NO_SUBSCRIBER', 'no node serves the shard of this message');
}

/** Entries to one address in a row, so that all arrive in the order sent, whatever their addresses. */
class Turn implements BusWork {
  readonly #link: MemoryLink;
  readonly to: Address;
  readonly entries: Outgoing[];

  constructor(link: MemoryLink, to: Address, first: Outgoing) {
    this.#link = link;
    this.to = to;
    this.entries = [first];
  }

  get weight(): number {
    return this.entries.length;
  }

  run(): void {
    this.#link.transmit(this);
  }
}

class Outgoing extends PendingAttempt {
  isSent = false;
}

const NO_ENTRIES: Outgoing[] = [];

function replyVisitor(pending: PendingTable<Outgoing>, from: () => NodeAddress | undefined): FrameVisitor {
  const ignore = (): void => {};
  return {
    onReply(attempt, payload, isRaw, error) {
      const reply: InboundReply = { error, payload, isRaw, from: from() };
      pending.answer(attempt, reply.from)?.sink.onReply(reply);
    },
    onMessage: ignore,
    onCancel: ignore,
    onBatchError: ignore,
    onMalformed: ignore,
  };
}
