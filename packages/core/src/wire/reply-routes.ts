/** The native wire at a node: replies that are ready in one turn go back to one client as one message. */
import { describe } from '../base/describe.ts';
import type { Failure } from '../base/errors.ts';
import { payloadTooLarge } from './bus.ts';
import type { BusPort } from './bus.ts';
import { errorFromRecord, errorToRecord, shortError } from './error-record.ts';
import { createFrameWriter } from './frame-writer.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Engine } from './engine.ts';
import { countBatch } from './stats.ts';
import { isInbox } from './subjects.ts';
import type { InboundEntry, ReplyPort } from './transport.ts';
import type { WaitingReplies } from './waiting-replies.ts';

/** The most clients a node remembers: it forgets the longest silent one first, until its next message. */
const MAX_ROUTES = 4_096;
/** A client that sent nothing for this long is forgotten at one of the next messages. */
const IDLE_MS = 60_000;
const LOOK_MS = 10_000;
/** How many clients may have replies that wait for the end of the turn; each takes a slab of 64 KiB at most. */
const MAX_OPEN = 64;

/** The ways back to all clients of one node. */
export class ReplyRoutes {
  readonly engine: Engine;
  readonly port: BusPort;
  /** Every reply names it, so that the client can send its next calls directly. */
  readonly directSubject: string;
  readonly waiting: WaitingReplies;
  readonly #routes = new Map<string, ReplyRoute>();
  /** The last of the routes. */
  #newest: ReplyRoute | undefined;
  /** The routes on which replies leave at the end of this turn. */
  readonly #open: ReplyRoute[] = [];
  readonly #spareWriters: FrameWriter[] = [];
  #lookedMs = 0;

  constructor(engine: Engine, directSubject: string, waiting: WaitingReplies) {
    this.engine = engine;
    this.port = engine.bus.open(directSubject);
    this.directSubject = directSubject;
    this.waiting = waiting;
  }

  /** Hot path: if the same client sends again, only the token of its batch is new. */
  isTrusted(replySubject: string): boolean {
    const newest = this.#newest;
    return (
      (newest !== undefined && isTokenBelow(newest.inbox, replySubject)) ||
      isInbox(replySubject, this.engine.bus.inboxPrefixes)
    );
  }

  /** The way back to the client whose newest batch has this reply subject: all but the last token name the client. */
  routeTo(replySubject: string, nowMs: number): ReplyRoute {
    if (nowMs - this.#lookedMs >= LOOK_MS) this.#forgetIdle(nowMs);
    const end = replySubject.lastIndexOf('.');
    const newest = this.#newest;
    if (newest !== undefined && newest.inbox.length === end && replySubject.startsWith(newest.inbox))
      return newest.use(replySubject, nowMs);
    const inbox = replySubject.slice(0, end);
    // An inbox of one token after the prefix has no token for batches: the whole subject names the client.
    const client = this.engine.bus.inboxPrefixes.includes(inbox) ? replySubject : inbox;
    let route = this.#routes.get(client);
    if (route === undefined) {
      if (this.#routes.size >= MAX_ROUTES) this.#forgetOldest();
      route = new ReplyRoute(this, client);
    } else this.#routes.delete(client);
    this.#routes.set(client, route);
    this.#newest = route;
    return route.use(replySubject, nowMs);
  }

  /** A writer for the replies of this turn. One writer per client would mean thousands of slabs. */
  open(route: ReplyRoute): FrameWriter {
    if (this.#open.length === MAX_OPEN) this.#flush();
    if (this.#open.length === 0) this.engine.defer(this.#flush);
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
    this.#newest = undefined;
  }

  #forgetOldest(): void {
    const [oldest] = this.#routes.keys();
    this.#routes.delete(oldest!);
  }
}

/** Hot path. Replies go to the reply subject of the client's newest batch, whichever batch they answer. */
export class ReplyRoute implements ReplyPort {
  usedMs = 0;
  readonly inbox: string;
  #subject = '';
  readonly #routes: ReplyRoutes;
  /** Undefined between turns. */
  #writer: FrameWriter | undefined;

  constructor(routes: ReplyRoutes, inbox: string) {
    this.#routes = routes;
    this.inbox = inbox;
  }

  /** A batch of the client has come. */
  use(replySubject: string, nowMs: number): this {
    this.#subject = replySubject;
    this.usedMs = nowMs;
    return this;
  }

  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const { bus } = this.#routes.engine;
    if (!bus.isConnected) {
      this.#holdReply(entry, payload, isRaw);
      return;
    }
    const { maxPayload } = bus;
    if (payload.length > maxPayload) {
      this.#tooLarge(entry, payload.length);
      return;
    }
    const writer = (this.#writer ??= this.#routes.open(this));
    const before = writer.size;
    writer.reply(entry.attempt, payload, isRaw);
    if (this.#isOver(writer, before)) writer.reply(entry.attempt, payload, isRaw);
    if (writer.size > maxPayload) {
      const { size } = writer;
      writer.rollback(0);
      this.#tooLarge(entry, size);
    }
  }

  #holdReply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const target = withoutPayload(entry);
    // The bytes may belong to the handler, which runs on and may change them.
    const kept = typeof payload === 'string' ? payload : new Uint8Array(payload);
    this.#routes.waiting.hold(entry, kept.length, () => {
      this.reply(target, kept, isRaw);
    });
  }

  #tooLarge(entry: InboundEntry, bytes: number): void {
    const { bus } = this.#routes.engine;
    this.fail(entry, payloadTooLarge(bus, `reply to ${describe(entry.type)}`, bytes, 'executed'));
  }

  fail(entry: InboundEntry, error: Failure): void {
    const { engine, waiting } = this.#routes;
    if (!engine.bus.isConnected) {
      const target = withoutPayload(entry);
      // Keeps only the parts of the error that leave, not its cause.
      const record = errorToRecord(error);
      const kept = errorFromRecord(record);
      waiting.hold(entry, JSON.stringify(record).length, () => {
        this.fail(target, kept);
      });
      return;
    }
    const writer = (this.#writer ??= this.#routes.open(this));
    const before = writer.size;
    writer.failure(entry.attempt, error);
    if (this.#isOver(writer, before)) writer.failure(entry.attempt, error);
    if (writer.size > engine.bus.maxPayload) {
      writer.rollback(0);
      writer.failure(entry.attempt, shortError(error));
    }
  }

  /** The turn ends: the written replies leave. */
  close(): FrameWriter {
    const writer = this.#writer!;
    this.#writer = undefined;
    this.#send(writer);
    return writer;
  }

  /** Whether the entry after the first `before` bytes was one too many: those have left, the caller writes it again. */
  #isOver(writer: FrameWriter, before: number): boolean {
    const { count } = writer;
    if (count === 1) return false;
    const { maxPayload, batchBytes, batchEntries } = this.#routes.engine.bus;
    if (writer.size <= maxPayload && writer.size <= batchBytes && count <= batchEntries) return false;
    writer.rollback(before);
    this.#send(writer);
    return true;
  }

  #send(writer: FrameWriter): void {
    const { count } = writer;
    const { engine, port, directSubject } = this.#routes;
    try {
      port.publish(this.#subject, writer.take(), directSubject, count);
      countBatch(engine.stats, count);
    } catch {
      engine.stats.lostReplies += count;
    }
  }
}

/** Whether `subject` is `inbox` and one more token of letters and digits, as batches have. */
function isTokenBelow(inbox: string, subject: string): boolean {
  const start = inbox.length + 1;
  const { length } = subject;
  if (length <= start || length > start + MAX_TOKEN || !subject.startsWith(inbox)) return false;
  if (subject.charCodeAt(start - 1) !== DOT) return false;
  for (let i = start; i < length; i++) {
    const code = subject.charCodeAt(i);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 122))) return false;
  }
  return true;
}

/** A safe integer in base 36. */
const MAX_TOKEN = 11;
const DOT = 46;

/** Keeps what the reply needs: a message that waits must not keep its whole batch alive. */
function withoutPayload(entry: InboundEntry): InboundEntry {
  return { ...entry, payload: '', headers: undefined, key: undefined };
}
