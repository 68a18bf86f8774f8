/** A store in memory that counts the requests and deliveries of its members, with a millisecond for each way. */
import type { Clock } from '@clstr/core';
import { createMemoryStore } from '@clstr/transport-memory';
import type { MemoryStore } from '@clstr/transport-memory';

/** The counts so far. */
export interface StoreCounts {
  writes: number;
  reads: number;
  lists: number;
  /** Entries delivered to watches: of shards, members and heartbeats. */
  shardDeliveries: number;
  memberDeliveries: number;
  heartbeatDeliveries: number;
}

/** How long a request, its answer, and an entry to a watch each take. */
const WAY_MS = 1;

export function createCountedStore(
  clock: Clock,
  numShards: number,
): { store: MemoryStore; counts: StoreCounts } {
  const counts: StoreCounts = {
    writes: 0,
    reads: 0,
    lists: 0,
    shardDeliveries: 0,
    memberDeliveries: 0,
    heartbeatDeliveries: 0,
  };
  const store = createMemoryStore({
    clock,
    provision: { numShards },
    policy: {
      onOperation({ kind }) {
        counts[OPERATIONS[kind]]++;
        return { request: WAY_MS, answer: WAY_MS };
      },
      onDelivery({ pattern }) {
        counts[DELIVERIES[pattern.charAt(0)]!]++;
        return WAY_MS;
      },
    },
  });
  return { store, counts };
}

const OPERATIONS = {
  cas: 'writes',
  append: 'writes',
  erase: 'writes',
  read: 'reads',
  load: 'reads',
  list: 'lists',
} as const;
const DELIVERIES: Readonly<Record<string, keyof StoreCounts>> = {
  s: 'shardDeliveries',
  m: 'memberDeliveries',
  h: 'heartbeatDeliveries',
};

export function difference(after: StoreCounts, before: StoreCounts): StoreCounts {
  const names = Object.keys(after) as (keyof StoreCounts)[];
  return Object.fromEntries(
    names.map((name) => [name, after[name] - before[name]]),
  ) as unknown as StoreCounts;
}
