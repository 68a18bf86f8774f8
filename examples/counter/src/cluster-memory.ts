/** A cluster in this process: every node and the client on one in-memory bus. */
import type { Handler } from '@clstr/core';
import { createClient } from '@clstr/core';
import { memoryTransport } from '@clstr/transport-memory';
import type { Cluster, ClusterOptions } from './cluster.ts';
import { NUM_SHARDS, nodeIds, placeShards } from './cluster.ts';
import { counterHandler } from './counter.ts';
import { createCountingNode } from './counting-node.ts';

/** @param createHandler creates the handler of one node, because each needs its own cache. */
export async function startMemoryCluster(
  { nodes, cacheSize }: ClusterOptions,
  createHandler: () => Handler = () => counterHandler(cacheSize),
): Promise<Cluster> {
  const transport = memoryTransport();
  const members = placeShards(nodeIds(nodes));
  const running = members.map((member) => createCountingNode(member, transport, createHandler()));
  await Promise.all(running.map(({ node }) => node.start()));
  const client = createClient({ transport, numShards: NUM_SHARDS });

  const close = async (): Promise<ReadonlyMap<string, number>> => {
    await client.close();
    await Promise.all(running.map(({ node }) => node.drain()));
    await transport.close();
    return new Map(running.map(({ node, increments }) => [node.id, increments()]));
  };
  let closing: ReturnType<typeof close> | undefined;
  return {
    title: `${nodes} ${nodes === 1 ? 'node' : 'nodes'} on the in-memory bus`,
    client,
    members,
    close: () => (closing ??= close()),
  };
}
