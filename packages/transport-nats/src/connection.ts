/** The connection below a transport or a membership, owned or borrowed: its state, its subscriptions, its end. */
import type { Clock, ConnectionEvent, ConnectionState, Logger } from '@clstr/core';
import { ClstrError } from '@clstr/core';
import { FloodLog, inBackground, within, describeSubject } from '@clstr/core/internal';
import type { ConnectionOptions, NatsConnection, PublishOptions, Status } from 'nats';
import { DebugEvents, Events } from 'nats';
import type { Session } from './dial.ts';
import { Dialer } from './dialer.ts';
import { KeptSubscription } from './kept-subscription.ts';
import type { ConnectionSubscription, SubscriptionListener } from './kept-subscription.ts';
import { watchLiveness } from './liveness.ts';
import { fromNatsError, isAuthCode, refusedSubscription, withoutCredentials } from './nats-errors.ts';
import { encodedHeaders, lastProtocolError } from './nats-internals.ts';
import { OutageLog } from './outage-log.ts';
import { paceReading } from './paced-reading.ts';
import { SubscriptionCheck } from './subscription-check.ts';

/** What `status()` really returns; its type lacks `stop`. */
type StatusIterator = AsyncIterable<Status> & { stop(): void };

export interface OpenOptions {
  readonly connection?: NatsConnection | undefined;
  /** For the NATS client; unused with a borrowed connection. */
  readonly connect: ConnectionOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Its name in log lines. Default `the NATS connection`. */
  readonly label?: string;
  /** False if its owner logs losses itself: they have level debug here then. Default true. */
  readonly logsLosses?: boolean;
  /** Reads in slices, for a connection whose delay does not matter. Default false. */
  readonly isPaced?: boolean;
}

/** Called when the server refuses a publish, long after the publish itself. */
export type DeniedPublishListener = (subject: string, error: ClstrError) => void;

/** @throws CONNECT_FAILED, AUTH_FAILED after one round of all servers */
export async function openConnection(options: OpenOptions): Promise<Connection> {
  const { connection: borrowed } = options;
  const connection = new Connection(options);
  await (borrowed === undefined ? connection.open() : connection.borrow(borrowed));
  return connection;
}

const FIRST_ANSWER_MS = 250;
/** How long closing or leaving waits for a server that does not answer. */
const LAST_ANSWER_MS = 2_000;
export class Connection {
  /** The newest client; it is closed while the connection is down. */
  nats!: NatsConnection;
  /** For lines that any message may cause. */
  readonly floodLog: FloodLog;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #outageLog: OutageLog;
  readonly #label: string;
  readonly #isPaced: boolean;
  readonly #pingMs: number;
  /** Undefined for a borrowed connection. */
  readonly #dialer: Dialer | undefined;
  #check!: SubscriptionCheck;
  readonly #kept = new Set<KeptSubscription>();
  readonly #stateListeners = new Set<(event: ConnectionEvent) => void>();
  readonly #deniedListeners = new Set<DeniedPublishListener>();
  #session: Session | undefined;
  #stopWatching: () => void = () => undefined;
  #state: ConnectionState = 'disconnected';
  #confirmation: Promise<boolean> | undefined;
  #isClosing = false;

  constructor(options: OpenOptions) {
    const { connection, connect, clock, logger, label = 'the NATS connection' } = options;
    this.#isPaced = options.isPaced ?? false;
    this.#clock = clock;
    this.#logger = logger;
    const log = new OutageLog(label, clock, logger, options.logsLosses === false);
    this.#outageLog = log;
    this.floodLog = new FloodLog(logger, clock);
    this.#label = label;
    this.#pingMs = connect.pingInterval ?? 0;
    const onFailure = (err: ClstrError): void => log.dialFailed(err);
    if (connection === undefined) this.#dialer = new Dialer({ connect, clock, onFailure });
  }

  /** @throws CONNECT_FAILED, AUTH_FAILED */
  async open(): Promise<void> {
    this.#adopt(await this.#dialer!.first());
    this.#state = 'connected';
  }

  /** A borrowed connection may be in any state: it counts as connected once the server has answered. */
  async borrow(nats: NatsConnection): Promise<void> {
    this.#use(nats);
    if (nats.isClosed()) this.#state = 'closed';
    this.#stopWatching = this.#watchStatus(nats);
    const closed = nats.closed().then(() => {
      this.#become('closed');
    });
    inBackground(closed, 'closing the NATS connection', this.#logger);
    await this.confirmWithin(FIRST_ANSWER_MS);
  }

  get state(): ConnectionState {
    return this.#dialer === undefined && this.nats.isClosed() ? 'closed' : this.#state;
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  get isClosed(): boolean {
    return this.state === 'closed';
  }

  /** Largest message the server takes, in bytes. */
  get maxPayload(): number {
    return this.nats.info?.max_payload ?? 1_048_576;
  }

  /** Hands a message to the NATS client. @throws TRANSPORT_CLOSED, CONNECTION_LOST, PAYLOAD_TOO_LARGE */
  publish(subject: string, bytes: Uint8Array, reply: string | undefined): void {
    this.#publish(subject, bytes, reply === undefined ? undefined : { reply });
  }

  /** Does the same with headers, given as the bytes that travel. @throws as {@link publish} */
  publishWithHead(subject: string, bytes: Uint8Array, reply: string, head: Uint8Array): void {
    this.#publish(subject, bytes, { reply, headers: encodedHeaders(head) });
  }

  #publish(subject: string, bytes: Uint8Array, options: PublishOptions | undefined): void {
    try {
      this.nats.publish(subject, bytes, options);
    } catch (cause) {
      if (this.#dialer !== undefined && !this.#isClosing && this.nats.isClosed()) {
        const message = `cannot publish to ${describeSubject(subject)}: ${this.#label} was lost`;
        throw new ClstrError('CONNECTION_LOST', message, { outcome: 'not-executed', cause });
      }
      throw fromNatsError(cause, `publish to ${describeSubject(subject)}`, 'not-executed');
    }
  }

  /** Resolves to true when the server has seen all earlier messages, or to false if that remains unknown. */
  async confirm(): Promise<boolean> {
    this.#confirmation ??= Promise.resolve().then(() => {
      this.#confirmation = undefined;
      return this.#check.flush();
    });
    if (!(await this.#confirmation)) return false;
    if (this.#dialer !== undefined) return this.isConnected;
    if (this.#state === 'disconnected') this.#become('connected');
    return true;
  }

  /** Does the same as {@link confirm}, but gives up after `limitMs`. */
  confirmWithin(limitMs: number = LAST_ANSWER_MS): Promise<void> {
    return this.within(this.confirm(), limitMs);
  }

  /** Waits for something that needs the server, but not longer than `limitMs`; never rejects. */
  async within(work: Promise<unknown>, limitMs: number = LAST_ANSWER_MS): Promise<void> {
    await within(this.#clock, work, limitMs).catch(() => undefined);
  }

  /**
   * With a `queue`, one of its subscribers gets each message. A subscription made while the connection is down waits.
   *
   * @throws TRANSPORT_CLOSED
   */
  subscribe(subject: string, listener: SubscriptionListener, queue?: string): ConnectionSubscription {
    const subscription: KeptSubscription = new KeptSubscription(
      subject,
      queue,
      listener,
      (refused, cause) => {
        this.#kept.delete(refused);
        refused.end(fromNatsError(cause, `subscribe to ${subject}`));
      },
      (left) => {
        this.#kept.delete(left);
        this.#check.remove(left);
      },
    );
    if (this.#isClosing) throw new ClstrError('TRANSPORT_CLOSED', `${this.#label} is closed`);
    if (this.#dialer === undefined || this.isConnected) {
      try {
        this.#check.add(subscription);
      } catch (cause) {
        throw fromNatsError(cause, `subscribe to ${subject}`);
      }
    }
    this.#kept.add(subscription);
    return subscription;
  }

  /** Resolves at the next connected state, at once when connected. @throws TRANSPORT_CLOSED */
  async untilConnected(): Promise<void> {
    if (this.isClosed) throw new ClstrError('TRANSPORT_CLOSED', `${this.#label} is closed`);
    if (this.isConnected) return;
    const event = await new Promise<ConnectionEvent>((resolve) => {
      const stop = this.onState((next) => {
        if (next.state === 'disconnected') return;
        stop();
        resolve(next);
      });
    });
    if (event.state === 'closed') throw new ClstrError('TRANSPORT_CLOSED', `${this.#label} was closed`);
  }

  onState(listener: (event: ConnectionEvent) => void): () => void {
    this.#stateListeners.add(listener);
    return () => {
      this.#stateListeners.delete(listener);
    };
  }

  onDeniedPublish(listener: DeniedPublishListener): () => void {
    this.#deniedListeners.add(listener);
    return () => {
      this.#deniedListeners.delete(listener);
    };
  }

  /**
   * Closes an owned connection; only flushes a borrowed one. Its time limit starts at `startedMs`, so that all parts
   * that end wait for a silent server together, not one after the other.
   */
  async close(startedMs: number): Promise<void> {
    const leftMs = LAST_ANSWER_MS - (this.#clock.monoMs() - startedMs);
    if (this.isConnected && !this.isClosed) await this.confirmWithin(Math.max(FIRST_ANSWER_MS, leftMs));
    this.end();
  }

  /** Closes it without waiting for anything. Idempotent. */
  end(): void {
    this.#isClosing = true;
    this.#dialer?.stop();
    this.#stopWatching();
    this.#session?.destroy();
    this.#become('closed');
  }

  /** Watches a session until it ends by itself or by us, and then gets the next one. */
  #adopt(session: Session): void {
    const { nats, socket } = session;
    this.#session = session;
    this.#use(nats);
    if (this.#isPaced && socket !== undefined) paceReading(socket, this.#clock);
    const lose = (reason: string): void => {
      if (this.#session !== session) return;
      this.#session = undefined;
      this.#stopWatching();
      session.destroy();
      this.#onLost(session, reason);
    };
    const stopStatus = this.#watchStatus(nats, lose);
    const stopLiveness = watchLiveness({
      clock: this.#clock,
      pingMs: this.#pingMs,
      ping: () => nats.flush(),
      heard: () => (socket?.bytesRead ?? 0) + nats.stats().inMsgs,
      onSilent: (silentMs) => {
        lose(`the server answered no ping for ${Math.round(silentMs)} ms`);
      },
    });
    const onEnd = (): void => {
      lose(lastProtocolError(nats)?.message ?? 'the server closed it');
    };
    // The NATS client reports the end some microtasks later, and until then it would refuse messages.
    socket?.prependListener('close', onEnd);
    inBackground(nats.closed().then(onEnd), 'watching the NATS connection', this.#logger);
    this.#stopWatching = () => {
      stopStatus();
      stopLiveness();
      socket?.off('close', onEnd);
    };
  }

  #use(nats: NatsConnection): void {
    this.nats = nats;
    this.#check = new SubscriptionCheck(nats, (subscription, cause, count) => {
      this.#kept.delete(subscription);
      subscription.end(refusedSubscription(subscription.subject, cause, count));
    });
  }

  #onLost(session: Session, reason: string): void {
    if (this.#isClosing) return;
    if (this.isConnected) {
      this.#outageLog.lost(serverOf(session.nats), reason);
      this.#become('disconnected');
    }
    inBackground(this.#replace(session), 'connecting to NATS again', this.#logger);
  }

  async #replace(ended: Session): Promise<void> {
    const session = await this.#dialer!.next(ended);
    if (session === undefined) return;
    if (this.#isClosing) {
      session.destroy();
      return;
    }
    const { nats } = session;
    this.#adopt(session);
    try {
      for (const subscription of this.#kept) this.#check.add(subscription);
    } catch {
      // The session is lost again, and replaced again.
      return;
    }
    if (!(await this.#check.flush()) || this.#session !== session) return;
    this.#outageLog.back(serverOf(nats));
    this.#become('connected');
  }

  #watchStatus(nats: NatsConnection, lose?: (reason: string) => void): () => void {
    const statuses = nats.status() as StatusIterator;
    const watch = async (): Promise<void> => {
      for await (const status of statuses) this.#onStatus(status, lose);
    };
    inBackground(watch(), 'watching the NATS connection', this.#logger);
    return () => {
      statuses.stop();
    };
  }

  /** `lose` is given for sessions of our own, which do not reconnect. */
  #onStatus(status: Status, lose: ((reason: string) => void) | undefined): void {
    if (status.type === Events.Error) {
      this.#onDeniedPublish(status);
      if (lose !== undefined && typeof status.data === 'string' && isAuthCode(status.data)) lose(status.data);
    } else if (lose !== undefined) return;
    else if (status.type === Events.Reconnect) this.#onBorrowedState('connected');
    else if (status.type === Events.Disconnect) this.#onBorrowedState('disconnected');
    else if (status.type === DebugEvents.StaleConnection) this.#onBorrowedState('disconnected');
  }

  #onBorrowedState(state: 'connected' | 'disconnected'): void {
    if (this.#state === state || this.#state === 'closed') return;
    const server = serverOf(this.nats);
    if (state === 'connected')
      this.#logger.info({ event: 'connection.back', server }, `${this.#label} is back, to ${server}`);
    else this.#logger.warn({ event: 'connection.lost', server }, `${this.#label} to ${server} was lost`);
    this.#become(state);
  }

  #onDeniedPublish({ permissionContext }: Status): void {
    const { operation, subject } = permissionContext ?? {};
    if (operation !== 'publish' || subject === undefined) return;
    const message = `the NATS server forbids this user to publish to ${describeSubject(subject)}`;
    const error = new ClstrError('NO_PERMISSION', message);
    for (const listener of [...this.#deniedListeners]) this.#tell(() => listener(subject, error));
  }

  #become(state: ConnectionState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    const server = serverOf(this.nats);
    for (const listener of [...this.#stateListeners]) this.#tell(() => listener({ state, server }));
  }

  /** A listener that throws would end the watch, and freeze the state. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (err) {
      this.#logger.error(
        { event: 'connection.listener_threw', err },
        'a listener of the NATS connection threw',
      );
    }
  }
}

function serverOf(nats: NatsConnection): string {
  return withoutCredentials(nats.getServer());
}
