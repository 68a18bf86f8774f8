/** A cluster of processes: one per node, the client in this one, nats-server between them. */
import { randomUUID } from 'node:crypto';
import type { Client } from '@clstr/core';
import { createClient } from '@clstr/core';
import { startNatsServer } from '@clstr/testing/nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import type { Cluster, ClusterOptions } from './cluster.ts';
import { NUM_SHARDS, nodeIds, placeShards } from './cluster.ts';
import { forkNode } from './forked-node.ts';
import type { ForkedNode } from './forked-node.ts';
import type { NatsAddress } from './nats-url.ts';

export interface NatsBucketOptions extends ClusterOptions {
  /** The server's address; if undefined, the demo starts a server and stops it at the end. */
  natsUrl?: NatsAddress | undefined;
  /** Called when a node process ends by itself. */
  onDeath: (error: Error) => void;
}

export async function startNatsCluster(options: NatsBucketOptions): Promise<Cluster> {
  const { nodes, cacheSize, natsUrl, onDeath } = options;
  const server = natsUrl === undefined ? await startNatsServer() : undefined;
  const address = natsUrl ?? { servers: server!.url };
  // Each run has its own prefix, so that it does not collide with other runs or a real cluster on the same server.
  const nats = { ...address, subjectPrefix: `counter-demo-${randomUUID()}` };
  const ids = nodeIds(nodes);
  const forked: ForkedNode[] = [];
  let transport: NatsTransport | undefined;
  let client: Client | undefined;

  const close = async (): Promise<ReadonlyMap<string, number>> => {
    await client?.close();
    const counts = await Promise.all(forked.map(async (node) => [node.id, await node.drain()] as const));
    await transport?.close();
    await server?.stop();
    return new Map(counts.filter((entry): entry is [string, number] => entry[1] !== undefined));
  };
  let closing: ReturnType<typeof close> | undefined;
  const closeOnce = (): ReturnType<typeof close> => (closing ??= close());

  try {
    // Start the client first: an unreachable server is then one error, not one per node.
    transport = await natsTransport({ ...nats, name: 'client' });
    client = createClient({ transport, numShards: NUM_SHARDS });
    for (const id of ids) forked.push(forkNode({ id, ids, cacheSize, nats }, onDeath));
    await Promise.all(forked.map(({ ready }) => ready));
  } catch (error) {
    await closeOnce();
    throw error;
  }
  const processes = nodes === 1 ? 'node process' : 'node processes';
  return {
    title: `${nodes} ${processes} over nats-server at ${address.servers}`,
    client,
    members: placeShards(ids),
    close: closeOnce,
  };
}
