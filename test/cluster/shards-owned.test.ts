/** What metrics hear of a node's shards, one event at a time, has to add up to the list that they read. */
import { createNode } from '@clstr/core';
import type { Metrics, Node, NodeEventType, WatchedNode } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import {
  createMemoryBus,
  createMemoryStore,
  memoryMembership,
  memoryTransport,
} from '@clstr/transport-memory';
import { expect, test } from 'vitest';

const NUM_SHARDS = 16;
/** How each event changes the number of shards. */
const CHANGES: Partial<Record<NodeEventType, number>> = { acquired: 1, released: -1, lost: -1 };

test('the events of shards that come, go and are lost add up to the shards that metrics read', async () => {
  const clock = fakeClock();
  const store = createMemoryStore({ clock, provision: { numShards: NUM_SHARDS } });
  const transport = memoryTransport({ bus: createMemoryBus({ clock }) });
  const seen = new Set<NodeEventType>();
  /** What the events of each node add up to, and what its metrics read. */
  const owned = new Map<string, number>();
  const watched = new Map<string, WatchedNode>();
  const expectSums = (): void => {
    for (const [id, node] of watched) expect([id, owned.get(id)]).toEqual([id, node.shards().length]);
  };
  const metrics: Metrics = {
    watchNode: (node) => void watched.set(node.id, node),
    nodeEvent: (id, type) => {
      seen.add(type);
      owned.set(id, (owned.get(id) ?? 0) + (CHANGES[type] ?? 0));
    },
  };
  const join = async (id: string): Promise<Node> => {
    const membership = memoryMembership({ store, member: id, clock });
    const node = createNode({
      id,
      transport,
      clock,
      metrics,
      membership,
      numShards: NUM_SHARDS,
      handler: () => id,
    });
    const started = node.start();
    await clock.advance(1_000);
    await started;
    return node;
  };
  const one = await join('one');
  const two = await join('two');
  await clock.advance(2_000);
  expect(one.shards().length + two.shards().length).toBe(NUM_SHARDS);
  expectSums();
  store.cut('two');
  await clock.advance(6_000);
  expect([two.state, two.leaseMarginMs]).toEqual(['lapsed', 0]);
  store.restore('two');
  await clock.advance(6_000);
  expectSums();
  expect(two.leaseMarginMs).toBeGreaterThan(0);
  const left = two.drain();
  await clock.advance(3_000);
  await left;
  expect(one.shards()).toHaveLength(NUM_SHARDS);
  expect([...seen]).toEqual(expect.arrayContaining(['acquired', 'released', 'lost', 'lapsed', 'fenced']));
  expectSums();
});
