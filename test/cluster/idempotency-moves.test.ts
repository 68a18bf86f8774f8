/** Calls with idempotency keys whose shards move: as planned, the replies go with them; after a crash they are lost. */
import { ActorError, createClient, createNode } from '@clstr/core';
import type { Client, KeyedRepeat, Node } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import {
  createMemoryBus,
  createMemoryStore,
  memoryMembership,
  memoryTransport,
} from '@clstr/transport-memory';
import { expect, test } from 'vitest';

const NUM_SHARDS = 8;
const OPERATIONS = 200;

async function startCluster() {
  const clock = fakeClock({ monoMs: 1_000_000 });
  const store = createMemoryStore({ clock, provision: { numShards: NUM_SHARDS } });
  const bus = createMemoryBus({ clock });
  const transport = memoryTransport({ bus });
  const runs: number[] = Array.from({ length: OPERATIONS }, () => 0);
  const repeats: KeyedRepeat[] = [];
  const join = async (id: string): Promise<Node> => {
    const node = createNode({
      id,
      transport,
      clock,
      numShards: NUM_SHARDS,
      membership: memoryMembership({ store, member: id, clock }),
      metrics: { keyedRepeat: (answer) => void repeats.push(answer) },
      handler: ({ payload }) => {
        const operation = payload as number;
        runs[operation]!++;
        if (operation % 5 === 0) throw new ActorError('DECLINED', `${operation} by ${id}`);
        return operation % 7 === 0 ? Uint8Array.of(operation, 200) : `${operation} by ${id}`;
      },
    });
    const started = node.start();
    await clock.advance(1_000);
    await started;
    return node;
  };
  const one = await join('one');
  await clock.advance(3_000);
  /** A client of its own knows nothing of the calls before. */
  const client = (): Client => createClient({ transport, clock, numShards: NUM_SHARDS, routing: 'topology' });
  return { clock, store, join, one, runs, repeats, client };
}

/** The result of each operation, in a form that tests compare. */
async function callAll(client: Client, clock: { advance(ms: number): Promise<void> }): Promise<unknown[]> {
  const calls = Array.from({ length: OPERATIONS }, async (_, operation) => {
    const options = { idempotencyKey: `operation-${operation}`, timeoutMs: 10_000 };
    return client.requestKey(`user-${operation}`, 'charge', operation, options).catch(String);
  });
  const all = Promise.all(calls);
  await clock.advance(2_000);
  return all;
}

const once = Array.from({ length: OPERATIONS }, () => 1);

test('a node that leaves gives its replies to the next owners', async () => {
  const { clock, join, one, runs, client } = await startCluster();
  const caller = client();
  const first = await callAll(caller, clock);
  const two = await join('two');
  const left = one.drain();
  await clock.advance(5_000);
  await left;
  expect(two.shards()).toHaveLength(NUM_SHARDS);
  expect(await callAll(caller, clock)).toEqual(first);
  expect(await callAll(client(), clock)).toEqual(first);
  expect(runs).toEqual(once);
});

test('a node that joins gets the replies of its shards, and gives them on', async () => {
  const { clock, join, one, runs, repeats, client } = await startCluster();
  const caller = client();
  const first = await callAll(caller, clock);
  const two = await join('two');
  await clock.advance(5_000);
  expect(two.shards().length).toBeGreaterThan(0);
  expect(await callAll(caller, clock)).toEqual(first);
  await join('three');
  await clock.advance(5_000);
  const left = one.drain();
  await clock.advance(5_000);
  await left;
  expect(await callAll(caller, clock)).toEqual(first);
  expect(runs).toEqual(once);
  expect(new Set(repeats)).toEqual(new Set(['replayed']));
});

test('a node that is gone takes the replies with it: no repeat of its client runs', async () => {
  const { clock, store, join, runs, repeats, client } = await startCluster();
  const caller = client();
  await callAll(caller, clock);
  store.cut('one');
  const two = await join('two');
  await clock.advance(30_000);
  expect(two.shards()).toHaveLength(NUM_SHARDS);
  const again = await callAll(caller, clock);
  expect(runs).toEqual(once);
  expect(again.every((result) => String(result).includes('may have run'))).toBe(true);
  expect(new Set(repeats)).toEqual(new Set(['lost']));
});

test('new calls do not wait for the replies of the former owner', async () => {
  const { clock, join, one, runs, client } = await startCluster();
  const caller = client();
  await callAll(caller, clock);
  const two = await join('two');
  const left = one.drain();
  await clock.advance(5_000);
  await left;
  const fresh = caller.requestKey('user-1', 'charge', 1, { idempotencyKey: 'another' });
  await clock.advance(10);
  expect(await fresh).toBe('1 by two');
  expect(two.inFlight).toBe(0);
  expect(runs[1]).toBe(2);
});

test('a node that keeps nothing for others leaves at once', async () => {
  const { clock, join, one } = await startCluster();
  const two = await join('two');
  await clock.advance(5_000);
  let isClosed = false;
  void one.drain().then(() => (isClosed = true));
  await clock.advance(300);
  expect([isClosed, two.state]).toEqual([true, 'serving']);
});
