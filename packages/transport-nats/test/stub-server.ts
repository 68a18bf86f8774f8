/** What a nats-server would say to those who connect, as far as a test wants it said. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export interface StubOptions {
  /** Sent in INFO. */
  connectUrls?: () => readonly string[];
}

export class StubServer {
  /** `silent` says nothing at all; `refuse` refuses the log-in, `full` the connection. */
  mode: 'serve' | 'silent' | 'refuse' | 'full' = 'serve';
  /** Connections made so far. */
  dials = 0;
  /** CONNECTs so far. */
  logins = 0;
  readonly open = new Set<Socket>();
  readonly #server: Server;
  readonly #options: StubOptions;
  #waiting: { isDone: () => boolean; resolve: () => void }[] = [];

  constructor(options: StubOptions = {}) {
    this.#options = options;
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  /** Resolves when this holds, which is looked at whenever something happens here. */
  until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ isDone, resolve }));
  }

  drop(): void {
    for (const socket of this.open) socket.destroy();
  }

  close(): Promise<void> {
    this.drop();
    return new Promise((resolve) =>
      this.#server.close(() => {
        resolve();
      }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    this.dials++;
    this.open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.open.delete(socket);
      this.#changed();
    });
    socket.on('data', (bytes) => {
      this.#read(socket, bytes.toString());
    });
    if (this.mode !== 'silent') {
      const info = { version: '2.10.0', proto: 1, headers: true, max_payload: 1_048_576 };
      const connect_urls = this.#options.connectUrls?.();
      socket.write(`INFO ${JSON.stringify({ ...info, connect_urls })}\r\n`);
    }
    if (this.mode === 'full') socket.write("-ERR 'maximum connections exceeded'\r\n");
    this.#changed();
  }

  #read(socket: Socket, text: string): void {
    if (this.mode === 'silent') return;
    if (this.mode === 'full') {
      socket.resetAndDestroy();
      return;
    }
    if (text.includes('CONNECT ')) {
      this.logins++;
      if (this.mode === 'refuse') socket.end("-ERR 'Authorization Violation'\r\n");
    }
    if (this.mode !== 'refuse') socket.write('PONG\r\n'.repeat(text.split('PING\r\n').length - 1));
    this.#changed();
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ isDone }) => !isDone());
    for (const { isDone, resolve } of waiting) if (isDone()) resolve();
  }
}

export async function startStubServer(options: StubOptions = {}): Promise<StubServer> {
  const server = new StubServer(options);
  await server.listen();
  return server;
}
