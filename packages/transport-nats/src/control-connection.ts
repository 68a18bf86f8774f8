/**
 * Membership's own connection, so that heartbeats never queue behind requests. While it is down it sends nothing, and
 * keeps nothing to send later.
 */
import { checkPlainSubject, isPlainSubject } from '@clstr/core/internal';
import type { Clock, Logger } from '@clstr/core';
import { ClstrError } from '@clstr/core';
import type { ConnectionOptions, Msg, MsgHdrs } from 'nats';
import { openConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import type { ConnectionSubscription } from './kept-subscription.ts';
import { fromNatsError } from './nats-errors.ts';

export interface ControlOptions {
  readonly connect: ConnectionOptions;
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
  const label = 'the connection to the membership store';
  return new ControlConnection(
    await openConnection({ ...options, label, logsLosses: false, isPaced: true }),
    options.logger,
  );
}

export class ControlConnection {
  readonly #connection: Connection;
  readonly #logger: Logger;
  readonly #listeners = new Set<(isConnected: boolean) => void>();
  /** Ends the requests that wait for an answer. */
  readonly #waiting = new Set<(error: ClstrError) => void>();
  #isConnected = true;
  #isClosed = false;

  constructor(connection: Connection, logger: Logger) {
    this.#connection = connection;
    this.#logger = logger;
    connection.onState(({ state }) => {
      this.#become(state === 'connected');
    });
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

  /** @throws TIMEOUT, CONNECTION_LOST, NO_SUBSCRIBER, NO_PERMISSION, PAYLOAD_TOO_LARGE, INVALID_OPTION */
  async request({ subject, bytes, headers, timeoutMs }: ControlRequest): Promise<Msg> {
    if (!this.#isConnected) throw this.#down();
    checkPlainSubject(subject);
    return await new Promise<Msg>((resolve, reject) => {
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

  /** Logs what `onMessage` throws, because it would end the NATS client's read loop. @throws CONNECTION_LOST */
  subscribe(
    subject: string,
    onMessage: (message: Msg) => void,
    onEnded: (error: ClstrError) => void,
  ): ConnectionSubscription {
    if (!this.#isConnected) throw this.#down();
    const guarded = <T>(listener: (value: T) => void) => {
      return (value: T): void => {
        try {
          listener(value);
        } catch (err) {
          this.#logger.error(
            { event: 'store.listener_threw', err, subject },
            'a listener of the membership store threw',
          );
        }
      };
    };
    return this.#connection.subscribe(subject, { onMessage: guarded(onMessage), onEnded: guarded(onEnded) });
  }

  /** Publishes without waiting for an answer; does nothing while it is down, or if the subject is not plain. */
  tell(subject: string): void {
    if (this.#isConnected && isPlainSubject(subject)) this.#connection.publish(subject, NOTHING, undefined);
  }

  /** Reports to listeners that it is down. Idempotent. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#become(false);
    this.#listeners.clear();
    this.#connection.end();
    return Promise.resolve();
  }

  #become(isConnected: boolean): void {
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    for (const listener of [...this.#listeners]) listener(isConnected);
    if (isConnected) return;
    for (const fail of [...this.#waiting]) {
      this.#waiting.delete(fail);
      fail(this.#down());
    }
  }

  #down(): ClstrError {
    const what = this.#isClosed ? 'is closed' : 'is down';
    return new ClstrError('CONNECTION_LOST', `the connection to the membership store ${what}`);
  }
}

const NOTHING = new Uint8Array(0);
