/** Stores on a real nats-server, each on a connection of its own. */
import { systemClock } from '@clstr/core';
import type { Transport } from '@clstr/core';
import { silentLogger } from '@clstr/core/internal';
import type { CasOutcome, StatePlace, StateStore } from '@clstr/core/store';
import { startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { connect } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { jetstreamStore } from '../src/index.ts';
import type { JetStreamStoreOptions } from '../src/index.ts';

export const TIMEOUT_MS = 10_000;

export class Stage {
  readonly server: NatsServer;
  /** What an operator does. */
  readonly nats: NatsConnection;
  readonly manager: JetStreamManager;
  readonly #endings: (() => Promise<void>)[] = [];
  #clusters = 0;

  private constructor(server: NatsServer, nats: NatsConnection, manager: JetStreamManager) {
    this.server = server;
    this.nats = nats;
    this.manager = manager;
  }

  static async start(): Promise<Stage> {
    const server = await startNatsServer({ args: ['-js'] });
    const nats = await connect({ servers: server.url, reconnectTimeWait: 20, maxReconnectAttempts: -1 });
    return new Stage(server, nats, await nats.jetstreamManager());
  }

  nextCluster(): string {
    return `state-${++this.#clusters}`;
  }

  async transport(cluster: string): Promise<NatsTransport> {
    const transport = await natsTransport({ servers: this.server.url, cluster, reconnectWaitMs: 20 });
    this.#endings.push(() => transport.close());
    return transport;
  }

  async open(cluster: string, options: JetStreamStoreOptions = {}, service = 'default'): Promise<StateStore> {
    return await this.openOn(await this.transport(cluster), cluster, options, service);
  }

  async openOn(
    transport: Transport,
    cluster: string,
    options: JetStreamStoreOptions = {},
    service = 'default',
  ): Promise<StateStore> {
    const context = { cluster, service, transport, clock: systemClock, logger: silentLogger };
    const store = await jetstreamStore(options).open(context);
    this.#endings.push(() => store.close());
    return store;
  }

  /** Closes what was opened since the last time. */
  async clear(): Promise<void> {
    for (const end of this.#endings.splice(0).reverse()) await end();
  }

  async stop(): Promise<void> {
    await this.clear();
    await this.nats.close();
    await this.server.stop();
  }
}

/** Resolves at the next connected state. */
export function backAgain(transport: Transport): Promise<void> {
  return new Promise((resolve) => {
    const stop = transport.onConnection(({ state }) => {
      if (state !== 'connected') return;
      stop();
      resolve();
    });
  });
}

export function placeOf(key: string, changes: Partial<StatePlace> = {}): StatePlace {
  return { space: 'account', keeps: 'all', shard: 7, key, ...changes };
}

export function append(
  store: StateStore,
  place: StatePlace,
  revision: number,
  text: string,
  isWhole = false,
): Promise<CasOutcome> {
  return store.append(place, revision, { bytes: new TextEncoder().encode(text), isWhole }, TIMEOUT_MS);
}

/** Appends what must be appended; gives its revision. */
export async function write(...call: Parameters<typeof append>): Promise<number> {
  const outcome = await append(...call);
  if (outcome.kind !== 'acked') throw new Error(`the append was ${JSON.stringify(outcome)}`);
  return outcome.revision;
}

export async function readTexts(store: StateStore, place: StatePlace): Promise<string[]> {
  const { records } = await store.load(place, TIMEOUT_MS);
  return records.map(({ bytes }) => new TextDecoder().decode(bytes));
}
