/** The client of a fenced store, to which the actors of a node process write before they answer. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { ClstrError } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import { integer, milliseconds, resolve, text } from '@clstr/core/internal';
import { defaults } from '../defaults.ts';
import type { FencedValue, FencedWrite } from './fenced-store.ts';
import { readJsonLines, writeJsonLine } from './json-lines.ts';

export interface FencedStoreClientOptions {
  port: number;
  /** Where the store listens. Default `127.0.0.1`. */
  host?: string | undefined;
  /** The time limit of the connection and of each answer, in milliseconds. Default 5,000. */
  timeoutMs?: number | undefined;
}

/** One connection; when it breaks, it stays broken. */
export interface FencedStoreClient {
  /** @throws INTERNAL when the store refuses the request; TIMEOUT, CONNECTION_LOST, TRANSPORT_CLOSED */
  read(key: string): Promise<FencedValue>;
  /**
   * Writes a value; a refusal is a result. After TIMEOUT and CONNECTION_LOST the value may have been written.
   *
   * @throws as `read` does
   */
  write(key: string, value: number, epoch: number): Promise<FencedWrite>;
  /** Closes the connection; waiting requests fail as CONNECTION_LOST. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const fencedStoreClientSpec: Spec<Resolved<FencedStoreClientOptions>> = {
  port: integer(1, 65_535),
  host: text('127.0.0.1'),
  timeoutMs: milliseconds(1, defaults.storeTimeoutMs),
};

/** @throws INVALID_OPTION, CONNECT_FAILED */
export async function connectFencedStore(options: FencedStoreClientOptions): Promise<FencedStoreClient> {
  const owner = 'connectFencedStore';
  const { port, host, timeoutMs } = resolve(owner, fencedStoreClientSpec, options);
  const socket = connect(port, host).setNoDelay();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy(new Error(`no connection within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.once('connect', resolve);
    socket.once('error', (cause) => {
      reject(new ClstrError('CONNECT_FAILED', `${owner}: ${host}:${port}: ${cause.message}`, { cause }));
    });
    socket.once('close', () => {
      clearTimeout(timer);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
    });
  });
  return new SocketClient(socket, timeoutMs);
}

interface Pending {
  resolve(answer: unknown): void;
  reject(error: ClstrError): void;
}

class SocketClient implements FencedStoreClient {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  readonly #closed: Promise<void>;
  #lastId = 0;

  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#failAll();
        resolve();
      });
    });
    socket.on('error', () => socket.destroy());
    readJsonLines(socket, (reply) => {
      this.#settle(reply as Reply);
    });
  }

  read(key: string): Promise<FencedValue> {
    return this.#ask({ op: 'read', key }) as Promise<FencedValue>;
  }

  write(key: string, value: number, epoch: number): Promise<FencedWrite> {
    return this.#ask({ op: 'write', key, value, epoch }) as Promise<FencedWrite>;
  }

  close(): Promise<void> {
    this.#socket.destroy();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ask(request: object): Promise<unknown> {
    if (this.#socket.destroyed) {
      return Promise.reject(new ClstrError('TRANSPORT_CLOSED', 'the fenced store is no longer connected'));
    }
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      const timer = setTimeout(() => {
        this.#pending
          .get(id)
          ?.reject(new ClstrError('TIMEOUT', `the fenced store did not answer within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      const end = (): void => {
        clearTimeout(timer);
        this.#pending.delete(id);
      };
      this.#pending.set(id, {
        resolve: (answer) => {
          end();
          resolve(answer);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      });
      writeJsonLine(this.#socket, { id, ...request });
    });
  }

  #settle({ id, answer, error }: Reply): void {
    const pending = this.#pending.get(id);
    if (error === undefined) pending?.resolve(answer);
    else pending?.reject(new ClstrError('INTERNAL', `the fenced store refused: ${error}`));
  }

  #failAll(): void {
    for (const pending of [...this.#pending.values()]) {
      pending.reject(new ClstrError('CONNECTION_LOST', 'the connection to the fenced store broke'));
    }
  }
}

interface Reply {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}
