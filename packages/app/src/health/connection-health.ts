/** The connection of an app, and since when it is down. */
import type { Clock, ConnectionState, Transport } from '@clstr/core';
import { healthReason } from './reasons.ts';
import type { HealthReason } from './reasons.ts';

export class ConnectionWatch {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #stop: () => void;
  #server: string | undefined;
  #lostAtMs: number | undefined;

  constructor(transport: Transport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
    this.#stop = transport.onConnection(({ state, server }) => {
      this.#server = server;
      this.#lostAtMs = state === 'disconnected' ? clock.monoMs() : undefined;
    });
  }

  get state(): ConnectionState {
    return this.#transport.state;
  }

  /** `isEnding`: the app closes the connection itself. */
  reasons(isEnding: boolean): HealthReason[] {
    const { name, state } = this.#transport;
    if (state === 'connected' || (state === 'closed' && isEnding)) return [];
    const what = `the ${name} connection${this.#server === undefined ? '' : ` to ${this.#server}`}`;
    if (state === 'closed') return [healthReason('PART_CLOSED', `${what} was closed, but not by the app`)];
    const since =
      this.#lostAtMs === undefined
        ? 'is down'
        : `was lost ${Math.round(this.#clock.monoMs() - this.#lostAtMs)} ms ago`;
    return [healthReason('CONNECTION_LOST', `${what} ${since}`)];
  }

  close(): void {
    this.#stop();
  }
}
