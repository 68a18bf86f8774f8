/** Real nodes over a real nats-server, each in a process of its own. */
import { startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { provisionCluster } from '@clstr/transport-nats';
import { connect } from 'nats';
import { forkNode } from './nats-child.ts';
import type { NatsChild } from './nats-child.ts';
import { Owners } from './owners.ts';

export interface NatsChange {
  readonly settledMs: number;
  /** Processor time of all nodes, the start of their processes included, without the server. */
  readonly cpuMs: number;
  readonly moves: number;
  readonly mostMovesOfOneShard: number;
  /** Writes that the bucket took, heartbeats included. */
  readonly writes: number;
}

export class NatsCluster {
  readonly #server: NatsServer;
  readonly #numShards: number;
  readonly #owners: Owners;
  readonly #members = new Map<string, NatsChild>();

  private constructor(server: NatsServer, numShards: number) {
    this.#server = server;
    this.#numShards = numShards;
    this.#owners = new Owners(numShards);
  }

  static async start(numShards: number): Promise<NatsCluster> {
    const server = await startNatsServer({ args: ['-js'] });
    await provisionCluster({ servers: server.url, numShards, isNew: true });
    return new NatsCluster(server, numShards);
  }

  join(...ids: readonly string[]): Promise<NatsChange> {
    return this.#change(async () => {
      const { url: servers } = this.#server;
      const nodes = ids.map((id) => {
        const node = forkNode({ id, servers, numShards: this.#numShards });
        this.#members.set(id, node);
        this.#owners.add(id, (listener) => node.onEvent(listener));
        return node;
      });
      await Promise.all(nodes.map((node) => node.ready()));
    });
  }

  leave(id: string): Promise<NatsChange> {
    return this.#change(async () => {
      this.#owners.remove(id);
      await this.#members.get(id)!.leave();
    });
  }

  async close(): Promise<void> {
    for (const node of this.#members.values()) await node.leave();
    await this.#server.stop();
  }

  async #change(begin: () => Promise<void>): Promise<NatsChange> {
    const writesBefore = await this.#writes();
    const cpuBefore = await this.#cpuMs();
    const startedMs = performance.now();
    this.#owners.forgetMoves();
    await begin();
    await this.#owners.untilSettled();
    const settledMs = performance.now() - startedMs;
    const { total, mostOfOneShard } = this.#owners.moves;
    return {
      settledMs,
      cpuMs: (await this.#cpuMs()) - cpuBefore,
      writes: (await this.#writes()) - writesBefore,
      moves: total,
      mostMovesOfOneShard: mostOfOneShard,
    };
  }

  async #cpuMs(): Promise<number> {
    const each = await Promise.all([...this.#members.values()].map((node) => node.cpuMs()));
    return each.reduce((sum, cpuMs) => sum + cpuMs, 0);
  }

  async #writes(): Promise<number> {
    const nats = await connect({ servers: this.#server.url });
    try {
      const { state } = await (await nats.jetstreamManager()).streams.info('KV_clstr');
      return state.last_seq;
    } finally {
      await nats.close();
    }
  }
}
