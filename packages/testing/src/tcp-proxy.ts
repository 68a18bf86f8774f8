/** A TCP proxy between a client and a server of a test, which simulates faults of the network. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Resolved, Spec } from '@clstr/core/internal';
import { integer, resolve, text } from '@clstr/core/internal';
import { ProxiedConnection } from './proxied-connection.ts';
import { checkMode } from './proxy-mode.ts';
import type { ProxyMode, ProxyState } from './proxy-mode.ts';

export interface TcpProxyOptions {
  /** The port of the server. */
  port: number;
  /** Where the server listens. Default `127.0.0.1`. */
  host?: string | undefined;
}

export interface TcpProxy {
  readonly host: string;
  /** Where clients connect. */
  readonly port: number;
  readonly mode: ProxyMode;
  /** The number of open client connections. */
  readonly connections: number;
  /** The number of bytes forwarded to the server. */
  readonly bytesToServer: number;
  readonly bytesToClient: number;
  /** The number of bytes that a black hole or a one-way cut swallowed. */
  readonly bytesSwallowed: number;
  /** Sets the mode for bytes and connections that arrive from now on. */
  setMode(mode: ProxyMode): void;
  /** Resets the open connections without changing the mode. */
  reset(): void;
  /** Ends all connections. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const HOST = '127.0.0.1';

export const tcpProxySpec: Spec<Resolved<TcpProxyOptions>> = {
  port: integer(1, 65_535),
  host: text(HOST, /./, 'a host'),
};

/** @throws INVALID_OPTION */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const { port, host } = resolve('startTcpProxy', tcpProxySpec, options);
  const proxy = new ListeningProxy(port, host);
  await proxy.listen();
  return proxy;
}

class ListeningProxy implements TcpProxy {
  readonly host = HOST;
  readonly #targetPort: number;
  readonly #targetHost: string;
  readonly #server: Server;
  readonly #open = new Set<ProxiedConnection>();
  readonly #state: ProxyState = {
    mode: { kind: 'pass' },
    bytesToServer: 0,
    bytesToClient: 0,
    bytesSwallowed: 0,
  };
  #closing: Promise<void> | undefined;

  constructor(targetPort: number, targetHost: string) {
    this.#targetPort = targetPort;
    this.#targetHost = targetHost;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#accept(client);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get mode(): ProxyMode {
    return this.#state.mode;
  }

  get connections(): number {
    return this.#open.size;
  }

  get bytesToServer(): number {
    return this.#state.bytesToServer;
  }

  get bytesToClient(): number {
    return this.#state.bytesToClient;
  }

  get bytesSwallowed(): number {
    return this.#state.bytesSwallowed;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(0, HOST, resolve);
    });
  }

  setMode(mode: ProxyMode): void {
    this.#state.mode = checkMode(mode);
    if (mode.kind === 'reset') this.reset();
  }

  reset(): void {
    for (const connection of [...this.#open]) connection.reset();
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.reset();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(client: Socket): void {
    const { kind } = this.#state.mode;
    if (kind === 'reset' || this.#closing !== undefined) {
      client.on('error', () => undefined).resetAndDestroy();
      return;
    }
    // A black hole does not connect to the server.
    const server =
      kind === 'black-hole'
        ? undefined
        : connect({
            port: this.#targetPort,
            host: this.#targetHost,
            allowHalfOpen: true,
            noDelay: true,
          });
    const connection: ProxiedConnection = new ProxiedConnection(client, server, this.#state, () => {
      this.#open.delete(connection);
    });
    this.#open.add(connection);
  }
}
