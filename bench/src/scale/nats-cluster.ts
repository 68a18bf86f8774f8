/** Real nodes over a real nats-server, in one process, each with connections of its own. */
import { createNode } from '@clstr/core';
import type { Node } from '@clstr/core';
import { startNatsServer } from '@clstr/testing';
import type { NatsServer } from '@clstr/testing';
import { natsMembership, natsTransport, provisionCluster } from '@clstr/transport-nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { connect } from 'nats';
import { Owners } from './owners.ts';

export interface NatsChange {
  readonly settledMs: number;
  /** Of this process, without the server. */
  readonly cpuMs: number;
  readonly moves: number;
  readonly mostMovesOfOneShard: number;
  /** That the bucket took, heartbeats included. */
  readonly writes: number;
}

export class NatsCluster {
  readonly #server: NatsServer;
  readonly #numShards: number;
  readonly #owners: Owners;
  readonly #members = new Map<string, { node: Node; transport: NatsTransport }>();

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
      const servers = this.#server.url;
      const nodes = await Promise.all(
        ids.map(async (id) => {
          const transport = await natsTransport({ servers });
          const node = createNode({
            ...{ id, transport, numShards: this.#numShards, membership: natsMembership({ servers }) },
            handler: () => id,
          });
          this.#owners.add(node);
          this.#members.set(id, { node, transport });
          return node;
        }),
      );
      await Promise.all(nodes.map((node) => node.start()));
    });
  }

  leave(id: string): Promise<NatsChange> {
    return this.#change(async () => {
      this.#owners.remove(id);
      await this.#close(id);
    });
  }

  async close(): Promise<void> {
    for (const id of [...this.#members.keys()]) await this.#close(id);
    await this.#server.stop();
  }

  async #close(id: string): Promise<void> {
    const { node, transport } = this.#members.get(id)!;
    this.#members.delete(id);
    await node.drain();
    await transport.close();
  }

  async #change(begin: () => Promise<void>): Promise<NatsChange> {
    const writesBefore = await this.#writes();
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    this.#owners.forgetMoves();
    await begin();
    await this.#owners.untilSettled();
    const settledMs = performance.now() - startedMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    const { total, mostOfOneShard } = this.#owners.moves;
    return {
      ...{ settledMs, cpuMs: (user + system) / 1_000, writes: (await this.#writes()) - writesBefore },
      ...{ moves: total, mostMovesOfOneShard: mostOfOneShard },
    };
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
