/** The native wire at a node: replies that are ready in one turn go back to one client as one message. */
import type { Failure, FrameWriter, InboundEntry, ReplyPort } from '@clstr/core';
import { createFrameWriter, describe, shortError } from '@clstr/core';
import { PREFERRED_BATCH_BYTES } from './batching.ts';
import type { Connection } from './connection.ts';
import { payloadTooLarge } from './nats-errors.ts';
import type { NatsTransportStats } from './stats.ts';
import { isInbox } from './subjects.ts';
import type { WaitingReplies } from './waiting-replies.ts';

/** Clients remembered; the one unheard of for longest is forgotten first, and remembered again at its next message. */
const MAX_ROUTES = 4_096;

/** The ways back to all clients of one node. */
export class ReplyRoutes {
  readonly connection: Connection;
  readonly stats: NatsTransportStats;
  /** Named in every reply, so that the client can come back directly. */
  readonly directSubject: string;
  readonly waiting: WaitingReplies;
  readonly #inboxPrefixes: readonly string[];
  readonly #routes = new Map<string, ReplyRoute>();

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
  routeTo(replySubject: string): ReplyRoute {
    const inbox = replySubject.slice(0, replySubject.lastIndexOf('.'));
    // An inbox of one token after the prefix has no token for batches: it is the client.
    const client = this.#inboxPrefixes.includes(inbox) ? replySubject : inbox;
    let route = this.#routes.get(client);
    if (route === undefined) {
      if (this.#routes.size >= MAX_ROUTES) this.#forgetOldest();
      route = new ReplyRoute(this);
    } else this.#routes.delete(client);
    this.#routes.set(client, route);
    route.subject = replySubject;
    return route;
  }

  #forgetOldest(): void {
    const [oldest] = this.#routes.keys();
    this.#routes.delete(oldest!);
  }
}

/** Hot path. Replies go to the reply subject of the client's newest batch, whichever batch they answer. */
export class ReplyRoute implements ReplyPort {
  subject = '';
  readonly #routes: ReplyRoutes;
  readonly #writer: FrameWriter = createFrameWriter();
  #isFlushScheduled = false;

  constructor(routes: ReplyRoutes) {
    this.#routes = routes;
  }

  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const { connection } = this.#routes;
    if (!connection.isConnected) {
      this.#holdReply(entry, payload, isRaw);
      return;
    }
    const { maxPayload } = connection;
    const writer = this.#writer;
    const before = writer.size;
    if (payload.length > maxPayload) {
      this.#tooLarge(entry, payload.length, maxPayload);
      return;
    }
    writer.reply(entry.attempt, payload, isRaw);
    if (this.#isOver(before)) writer.reply(entry.attempt, payload, isRaw);
    if (writer.size > maxPayload) {
      const { size } = writer;
      writer.rollback(0);
      this.#tooLarge(entry, size, maxPayload);
    } else this.#schedule();
  }

  #holdReply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const target = withoutPayload(entry);
    // Its bytes may be the handler's own, which goes on.
    const kept = typeof payload === 'string' ? payload : payload.slice();
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
      waiting.hold(entry, error.message.length, () => {
        this.fail(target, error);
      });
      return;
    }
    const { maxPayload } = connection;
    const writer = this.#writer;
    const before = writer.size;
    writer.failure(entry.attempt, error);
    if (this.#isOver(before)) writer.failure(entry.attempt, error);
    if (writer.size > maxPayload) {
      writer.rollback(0);
      writer.failure(entry.attempt, shortError(error));
    }
    this.#schedule();
  }

  /** True when the entry after the first `before` bytes was one too many: those have left, and it is to be written again. */
  #isOver(before: number): boolean {
    const writer = this.#writer;
    const limit = Math.min(this.#routes.connection.maxPayload, PREFERRED_BATCH_BYTES);
    if (writer.size <= limit || writer.count === 1) return false;
    writer.rollback(before);
    this.#flush();
    return true;
  }

  #schedule(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushScheduled = false;
    const { count } = this.#writer;
    if (count === 0) return;
    const { connection, stats, directSubject } = this.#routes;
    const bytes = this.#writer.take();
    try {
      connection.publish(this.subject, bytes, directSubject);
    } catch {
      stats.lostReplies += count;
    }
  };
}

/** What its reply needs of it: a message that waits must not keep the batch alive in which it came. */
function withoutPayload(entry: InboundEntry): InboundEntry {
  return { ...entry, payload: '', headers: undefined, key: undefined };
}
