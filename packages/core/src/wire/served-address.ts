/** The node side of one address: its subscription and the messages that arrive on it. */
import type { ClstrError, ErrorCode } from '../base/errors.ts';
import type { BusMessage, BusSubscription } from './bus.ts';
import type { Engine } from './engine.ts';
import { decodeFrame, isCrowded, isFrame } from './frame-reader.ts';
import type { FrameVisitor } from './frame-reader.ts';
import { encodeBatchError } from './frame-writer.ts';
import type { ReplyRoutes } from './reply-routes.ts';
import { subjectOf } from './subjects.ts';
import { NOWHERE, isTopologyAddress } from './transport.ts';
import type { Address, EntryReceiver, InboundEntry, ReplyPort, Subscription } from './transport.ts';

/** Reads a message to a node that is not a frame; its reply subject is an inbox, or empty. */
export type ForeignReader = (message: BusMessage, served: ServedAddress) => void;

export class ServedAddress implements Subscription {
  readonly ended: Promise<ClstrError>;
  readonly subject: string;
  readonly receiver: EntryReceiver;
  readonly routes: ReplyRoutes;
  readonly #engine: Engine;
  readonly #foreign: ForeignReader | undefined;
  readonly #visitor: Visitor;
  readonly #subscription: BusSubscription;
  readonly #onClose: () => void;
  #refusal: ClstrError | undefined;
  #isConfirmed = false;
  #end!: (error: ClstrError) => void;
  #closing: Promise<void> | undefined;

  constructor(
    routes: ReplyRoutes,
    address: Address,
    receiver: EntryReceiver,
    foreign: ForeignReader | undefined,
    onClose: () => void,
  ) {
    const { engine } = routes;
    this.#engine = engine;
    this.subject = subjectOf(engine.prefix, address);
    this.receiver = receiver;
    this.routes = routes;
    this.#foreign = foreign;
    this.#onClose = onClose;
    this.#visitor = new Visitor(receiver, engine);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#subscription = routes.port.subscribe(
      this.subject,
      { onMessage: (message) => this.#onMessage(message), onEnded: (error) => this.#onEnded(error) },
      isTopologyAddress(address),
    );
  }

  /** Resolves when the bus knows the subscription. @throws NO_PERMISSION, SUBSCRIPTION_LIMIT, TRANSPORT_CLOSED */
  async confirm(): Promise<void> {
    await this.#subscription.ready();
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
    if (this.#engine.bus.state === 'closed') return;
    // Draining hands on messages that are already on their way, so that the node answers them; unsubscribing drops them.
    await this.#subscription.drain();
  }

  #onEnded(error: ClstrError): void {
    this.#refusal = error;
    if (!this.#isConfirmed || this.#closing !== undefined) return;
    const { bus, logger } = this.#engine;
    logger.error(
      { event: 'node.subscription_ended', err: error },
      `the ${bus.label} server ended the subscription to ${this.subject}`,
    );
    this.#end(error);
  }

  #onMessage(message: BusMessage): void {
    const { stats, floodLog } = this.#engine;
    try {
      const { data, reply = '' } = message;
      if (reply !== '' && !this.routes.isTrusted(reply)) stats.forbiddenReplySubjects++;
      else if (isFrame(data)) this.#onFrame(data, reply);
      else if (this.#foreign === undefined) stats.malformed++;
      else this.#foreign(message, this);
    } catch (err) {
      // An error that escapes might end the read loop of the bus, and with it the connection.
      floodLog.error('node.message_failed', { err, subject: this.subject }, 'handling a message failed');
    }
  }

  #onFrame(bytes: Uint8Array, replySubject: string): void {
    const { clock, stats } = this.#engine;
    if (isCrowded(bytes)) {
      stats.malformed++;
      this.#refuseBatch(replySubject, 'INVALID_ENVELOPE');
      return;
    }
    const nowMs = clock.monoMs();
    const route = replySubject === '' ? undefined : this.routes.routeTo(replySubject, nowMs);
    this.#visitor.port = route ?? NOWHERE;
    const result = decodeFrame(bytes, this.#visitor, nowMs);
    if (result === 'decoded') return;
    if (result === 'not-a-frame') stats.malformed++;
    else {
      stats.unsupportedVersions++;
      this.#refuseBatch(replySubject, 'UNSUPPORTED_VERSION');
    }
  }

  #refuseBatch(replySubject: string, code: ErrorCode): void {
    if (replySubject !== '') this.routes.port.publish(replySubject, encodeBatchError(code), undefined, 1);
  }
}

/** Hands on the entries of a frame, each with the way back to the sender of the frame. */
class Visitor implements FrameVisitor {
  port: ReplyPort = NOWHERE;
  readonly #receiver: EntryReceiver;
  readonly #engine: Engine;

  constructor(receiver: EntryReceiver, engine: Engine) {
    this.#receiver = receiver;
    this.#engine = engine;
  }

  onMessage(entry: InboundEntry): void {
    this.#receiver.onEntry(entry, this.port);
  }

  onCancel(clientId: number, attempt: number): void {
    this.#receiver.onCancel(clientId, attempt);
  }

  onReply(): void {
    this.#engine.stats.malformed++;
  }

  onBatchError(): void {
    this.#engine.stats.malformed++;
  }

  onMalformed(): void {
    this.#engine.stats.malformed++;
  }
}
