/** The connection below a transport, owned or borrowed: its state, its confirmations, its end. */
import type { Clock, ConnectionEvent, ConnectionState, Logger } from '@clstr/core';
import { ClstrError, inBackground, within } from '@clstr/core';
import type { Msg, NatsConnection, NatsError, Status, Subscription } from 'nats';
import { DebugEvents, Events, connect } from 'nats';
import { fromConnectError, fromNatsError, withoutCredentials } from './nats-errors.ts';
import type { ResolvedNatsOptions } from './nats-options.ts';

/** What `status()` really returns; the types leave `stop` out. */
type StatusIterator = AsyncIterable<Status> & { stop(): void };

export type OpenOptions = Pick<ResolvedNatsOptions, 'connection' | 'connect' | 'clock' | 'logger'>;

/** A publish that the server refused: names the subject, long after the publish itself. */
export type DeniedPublishListener = (subject: string, error: ClstrError) => void;

/** @throws CONNECT_FAILED, AUTH_FAILED */
export async function openConnection(options: OpenOptions): Promise<Connection> {
  const { connection } = options;
  if (connection !== undefined) return await borrow(connection, options);
  const servers = options.connect.servers as string[];
  try {
    return new Connection(await connect({ ...options.connect, servers }), true, options);
  } catch (cause) {
    throw fromConnectError(cause, servers);
  }
}

/** A connection that is lent may be anywhere in its life: it counts as connected once the server has answered. */
async function borrow(nats: NatsConnection, options: OpenOptions): Promise<Connection> {
  const connection = new Connection(nats, false, options);
  await connection.confirmWithin(FIRST_ANSWER_MS);
  return connection;
}

const FIRST_ANSWER_MS = 250;
/** How long the end of something waits for a server that does not answer. */
const LAST_ANSWER_MS = 2_000;

export class Connection {
  readonly nats: NatsConnection;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #status: StatusIterator;
  readonly #isOwned: boolean;
  readonly #stateListeners = new Set<(event: ConnectionEvent) => void>();
  readonly #deniedListeners = new Set<DeniedPublishListener>();
  #state: ConnectionState;
  #confirmation: Promise<void> | undefined;

  constructor(nats: NatsConnection, isOwned: boolean, { clock, logger }: OpenOptions) {
    this.nats = nats;
    this.#isOwned = isOwned;
    this.#clock = clock;
    this.#logger = logger;
    this.#state = nats.isClosed() ? 'closed' : isOwned ? 'connected' : 'disconnected';
    this.#status = nats.status() as StatusIterator;
    inBackground(this.#watch(), 'watching the NATS connection', logger);
    inBackground(
      nats.closed().then(() => {
        this.#become('closed');
      }),
      'closing the NATS connection',
      logger,
    );
  }

  get state(): ConnectionState {
    return this.nats.isClosed() ? 'closed' : this.#state;
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

  /** Hands a message to the NATS client. @throws TRANSPORT_CLOSED, PAYLOAD_TOO_LARGE */
  publish(subject: string, bytes: Uint8Array, reply: string | undefined): void {
    try {
      this.nats.publish(subject, bytes, reply === undefined ? undefined : { reply });
    } catch (cause) {
      throw fromNatsError(cause, `publish to ${subject}`, 'not-executed');
    }
  }

  /** Resolves when the server has seen all that was handed over before; false when that cannot be known. */
  async confirm(): Promise<boolean> {
    this.#confirmation ??= Promise.resolve().then(() => {
      this.#confirmation = undefined;
      return this.nats.flush();
    });
    try {
      await this.#confirmation;
    } catch {
      return false;
    }
    if (this.#state === 'disconnected') this.#become('connected');
    return true;
  }

  /** As {@link confirm}, but gives up after `limitMs`. */
  confirmWithin(limitMs: number = LAST_ANSWER_MS): Promise<void> {
    return this.within(this.confirm(), limitMs);
  }

  /** Waits for something that needs the server, but not longer than `limitMs`; never rejects. */
  async within(work: Promise<unknown>, limitMs: number = LAST_ANSWER_MS): Promise<void> {
    await within(this.#clock, work, limitMs).catch(() => undefined);
  }

  /** With a `queue`, one of its subscribers gets each message. @throws TRANSPORT_CLOSED */
  subscribe(
    subject: string,
    callback: (error: NatsError | null, message: Msg) => void,
    queue?: string,
  ): Subscription {
    try {
      return this.nats.subscribe(subject, queue === undefined ? { callback } : { callback, queue });
    } catch (cause) {
      throw fromNatsError(cause, `subscribe to ${subject}`);
    }
  }

  /** Resolves at the next connected state, at once when connected. @throws TRANSPORT_CLOSED */
  async untilConnected(): Promise<void> {
    if (this.isClosed) throw new ClstrError('TRANSPORT_CLOSED', 'the NATS connection is closed');
    if (this.isConnected) return;
    const event = await new Promise<ConnectionEvent>((resolve) => {
      const stop = this.onState((next) => {
        if (next.state === 'disconnected') return;
        stop();
        resolve(next);
      });
    });
    if (event.state === 'closed') throw new ClstrError('TRANSPORT_CLOSED', 'the NATS connection was closed');
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
   * Closes an owned connection; only flushes a borrowed one. What the end has waited since `startedMs` counts: a
   * server that does not answer is not waited for once by everything that ends.
   */
  async close(startedMs: number): Promise<void> {
    const leftMs = LAST_ANSWER_MS - (this.#clock.monoMs() - startedMs);
    if (this.isConnected && !this.isClosed) await this.confirmWithin(Math.max(FIRST_ANSWER_MS, leftMs));
    if (this.#isOwned) await this.nats.close();
    this.#become('closed');
    this.#status.stop();
  }

  async #watch(): Promise<void> {
    for await (const status of this.#status) {
      if (status.type === Events.Disconnect) this.#become('disconnected');
      else if (status.type === Events.Reconnect) this.#become('connected');
      else if (status.type === Events.Error) this.#onError(status);
      else if (status.type === DebugEvents.StaleConnection) this.#become('disconnected');
    }
  }

  #onError(status: Status): void {
    const { operation, subject } = status.permissionContext ?? {};
    if (operation !== 'publish' || subject === undefined) return;
    const message = `the NATS server forbids this user to publish to ${subject}`;
    const error = new ClstrError('NO_PERMISSION', message);
    for (const listener of [...this.#deniedListeners]) this.#tell(() => listener(subject, error));
  }

  #become(state: ConnectionState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    const server = withoutCredentials(this.nats.getServer());
    for (const listener of [...this.#stateListeners]) this.#tell(() => listener({ state, server }));
  }

  /** What a listener throws would end the watch, and leave this state for ever. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (err) {
      this.#logger.error({ err }, 'a listener of the NATS connection threw');
    }
  }
}

/** The error a subscription callback gets when the server forbids the subject. */
export function deniedSubscription(error: NatsError, subject: string): ClstrError {
  return fromNatsError(error, `subscribe to ${subject}`);
}
