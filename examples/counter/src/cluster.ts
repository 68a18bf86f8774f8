/** The cluster of the demo, independent of its transport. */
import type { Client } from '@clstr/core';
import { createPlacement, defaults } from '@clstr/core';

export interface Cluster {
  /** A description for people: the number of nodes and the transport. */
  readonly title: string;
  readonly client: Client;
  readonly members: readonly Member[];
  /** Drains the nodes and stops everything. Resolves with the increments each node ran, by node id. Idempotent. */
  close(): Promise<ReadonlyMap<string, number>>;
}

export interface Member {
  readonly id: string;
  readonly shards: readonly number[];
}

export interface ClusterOptions {
  /** The number of nodes. */
  nodes: number;
  /** How many counters a node keeps; see counter.ts. */
  cacheSize: number;
}

export const NUM_SHARDS = defaults.numShards;

export function nodeIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `node-${index + 1}`);
}

/** The owner of each shard, which every process computes alike. */
export function placeShards(ids: readonly string[]): Member[] {
  const placement = createPlacement({ numShards: NUM_SHARDS });
  for (const id of ids) placement.addNode(id);
  return ids.map((id) => ({ id, shards: placement.shardsOf(id) }));
}
