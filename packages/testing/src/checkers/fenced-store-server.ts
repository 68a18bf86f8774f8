/**
 * A fenced store for several processes: JSON lines over TCP, answered in the order in which they arrive.
 *
 *   { "id": 1, "op": "read", "key": "k" }                            → { "id": 1, "answer": { "value": 0, "epoch": 0 } }
 *   { "id": 2, "op": "write", "key": "k", "value": 1, "epoch": 3 }   → { "id": 2, "answer": { "kind": "written" } }
 *   anything else                                                    → { "id": 3, "error": "…" }
 */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { ClstrError } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import { handedOn, integer, orMade, resolve } from '@clstr/core/internal';
import { FencedStore } from './fenced-store.ts';
import { readJsonLines, writeJsonLine } from './json-lines.ts';

export interface FencedStoreServerOptions {
  /** Port on this machine, 0 for a free one. Default 0. */
  port?: number | undefined;
  /** Default: an empty one. */
  store?: FencedStore | undefined;
}

export interface FencedStoreServer {
  readonly host: string;
  readonly port: number;
  /** The store that is served, for direct use in this process. */
  readonly store: FencedStore;
  /** Ends all connections. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const HOST = '127.0.0.1';

export const fencedStoreServerSpec: Spec<Resolved<FencedStoreServerOptions>> = {
  port: integer(0, 65_535, 0),
  store: orMade(handedOn(), () => new FencedStore()),
};

/** Resolves when the server listens, on this machine only. @throws INVALID_OPTION, CONNECT_FAILED */
export async function serveFencedStore(options: FencedStoreServerOptions = {}): Promise<FencedStoreServer> {
  const owner = 'serveFencedStore';
  const { port, store } = resolve(owner, fencedStoreServerSpec, options);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // The client sees its own errors.
    socket.on('error', () => socket.destroy());
    readJsonLines(socket, (request) => {
      writeJsonLine(socket, answer(store, request));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new ClstrError('CONNECT_FAILED', `${owner}: ${cause.message}`, { cause }));
    });
    server.listen(port, HOST, resolve);
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
      for (const socket of sockets) socket.destroy();
    }));
  return {
    host: HOST,
    port: (server.address() as AddressInfo).port,
    store,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function answer(store: FencedStore, request: unknown): object {
  const { id, op, key, value, epoch } = (request ?? {}) as Readonly<Record<string, unknown>>;
  try {
    switch (op) {
      case 'read':
        return { id, answer: store.read(key as string) };
      case 'write':
        return { id, answer: store.write(key as string, value as number, epoch as number) };
      default:
        return { id, error: 'op must be read or write' };
    }
  } catch (error) {
    return { id, error: (error as Error).message };
  }
}
