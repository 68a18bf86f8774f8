/** A dynamic cluster in one process: nodes join, leave and die, and the shards follow. */
import { actorHandler, defineActor, request } from '@clstr/actors';
import { createClient, createNode } from '@clstr/core';
import type { Node } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import {
  createMemoryBus,
  createMemoryStore,
  memoryMembership,
  memoryTransport,
} from '@clstr/transport-memory';
import { expect, test } from 'vitest';

const Counter = defineActor('counter', { add: request<{ by: number }, number>() });
const NUM_SHARDS = 32;

function startCluster() {
  const clock = fakeClock({ monoMs: 1_000_000 });
  const saved = new Map<string, { value: number; epoch: number }>();
  const store = createMemoryStore({ clock, maxHistory: 10_000 });
  const bus = createMemoryBus({ clock });
  const transport = memoryTransport({ bus });
  const counter = Counter.implement({
    setup: (ctx) => ({ value: saved.get(ctx.key)?.value ?? 0 }),
    handlers: {
      add: (state, { by }, ctx) => {
        state.value += by;
        saved.set(ctx.key, { value: state.value, epoch: ctx.fencingToken! });
        return state.value;
      },
    },
  });
  const join = async (id: string, weight?: number): Promise<Node> => {
    const node = createNode({
      id,
      transport,
      numShards: NUM_SHARDS,
      membership: memoryMembership({ store, member: id, clock }),
      weight,
      handler: actorHandler([counter], { clock }),
      clock,
    });
    const started = node.start();
    await clock.advance(1_000);
    await started;
    return node;
  };
  const client = createClient({ transport, numShards: NUM_SHARDS, routing: 'topology', clock });
  return { clock, store, transport, join, client, saved };
}

function owners(nodes: readonly Node[]): Map<number, string[]> {
  const owned = new Map<number, string[]>();
  for (const node of nodes)
    for (const shard of node.shards()) owned.set(shard, [...(owned.get(shard) ?? []), node.id]);
  return owned;
}

test('shards spread over nodes that join, and come back when one leaves or dies', async () => {
  const { clock, store, join, client } = startCluster();
  const one = await join('one');
  await clock.advance(4_000);
  expect(one.shards().length).toBe(NUM_SHARDS);
  const two = await join('two');
  const three = await join('three');
  await clock.advance(4_000);
  const spread = owners([one, two, three]);
  expect(spread.size).toBe(NUM_SHARDS);
  expect([...spread.values()].every((ids) => ids.length === 1)).toBe(true);
  expect(two.shards().length).toBeGreaterThan(0);
  const calls = Promise.all(
    Array.from({ length: 20 }, (_, i) => Counter.ref(client, `key-${i}`).add({ by: 1 })),
  );
  await clock.advance(100);
  expect(await calls).toEqual(new Array(20).fill(1));
  const leaving = two.drain();
  const during = Promise.all(
    Array.from({ length: 20 }, (_, i) => Counter.ref(client, `key-${i}`).add({ by: 1 })),
  );
  await clock.advance(3_000);
  await leaving;
  expect(await during).toEqual(new Array(20).fill(2));
  expect(owners([one, three]).size).toBe(NUM_SHARDS);
  store.cut('three');
  await clock.advance(6_000);
  expect(one.shards().length).toBe(NUM_SHARDS);
  expect(three.state).toBe('lapsed');
  store.restore('three');
  await clock.advance(6_000);
  expect(three.state).toBe('serving');
  expect(owners([one, three]).size).toBe(NUM_SHARDS);
  expect(three.shards().length).toBeGreaterThan(0);
  const after = Promise.all(
    Array.from({ length: 20 }, (_, i) => Counter.ref(client, `key-${i}`).add({ by: 1 })),
  );
  await clock.advance(1_000);
  expect(await after).toEqual(new Array(20).fill(3));
});

test('shards are shared out by weight, and a node that returns with another one gets another share', async () => {
  const { clock, join, client } = startCluster();
  const small = await join('small');
  await clock.advance(4_000);
  const large = await join('large', 7);
  await clock.advance(4_000);
  expect(large.shards().length).toBeGreaterThan(NUM_SHARDS * 0.7);
  expect(small.shards().length + large.shards().length).toBe(NUM_SHARDS);
  const leaving = large.drain();
  await clock.advance(3_000);
  await leaving;
  const light = await join('large', 0.05);
  await clock.advance(4_000);
  expect(light.shards().length).toBeLessThan(NUM_SHARDS * 0.3);
  expect(small.shards().length + light.shards().length).toBe(NUM_SHARDS);
  await client.close();
});
