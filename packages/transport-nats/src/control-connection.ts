/**
 * Membership's own connection, so that heartbeats never queue behind requests. While it is down nothing is handed to
 * the NATS client, which would send it later; when it is down for longer than a lease it is built anew, as the
 * client's own pauses between attempts go by the wall clock.
 */
import type { Clock, Logger } from '@clstr/core';
import { ClstrError, inBackground, pause } from '@clstr/core';
import type { ConnectionOptions, Msg, MsgHdrs, Subscription } from 'nats';
import { openConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import { fromNatsError } from './nats-errors.ts';

export interface ControlOptions {
  readonly connect: ConnectionOptions;
  /** How long it may be down until it is built anew. */
  readonly maxDownMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ControlRequest {
  readonly subject: string;
  readonly bytes: Uint8Array | undefined;
  readonly headers: MsgHdrs | undefined;
  readonly timeoutMs: number;
}

/** @throws CONNECT_FAILED, AUTH_FAILED */
export async function openControlConnection(options: ControlOptions): Promise<ControlConnection> {
  return new ControlConnection(await dial(options), options);
}

function dial({ connect, clock, logger }: ControlOptions): Promise<Connection> {
  return openConnection({ connection: undefined, connect, clock, logger });
}

export class ControlConnection {
  readonly #options: ControlOptions;
  readonly #listeners = new Set<(isConnected: boolean) => void>();
  /** Ends the requests that wait for an answer. */
  readonly #waiting = new Set<(error: ClstrError) => void>();
  #connection: Connection;
  #isConnected = true;
  #isClosed = false;
  #stopWatchdog: () => void = () => undefined;

  constructor(connection: Connection, options: ControlOptions) {
    this.#options = options;
    this.#connection = connection;
    this.#adopt(connection);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get serverVersion(): string {
    return this.#connection.nats.info!.version;
  }

  /** Listeners must not throw. */
  onConnection(listener: (isConnected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** @throws TIMEOUT, CONNECTION_LOST, NO_SUBSCRIBER, NO_PERMISSION, PAYLOAD_TOO_LARGE */
  request({ subject, bytes, headers, timeoutMs }: ControlRequest): Promise<Msg> {
    if (!this.#isConnected) return Promise.reject(this.#down());
    return new Promise<Msg>((resolve, reject) => {
      const end = (settle: () => void): void => {
        if (this.#waiting.delete(reject)) settle();
      };
      this.#waiting.add(reject);
      const options = { timeout: Math.max(1, timeoutMs), ...(headers === undefined ? {} : { headers }) };
      this.#connection.nats.request(subject, bytes, options).then(
        (message) => {
          end(() => {
            resolve(message);
          });
        },
        (cause: unknown) => {
          end(() => {
            reject(fromNatsError(cause, `ask ${subject}`));
          });
        },
      );
    });
  }

  /** What `onMessage` throws is logged: it would end the NATS client's reading. @throws CONNECTION_LOST */
  subscribe(
    subject: string,
    onMessage: (message: Msg) => void,
    onError: (error: ClstrError) => void,
  ): Subscription {
    if (!this.#isConnected) throw this.#down();
    return this.#connection.subscribe(subject, (error, message) => {
      try {
        if (error === null) onMessage(message);
        else onError(fromNatsError(error, `subscribe to ${subject}`));
      } catch (err) {
        this.#options.logger.error({ err, subject }, 'a listener of the membership store threw');
      }
    });
  }

  /** Tells the server something that nobody answers; nothing when it is down. */
  tell(subject: string): void {
    if (this.#isConnected) this.#connection.publish(subject, NOTHING, undefined);
  }

  /** Idempotent. Whoever listens hears that it is down. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopWatchdog();
    this.#become(false);
    this.#listeners.clear();
    this.#failWaiting();
    await this.#connection.nats.close();
  }

  #adopt(connection: Connection): void {
    this.#connection = connection;
    connection.onState(({ state }) => {
      if (this.#isClosed || connection !== this.#connection) return;
      if (state === 'connected') this.#onUp();
      else this.#onDown();
      // The NATS client has given up for good.
      if (state === 'closed') this.#rebuild();
    });
  }

  #onUp(): void {
    this.#stopWatchdog();
    this.#become(true);
  }

  #onDown(): void {
    if (!this.#isConnected) return;
    this.#become(false);
    this.#failWaiting();
    const { clock, maxDownMs } = this.#options;
    this.#stopWatchdog = clock.timer(() => {
      this.#rebuild();
    }, maxDownMs);
  }

  #become(isConnected: boolean): void {
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    for (const listener of [...this.#listeners]) listener(isConnected);
  }

  #failWaiting(): void {
    for (const fail of [...this.#waiting]) {
      this.#waiting.delete(fail);
      fail(this.#down());
    }
  }

  #rebuild(): void {
    const { logger } = this.#options;
    this.#stopWatchdog();
    const given = this.#connection;
    inBackground(given.nats.close(), 'closing a dead connection', logger);
    inBackground(this.#dialUntilUp(given), 'connecting to the membership store', logger);
  }

  async #dialUntilUp(replaced: Connection): Promise<void> {
    const { clock, connect, logger } = this.#options;
    while (this.#isWanted(replaced)) {
      try {
        const connection = await dial(this.#options);
        if (!this.#isWanted(replaced)) {
          await connection.nats.close();
          return;
        }
        this.#adopt(connection);
        this.#onUp();
      } catch (err) {
        logger.warn({ err }, 'cannot reach the membership store');
        await pause(clock, connect.reconnectTimeWait!);
      }
    }
  }

  #isWanted(replaced: Connection): boolean {
    return !this.#isClosed && this.#connection === replaced;
  }

  #down(): ClstrError {
    const what = this.#isClosed ? 'is closed' : 'is down';
    return new ClstrError('CONNECTION_LOST', `the connection to the membership store ${what}`);
  }
}

const NOTHING = new Uint8Array(0);
