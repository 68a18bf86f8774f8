/** One connection through a TCP proxy: each direction keeps its order, and is delayed or swallowed by itself. */
import type { Socket } from 'node:net';
import type { ProxyMode, ProxyState } from './proxy-mode.ts';

export class ProxiedConnection {
  readonly #client: Socket;
  readonly #server: Socket | undefined;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(client: Socket, server: Socket | undefined, state: ProxyState, onClose: () => void) {
    this.#client = client;
    this.#server = server;
    this.#onClose = onClose;
    const toServer = new Direction(client, server, state, 'bytesToServer', ['black-hole', 'mute']);
    const toClient =
      server && new Direction(server, client, state, 'bytesToClient', ['black-hole', 'half-open']);
    client.on('close', () => {
      // A black hole swallows the end of a connection too.
      if (!toServer.isSwallowed()) this.#close();
    });
    server?.on('close', () => {
      if (toClient?.isSwallowed() !== true) this.#close();
    });
    for (const socket of [client, server]) socket?.on('error', () => undefined); // 'close' follows
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server?.resetAndDestroy();
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.destroy();
    this.#server?.destroy();
    this.#onClose();
  }
}

/** The bytes on their way in one direction, and what to do when they arrive. */
type Arrival = () => void;

class Direction {
  /** Whether bytes were swallowed, after which nothing is delivered. */
  #isDead: boolean;
  readonly #from: Socket;
  readonly #to: Socket | undefined;
  readonly #state: ProxyState;
  readonly #counter: 'bytesToServer' | 'bytesToClient';
  readonly #deadly: readonly ProxyMode['kind'][];
  readonly #waiting: Arrival[] = [];
  /** The time when the last of them arrives. */
  #lastMs = 0;

  constructor(
    from: Socket,
    to: Socket | undefined,
    state: ProxyState,
    counter: 'bytesToServer' | 'bytesToClient',
    deadly: readonly ProxyMode['kind'][],
  ) {
    this.#from = from;
    this.#to = to;
    this.#state = state;
    this.#counter = counter;
    this.#deadly = deadly;
    this.#isDead = to === undefined;
    from.on('data', (bytes) => {
      this.#onBytes(bytes);
    });
    from.on('end', () => {
      this.#onEnd();
    });
    to?.on('drain', () => {
      from.resume();
    });
  }

  /** Whether bytes that arrive now are lost. */
  isSwallowed(): boolean {
    this.#isDead ||= this.#deadly.includes(this.#state.mode.kind);
    return this.#isDead;
  }

  #onBytes(bytes: Uint8Array): void {
    if (this.isSwallowed()) {
      this.#state.bytesSwallowed += bytes.length;
      return;
    }
    this.#state[this.#counter] += bytes.length;
    this.#deliver(delayOf(this.#state.mode, bytes.length), () => {
      if (this.#to?.writable === true && !this.#to.write(bytes)) this.#from.pause();
    });
  }

  #onEnd(): void {
    if (this.isSwallowed()) return;
    this.#deliver(delayOf(this.#state.mode, 0), () => {
      this.#to?.end();
    });
  }

  /** Each timer delivers the first waiting chunk, so that no chunk overtakes another. */
  #deliver({ latencyMs, busyMs }: Delay, arrival: Arrival): void {
    const nowMs = performance.now();
    if (latencyMs === 0 && busyMs === 0 && this.#waiting.length === 0) {
      arrival();
      return;
    }
    this.#lastMs = Math.max(nowMs + latencyMs, this.#lastMs) + busyMs;
    this.#waiting.push(arrival);
    setTimeout(() => {
      this.#waiting.shift()?.();
    }, this.#lastMs - nowMs);
  }
}

interface Delay {
  readonly latencyMs: number;
  /** How long the bytes delay those behind them, and themselves. */
  readonly busyMs: number;
}

function delayOf(mode: ProxyMode, bytes: number): Delay {
  switch (mode.kind) {
    case 'latency':
      return { latencyMs: mode.ms, busyMs: 0 };
    case 'throttle':
      return { latencyMs: 0, busyMs: (bytes / mode.bytesPerSecond) * 1_000 };
    case 'pass':
    case 'black-hole':
    case 'half-open':
    case 'mute':
    case 'reset':
      return { latencyMs: 0, busyMs: 0 };
  }
}
