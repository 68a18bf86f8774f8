/** What metrics hear of a node's shards is counted, not listed: it has to stay equal to the list. */
import { createNode } from '@clstr/core';
import { noMetrics } from '@clstr/core/internal';
import type { Node, NodeEvent } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import {
  createMemoryBus,
  createMemoryStore,
  memoryMembership,
  memoryTransport,
} from '@clstr/transport-memory';
import { expect, test } from 'vitest';

const NUM_SHARDS = 16;

test('metrics get the number of shards of a node at each that comes, goes or is lost', async () => {
  const clock = fakeClock();
  const store = createMemoryStore({ clock, provision: { numShards: NUM_SHARDS } });
  const transport = memoryTransport({ bus: createMemoryBus({ clock }) });
  const seen = new Set<NodeEvent['type']>();
  const differences: string[] = [];
  const join = async (id: string): Promise<Node> => {
    let owned = 0;
    const metrics = {
      ...noMetrics,
      shardsOwned: (_: string, count: number) => {
        owned = count;
      },
    };
    const membership = memoryMembership({ store, member: id, clock });
    const node = createNode({
      ...{ id, transport, clock, metrics, membership, numShards: NUM_SHARDS },
      handler: () => id,
    });
    node.onEvent(({ type }) => {
      seen.add(type);
      if (owned !== node.shards().length) differences.push(`${id}: ${owned} at ${type}`);
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
  store.cut('two');
  await clock.advance(6_000);
  store.restore('two');
  await clock.advance(6_000);
  const left = two.drain();
  await clock.advance(3_000);
  await left;
  expect(one.shards()).toHaveLength(NUM_SHARDS);
  expect([...seen]).toEqual(expect.arrayContaining(['acquired', 'released', 'lost']));
  expect(differences).toEqual([]);
});
