/** The cost of a cluster at rest grows with its nodes, not with their square. */
import { expect, test } from 'vitest';
import { MemoryCluster, nodeIds } from '../src/scale/memory-cluster.ts';
import type { StoreCounts } from '../src/scale/counted-store.ts';

async function atRest(nodes: number): Promise<StoreCounts> {
  const cluster = new MemoryCluster({ numShards: 8 });
  await cluster.join(...nodeIds(nodes));
  return cluster.countsPerSecond(20);
}

test('with five times the nodes there are five times the heartbeats, deliveries of them, and lists', async () => {
  const [few, many] = [await atRest(10), await atRest(50)];
  expect(few.heartbeatDeliveries).toBeGreaterThan(0);
  for (const name of ['writes', 'heartbeatDeliveries', 'lists'] as const) {
    const ratio = many[name] / few[name];
    expect(ratio, name).toBeGreaterThan(4);
    expect(ratio, name).toBeLessThan(6.5);
  }
  // The other watches deliver nothing.
  expect(many).toMatchObject({ shardDeliveries: 0, memberDeliveries: 0, reads: 0 });
}, 30_000);

test('each shard moves once when five nodes start together, once when one joins, and once when it leaves', async () => {
  const cluster = new MemoryCluster({ numShards: 128 });
  const [last, ...first] = nodeIds(6).reverse();
  const start = await cluster.join(...first);
  expect(start).toMatchObject({ moves: 128, mostMovesOfOneShard: 1 });
  const join = await cluster.join(last!);
  expect(join.mostMovesOfOneShard).toBe(1);
  expect(join.moves).toBeLessThan(128 / 3);
  expect(await cluster.leave(last!)).toMatchObject({ moves: join.moves, mostMovesOfOneShard: 1 });
}, 30_000);
