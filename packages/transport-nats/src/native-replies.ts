/** The native wire at a node: replies that are ready in one turn go back to one client as one message. */
import type { FrameWriter, InboundEntry, ReplyPort } from '@clstr/core/wire';
import type { Failure } from '@clstr/core/handler';
import { createFrameWriter, errorFromRecord, errorToRecord, shortError } from '@clstr/core/wire';
import { describe } from '@clstr/core/internal';
import { PREFERRED_BATCH_BYTES } from './batching.ts';
import type { Connection } from './connection.ts';
import { payloadTooLarge } from './nats-errors.ts';
import type { NatsTransportStats } from './stats.ts';
import { isInbox } from './subjects.ts';
import type { WaitingReplies } from './waiting-replies.ts';

/** Clients remembered; the one that was silent for longest is forgotten first, and remembered again at its next message. */
const MAX_ROUTES = 4_096;
/** A client that was not heard of for so long is forgotten at one of the next messages. */
const IDLE_MS = 60_000;
const LOOK_MS = 10_000;
/** Clients whose replies wait for the end of the turn; each takes a slab of 64 KiB at most. */
const MAX_OPEN = 64;

/** The ways back to all clients of one node. */
export class ReplyRoutes {
  readonly connection: Connection;
  readonly stats: NatsTransportStats;
  /** Named in every reply, so that the client can come back directly. */
  readonly directSubject: string;
  readonly waiting: WaitingReplies;
  readonly #inboxPrefixes: readonly string[];
  readonly #routes = new Map<string, ReplyRoute>();
  /** Those to which replies leave at the end of this turn. */
  readonly #open: ReplyRoute[] = [];
  readonly #spareWriters: FrameWriter[] = [];
  #lookedMs = 0;

  constructor(
    connection: Connection,
    stats: NatsTransportStats,
    directSubject: string,
    inboxPrefixes: readonly string[],
    waiting: WaitingReplies,
  ) {
    this.connection = connection;
    this.stats = stats;
    this.directSubject = directSubject;
    this.#inboxPrefixes = inboxPrefixes;
    this.waiting = waiting;
  }

  isTrusted(replySubject: string): boolean {
    return isInbox(replySubject, this.#inboxPrefixes);
  }

  /** The way back to the client whose newest batch has this reply subject: all but the last token name the client. */
  routeTo(replySubject: string, nowMs: number): ReplyRoute {
    if (nowMs - this.#lookedMs >= LOOK_MS) this.#forgetIdle(nowMs);
    const inbox = replySubject.slice(0, replySubject.lastIndexOf('.'));
    // An inbox of one token after the prefix has no token for batches: it is the client.
    const client = this.#inboxPrefixes.includes(inbox) ? replySubject : inbox;
    let route = this.#routes.get(client);
    if (route === undefined) {
      if (this.#routes.size >= MAX_ROUTES) this.#forgetOldest();
      route = new ReplyRoute(this, client);
    } else this.#routes.delete(client);
    this.#routes.set(client, route);
    route.subject = replySubject;
    route.usedMs = nowMs;
    return route;
  }

  /** A writer for the replies of this turn: of thousands of clients, each would keep a slab of its own. */
  open(route: ReplyRoute): FrameWriter {
    if (this.#open.length === MAX_OPEN) this.#flush();
    if (this.#open.length === 0) queueMicrotask(this.#flush);
    this.#open.push(route);
    return this.#spareWriters.pop() ?? createFrameWriter();
  }

  readonly #flush = (): void => {
    for (const route of this.#open) this.#spareWriters.push(route.close());
    this.#open.length = 0;
  };

  #forgetIdle(nowMs: number): void {
    this.#lookedMs = nowMs;
    for (const [client, { usedMs }] of this.#routes) {
      if (nowMs - usedMs < IDLE_MS) return;
      this.#routes.delete(client);
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#routes.keys();
    this.#routes.delete(oldest!);
  }
}

/** Hot path. Replies go to the reply subject of the client's newest batch, whichever batch they answer. */
export class ReplyRoute implements ReplyPort {
  subject = '';
  usedMs = 0;
  readonly inbox: string;
  readonly #routes: ReplyRoutes;
  /** Undefined between turns. */
  #writer: FrameWriter | undefined;

  constructor(routes: ReplyRoutes, inbox: string) {
    this.#routes = routes;
    this.inbox = inbox;
  }

  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const { connection } = this.#routes;
    if (!connection.isConnected) {
      this.#holdReply(entry, payload, isRaw);
      return;
    }
    const { maxPayload } = connection;
    if (payload.length > maxPayload) {
      this.#tooLarge(entry, payload.length, maxPayload);
      return;
    }
    const writer = (this.#writer ??= this.#routes.open(this));
    const before = writer.size;
    writer.reply(entry.attempt, payload, isRaw);
    if (this.#isOver(writer, before)) writer.reply(entry.attempt, payload, isRaw);
    if (writer.size > maxPayload) {
      const { size } = writer;
      writer.rollback(0);
      this.#tooLarge(entry, size, maxPayload);
    }
  }

  #holdReply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const target = withoutPayload(entry);
    // Its bytes may be the handler's own, which goes on.
    const kept = typeof payload === 'string' ? payload : new Uint8Array(payload);
    this.#routes.waiting.hold(entry, kept.length, () => {
      this.reply(target, kept, isRaw);
    });
  }

  #tooLarge(entry: InboundEntry, bytes: number, maxPayload: number): void {
    this.fail(entry, payloadTooLarge(`reply to ${describe(entry.type)}`, bytes, maxPayload, 'executed'));
  }

  fail(entry: InboundEntry, error: Failure): void {
    const { connection, waiting } = this.#routes;
    if (!connection.isConnected) {
      const target = withoutPayload(entry);
      // Of the error only what leaves, not what caused it.
      const record = errorToRecord(error);
      const kept = errorFromRecord(record);
      waiting.hold(entry, JSON.stringify(record).length, () => {
        this.fail(target, kept);
      });
      return;
    }
    const { maxPayload } = connection;
    const writer = (this.#writer ??= this.#routes.open(this));
    const before = writer.size;
    writer.failure(entry.attempt, error);
    if (this.#isOver(writer, before)) writer.failure(entry.attempt, error);
    if (writer.size > maxPayload) {
      writer.rollback(0);
      writer.failure(entry.attempt, shortError(error));
    }
  }

  /** The turn ends: what is written leaves. */
  close(): FrameWriter {
    const writer = this.#writer!;
    this.#writer = undefined;
    this.#send(writer);
    return writer;
  }

  /** True when the entry after the first `before` bytes was one too many: those have left, and it is to be written again. */
  #isOver(writer: FrameWriter, before: number): boolean {
    const limit = Math.min(this.#routes.connection.maxPayload, PREFERRED_BATCH_BYTES);
    if (writer.size <= limit || writer.count === 1) return false;
    writer.rollback(before);
    this.#send(writer);
    return true;
  }

  #send(writer: FrameWriter): void {
    const { count } = writer;
    const { connection, stats, directSubject } = this.#routes;
    const bytes = writer.take();
    try {
      connection.publish(this.subject, bytes, directSubject);
    } catch {
      stats.lostReplies += count;
    }
  }
}

/** What its reply needs of it: a message that waits must not keep the batch alive in which it came. */
function withoutPayload(entry: InboundEntry): InboundEntry {
  return { ...entry, payload: '', headers: undefined, key: undefined };
}
