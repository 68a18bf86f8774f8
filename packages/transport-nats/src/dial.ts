/**
 * One attempt to connect to one server. When a dial times out, the NATS client leaves its socket open, and it closes a
 * dead socket only after its unsent bytes; so this file keeps each socket, and destroys it unless the attempt succeeds.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { ConnectionOptions, NatsConnection } from 'nats';
import { NatsError, connect } from 'nats';

/** A connection of the NATS client, from the first answer of the server to the end of its socket. */
export interface Session {
  readonly nats: NatsConnection;
  /** Undefined if the NATS client opened it in another way, as with `handshakeFirst`. */
  readonly socket: Socket | undefined;
  /** Ends it at once, even with unsent bytes. Idempotent. */
  destroy(): void;
}

export class Dial {
  /** Rejects with the error of the NATS client. */
  readonly session: Promise<Session>;
  readonly #sockets = new Set<Socket>();
  readonly #tlsAbort = new AbortController();
  #isOver = false;
  /** The last text from the server before TLS. */
  #said = '';

  constructor(options: ConnectionOptions) {
    this.session = this.#start(options);
  }

  /** Ends the attempt; `session` rejects. */
  abort(): void {
    this.#isOver = true;
    this.#tlsAbort.abort();
    this.#destroy(undefined);
  }

  /** For the channel of `node:net`. */
  add(socket: Socket): void {
    this.#sockets.add(socket);
    this.#listen(socket);
    // The socket starts to connect when this returns, even if it was destroyed before.
    if (this.#isOver) process.nextTick(() => socket.destroy());
  }

  async #start(options: ConnectionOptions): Promise<Session> {
    const { tls } = options;
    const withSignal = tls === undefined ? options : { ...options, tls: { ...tls, ...this.#tlsSignal() } };
    watchSockets();
    try {
      const nats = await dialing.run(this, () => connect(withSignal));
      if (this.#isOver) {
        await nats.close();
        throw new Error('the dial was ended');
      }
      const socket = [...this.#sockets].at(-1);
      this.#destroy(socket);
      if (socket !== undefined) this.#unlisten(socket);
      return { nats, socket, destroy: () => this.#end(nats, socket) };
    } catch (error) {
      this.abort();
      throw refusal(this.#said, error);
    } finally {
      this.#isOver = true;
      unwatchSockets();
    }
  }

  /** The NATS client removes every listener while it dials, and reports a broken pipe in place of the server's reason. */
  #listen(socket: Socket): void {
    socket.push = (chunk: Uint8Array | null, encoding) => {
      if (chunk !== null) this.#said = (this.#said + chunk.toString()).slice(-MAX_SAID);
      return Readable.prototype.push.call(socket, chunk, encoding);
    };
  }

  #unlisten(socket: Socket): void {
    // Restores the method of the class.
    delete (socket as Partial<Socket>).push;
    this.#said = '';
  }

  /** `node:tls` takes the signal, but the types of the NATS client lack it. */
  #tlsSignal(): object {
    return { signal: this.#tlsAbort.signal };
  }

  #end(nats: NatsConnection, socket: Socket | undefined): void {
    void nats.close();
    socket?.destroy();
  }

  #destroy(but: Socket | undefined): void {
    for (const socket of this.#sockets) if (socket !== but) socket.destroy();
    this.#sockets.clear();
  }
}

const MAX_SAID = 1_024;

/** Why the server ended the dial, in its own words if it gave any. */
function refusal(said: string, error: unknown): unknown {
  const reason = /-ERR '([^'\r\n]*)'\r\n/.exec(said)?.[1];
  return reason === undefined || error instanceof NatsError ? error : new Error(reason, { cause: error });
}

/** Finds the dial of a socket. Switched off while there is no dial: it would slow down every promise of the process. */
const dialing = new AsyncLocalStorage<Dial>();
const CHANNEL = 'net.client.socket';
let watchers = 0;

function watchSockets(): void {
  if (watchers++ === 0) subscribe(CHANNEL, onSocket);
}

function unwatchSockets(): void {
  if (--watchers > 0) return;
  unsubscribe(CHANNEL, onSocket);
  dialing.disable();
}

function onSocket(message: unknown): void {
  dialing.getStore()?.add((message as { socket: Socket }).socket);
}
