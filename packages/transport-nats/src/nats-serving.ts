/** The node side of one address: its subscription, what arrives on it, and which wire that speaks. */
import type { ErrorCode } from '@clstr/core';
import type {
  Address,
  EntryReceiver,
  Subscription,
  FrameVisitor,
  InboundEntry,
  ReplyPort,
} from '@clstr/core/wire';
import { ClstrError } from '@clstr/core';
import { decodeFrame, encodeBatchError, isCrowded, isFrame, isTopologyAddress } from '@clstr/core/wire';
import { NOWHERE } from '@clstr/core/internal';
import type { Msg } from 'nats';
import type { Connection } from './connection.ts';
import { parseEnvelope } from './json-envelope.ts';
import { JsonReplyPort } from './json-reply-port.ts';
import type { ConnectionSubscription, SubscriptionListener } from './kept-subscription.ts';
import type { ResolvedNatsOptions } from './nats-options.ts';
import type { ReplyRoutes } from './native-replies.ts';
import type { NatsTransportStats } from './stats.ts';
import { NODES_QUEUE, isInbox, subjectOf } from './subjects.ts';

export class NatsServing implements Subscription {
  readonly ended: Promise<ClstrError>;
  readonly #connection: Connection;
  readonly #options: ResolvedNatsOptions;
  readonly #stats: NatsTransportStats;
  readonly #subject: string;
  readonly #isTopology: boolean;
  readonly #receiver: EntryReceiver;
  readonly #routes: ReplyRoutes;
  readonly #visitor: Visitor;
  readonly #subscription: ConnectionSubscription;
  readonly #onClose: () => void;
  #refusal: ClstrError | undefined;
  #isConfirmed = false;
  #end!: (error: ClstrError) => void;
  #closing: Promise<void> | undefined;

  constructor(
    connection: Connection,
    options: ResolvedNatsOptions,
    stats: NatsTransportStats,
    address: Address,
    receiver: EntryReceiver,
    routes: ReplyRoutes,
    onClose: () => void,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#stats = stats;
    this.#subject = subjectOf(options.subjectPrefix, address);
    this.#isTopology = isTopologyAddress(address);
    this.#receiver = receiver;
    this.#routes = routes;
    this.#onClose = onClose;
    this.#visitor = new Visitor(receiver, stats);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const listener: SubscriptionListener = {
      onMessage: (message) => {
        this.#onMessage(message);
      },
      onEnded: (error) => {
        this.#onEnded(error);
      },
    };
    const queue = this.#isTopology ? NODES_QUEUE : undefined;
    this.#subscription = connection.subscribe(this.#subject, listener, queue);
  }

  /** Resolves when the server knows the subscription. @throws NO_PERMISSION, SUBSCRIPTION_LIMIT, TRANSPORT_CLOSED */
  async confirm(): Promise<void> {
    while (!(await this.#connection.confirm())) await this.#connection.untilConnected();
    this.#isConfirmed = true;
    if (this.#refusal === undefined) return;
    await this.close();
    throw this.#refusal;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#onClose();
    if (this.#connection.isClosed) return;
    // Draining hands on what is already on its way here, so that it is answered; unsubscribing would drop it unseen.
    if (this.#connection.isConnected) await this.#connection.within(this.#subscription.drain());
    else this.#subscription.unsubscribe();
  }

  #onEnded(error: ClstrError): void {
    this.#refusal = error;
    if (!this.#isConfirmed || this.#closing !== undefined) return;
    this.#options.logger.error({ err: error }, `the NATS server ended the subscription to ${this.#subject}`);
    this.#end(error);
  }

  #onMessage(message: Msg): void {
    try {
      const replySubject = message.reply ?? '';
      if (replySubject !== '' && !this.#routes.isTrusted(replySubject)) this.#stats.forbiddenReplySubjects++;
      else if (isFrame(message.data)) this.#onFrame(message.data, replySubject);
      else this.#onJson(message.data, replySubject);
    } catch (err) {
      // Whatever escapes from here would end the NATS client's read loop, and with it the connection.
      this.#connection.floodLog.error('handling a message failed', { err, subject: this.#subject });
    }
  }

  #onFrame(bytes: Uint8Array, replySubject: string): void {
    if (isCrowded(bytes)) {
      this.#stats.malformed++;
      this.#refuseBatch(replySubject, 'INVALID_ENVELOPE');
      return;
    }
    const nowMs = this.#options.clock.monoMs();
    const route = replySubject === '' ? undefined : this.#routes.routeTo(replySubject, nowMs);
    this.#visitor.port = route ?? NOWHERE;
    const result = decodeFrame(bytes, this.#visitor, nowMs);
    if (result === 'decoded') return;
    if (result === 'not-a-frame') this.#stats.malformed++;
    else {
      this.#stats.unsupportedVersions++;
      this.#refuseBatch(replySubject, 'UNSUPPORTED_VERSION');
    }
  }

  #refuseBatch(replySubject: string, code: ErrorCode): void {
    if (replySubject !== '') this.#connection.publish(replySubject, encodeBatchError(code), undefined);
  }

  #onJson(bytes: Uint8Array, natsReply: string): void {
    const { inboxPrefixes, clock } = this.#options;
    let parsed;
    try {
      parsed = parseEnvelope(bytes, clock.monoMs());
    } catch (error) {
      this.#stats.malformed++;
      const replyTo = (error as ClstrError).details?.['replyTo'] ?? natsReply;
      if (typeof replyTo === 'string' && isInbox(replyTo, inboxPrefixes))
        this.#jsonPort(replyTo).fail({ ttlMs: undefined, receivedAtMs: clock.monoMs() }, error as ClstrError);
      return;
    }
    const { entry, replyTo = natsReply } = parsed;
    if (replyTo !== '' && !isInbox(replyTo, inboxPrefixes)) {
      this.#stats.forbiddenReplySubjects++;
      return;
    }
    const port = replyTo === '' ? NOWHERE : this.#jsonPort(replyTo);
    if (this.#isTopology || `${this.#options.subjectPrefix}.shard.${entry.shard}` === this.#subject)
      this.#receiver.onEntry(entry, port);
    else {
      const message = 'the shard of the envelope is not the shard of the subject that it came on';
      port.fail(entry, new ClstrError('INVALID_ENVELOPE', message));
    }
  }

  #jsonPort(replyTo: string): JsonReplyPort {
    return new JsonReplyPort(this.#connection, this.#stats, this.#routes.waiting, replyTo);
  }
}

/** Hands the entries of a frame on, with the way back of the message they came in. */
class Visitor implements FrameVisitor {
  port: ReplyPort = NOWHERE;
  readonly #receiver: EntryReceiver;
  readonly #stats: NatsTransportStats;

  constructor(receiver: EntryReceiver, stats: NatsTransportStats) {
    this.#receiver = receiver;
    this.#stats = stats;
  }

  onMessage(entry: InboundEntry): void {
    this.#receiver.onEntry(entry, this.port);
  }

  onCancel(clientId: number, attempt: number): void {
    this.#receiver.onCancel(clientId, attempt);
  }

  onReply(): void {
    this.#stats.malformed++;
  }

  onBatchError(): void {
    this.#stats.malformed++;
  }

  onMalformed(): void {
    this.#stats.malformed++;
  }
}
