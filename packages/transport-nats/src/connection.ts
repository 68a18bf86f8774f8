/** The connection below a transport, owned or borrowed: its state, its confirmations, its end. */
import type { ConnectionEvent } from '@clstr/core';
import { ClstrError, inBackground } from '@clstr/core';
import type { NatsConnection, NatsError, Status } from 'nats';
import { DebugEvents, Events, connect } from 'nats';
import { fromConnectError, fromNatsError, withoutCredentials } from './nats-errors.ts';
import type { ResolvedNatsOptions } from './nats-options.ts';

/** A publish that the server refused: names the subject, long after the publish itself. */
export type DeniedPublishListener = (subject: string, error: ClstrError) => void;

/** @throws CONNECT_FAILED, AUTH_FAILED */
export async function openConnection(options: ResolvedNatsOptions): Promise<Connection> {
  const { connection } = options;
  if (connection !== undefined) return new Connection(connection, false, options);
  const servers = options.connect.servers as string[];
  try {
    return new Connection(await connect({ ...options.connect, servers }), true, options);
  } catch (cause) {
    throw fromConnectError(cause, servers);
  }
}

export class Connection {
  readonly nats: NatsConnection;
  readonly #isOwned: boolean;
  readonly #stateListeners = new Set<(event: ConnectionEvent) => void>();
  readonly #deniedListeners = new Set<DeniedPublishListener>();
  #state: ConnectionEvent['state'] = 'connected';
  #confirmation: Promise<void> | undefined;

  constructor(nats: NatsConnection, isOwned: boolean, { logger }: ResolvedNatsOptions) {
    this.nats = nats;
    this.#isOwned = isOwned;
    inBackground(this.#watch(), 'watching the NATS connection', logger);
    inBackground(
      nats.closed().then(() => {
        this.#become('closed');
      }),
      'closing the NATS connection',
      logger,
    );
    if (nats.isClosed()) this.#state = 'closed';
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  get isClosed(): boolean {
    return this.#state === 'closed' || this.nats.isClosed();
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
      return true;
    } catch {
      return false;
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

  /** Closes an owned connection; only flushes a borrowed one. */
  async close(): Promise<void> {
    if (this.isConnected && !this.nats.isClosed()) await this.confirm();
    if (this.#isOwned) await this.nats.close();
    this.#become('closed');
  }

  async #watch(): Promise<void> {
    for await (const status of this.nats.status()) {
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
    for (const listener of this.#deniedListeners) listener(subject, new ClstrError('NO_PERMISSION', message));
  }

  #become(state: ConnectionEvent['state']): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    const server = withoutCredentials(this.nats.getServer());
    for (const listener of [...this.#stateListeners]) listener({ state, server });
  }
}

/** The error a subscription callback gets when the server forbids the subject. */
export function deniedSubscription(error: NatsError, subject: string): ClstrError {
  return fromNatsError(error, `subscribe to ${subject}`);
}
