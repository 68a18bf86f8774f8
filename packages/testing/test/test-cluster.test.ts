import { defineActor, request } from '@clstr/actors';
import type { ClstrError, Handler } from '@clstr/core';
import { shardsForNode } from '@clstr/core';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { deferred } from '../src/deferred.ts';
import { fakeClock } from '../src/fake-clock.ts';
import { testCluster } from '../src/test-cluster.ts';
import type { TestCluster, TestClusterOptions } from '../src/test-cluster.ts';

const whoAmI: Handler = ({ key, shard }, { nodeId }) => ({ key, shard, nodeId });

test('starts three nodes that share all shards, and a client that reaches each', async () => {
  await using cluster = await testCluster({ handler: whoAmI });
  const ids = ['node-1', 'node-2', 'node-3'];
  expect(cluster.nodes.map(({ id }) => id)).toEqual(ids);
  for (const node of cluster.nodes) {
    expect(node.state).toBe('serving');
    expect(node.shards()).toEqual(shardsForNode(node.id, ids, 1_024));
  }
  const seen = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const key = `key-${i}`;
    const nodeId = cluster.nodeOf(key).id;
    expect(await cluster.client.requestKey(key, 'Who')).toMatchObject({ key, nodeId });
    seen.add(nodeId);
  }
  expect(seen).toEqual(new Set(ids));
});

test('takes names, shard count and seed', async () => {
  await using cluster = await testCluster({ nodes: ['a', 'b'], numShards: 8, seed: 's', handler: whoAmI });
  expect(cluster.nodes.map((node) => [node.id, node.shards()])).toEqual([
    ['a', shardsForNode('a', ['a', 'b'], 8, 's')],
    ['b', shardsForNode('b', ['a', 'b'], 8, 's')],
  ]);
  expect(await cluster.client.requestKey('k', 'Who')).toMatchObject({ shard: cluster.client.shardOf('k') });
});

test('makes a handler for each node', async () => {
  const made: string[] = [];
  await using cluster = await testCluster({
    nodes: 2,
    createHandler(nodeId) {
      made.push(nodeId);
      return () => `made for ${nodeId}`;
    },
  });
  expect(made).toEqual(['node-1', 'node-2']);
  const { id } = cluster.nodeOf('k');
  expect(await cluster.client.requestKey('k', 'Who')).toBe(`made for ${id}`);
});

describe('with actors', () => {
  const Visitor = defineActor('visitor', {
    whereAreYou: request<void, string>({ readonly: true }),
    visit: request<{ key: string }, string[]>(),
    wait: request<void, string>(),
  });

  function createVisitor() {
    const waiting = deferred();
    const gate = deferred<string>();
    const ends: string[] = [];
    const actor = Visitor.implement({
      setup: () => null,
      handlers: {
        whereAreYou: (_state, _input, { nodeId }) => nodeId,
        visit: async (_state, { key }, ctx) => [ctx.nodeId, await ctx.ref(Visitor, key).whereAreYou()],
        wait() {
          waiting.resolve();
          return gate.promise;
        },
      },
      passivate: async (_state, ctx) => {
        const neighbour = await ctx.ref(Visitor, `next to ${ctx.key}`).whereAreYou().catch(codeOf);
        ends.push(`${ctx.key} ${ctx.reason} ${neighbour}`);
      },
    });
    return { actor, waiting, gate, ends };
  }

  const codeOf = (error: unknown): string => (error as ClstrError).code;

  test('reaches the actor of a key on the node that owns it, typed, from outside and from another actor', async () => {
    await using cluster = await testCluster({ nodes: 3, actors: [createVisitor().actor] });
    const homes = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const key = `key-${i}`;
      const home = await cluster.ref(Visitor, key).whereAreYou();
      expectTypeOf(home).toEqualTypeOf<string>();
      expect(home).toBe(cluster.nodeOf(key).id);
      expect(await cluster.ref(Visitor, 'guest').visit({ key })).toEqual([cluster.nodeOf('guest').id, home]);
      homes.add(home);
    }
    expect(homes.size).toBe(3);
  });

  test('gives them services, a cache of the size asked for, and the clock of the cluster', async () => {
    const Shop = defineActor('shop', { look: request<void, unknown>() });
    const ends: string[] = [];
    const shop = Shop.implement({
      setup: () => null,
      handlers: { look: (_state, _input, { services }) => services },
      passivate: (_state, { key, reason }) => ends.push(`${key} ${reason}`),
      idleMs: 1_000,
    });
    const clock = fakeClock();
    const services = { stock: 5 } as never;
    await using cluster = await testCluster({ nodes: 1, actors: [shop], services, cacheSize: 1, clock });
    expect(await cluster.ref(Shop, 'a').look()).toEqual({ stock: 5 });
    await cluster.ref(Shop, 'b').look();
    expect(ends).toEqual(['a evicted']);
    await clock.advance(1_500);
    expect(ends).toEqual(['a evicted', 'b idle']);
  });

  test('passivates them when it closes', async () => {
    const { actor, ends } = createVisitor();
    const cluster = await testCluster({ nodes: 1, actors: [actor] });
    await cluster.ref(Visitor, 'a').whereAreYou();
    await cluster.close();
    // Whether its neighbour still answers is the node's business: the client they call through is open.
    expect(ends).toEqual([expect.stringMatching(/^a drain (?!TRANSPORT_CLOSED)/)]);
  });

  test('closes under a clock that stands still, while a handler still waits', async () => {
    const { actor, waiting } = createVisitor();
    const cluster = await testCluster({ nodes: 1, actors: [actor], clock: fakeClock() });
    const call = expect(cluster.ref(Visitor, 'a').wait()).rejects.toMatchObject({ code: 'ABORTED' });
    await waiting.promise;
    await cluster.close();
    await call;
  });
});

test('passes options on to the client and to every node', async () => {
  const handled: string[] = [];
  await using cluster = await testCluster({
    handler: ({ headers }) => headers['app'],
    client: { headers: { app: 'test' } },
    node: {
      interceptors: [
        (request, { nodeId }, next) => {
          handled.push(nodeId);
          return next(request);
        },
      ],
    },
  });
  expect(await cluster.client.requestKey('k', 'Who')).toBe('test');
  expect(handled).toEqual([cluster.nodeOf('k').id]);
});

test('runs on the clock it is given, the bus included', async () => {
  const clock = fakeClock();
  let delayMs = 0;
  await using cluster = await testCluster({
    clock,
    nodes: 1,
    handler: () => 'done',
    policy: () => [delayMs],
    client: { timeoutMs: 200 },
  });
  expect(await cluster.client.requestKey('k', 'Now')).toBe('done');
  delayMs = 40;
  const delayed = cluster.client.requestKey('k', 'Delayed');
  await clock.advance(80);
  expect(await delayed).toBe('done');
  delayMs = 1_000;
  const lost = expect(cluster.client.requestKey('k', 'Lost')).rejects.toMatchObject({ code: 'TIMEOUT' });
  await clock.advance(220);
  await lost;
});

test('carries thousands of messages while time stands still', async () => {
  await using cluster = await testCluster({ clock: fakeClock(), handler: ({ payload }) => payload });
  const sent = Array.from({ length: 3_000 }, (_, i) => i);
  expect(await Promise.all(sent.map((i) => cluster.client.requestKey(`k${i}`, 'Echo', i)))).toEqual(sent);
});

test('takes its ids from the random source it is given', async () => {
  let asked = 0;
  const random = {
    bytes(count: number) {
      asked++;
      return new Uint8Array(count).fill(7);
    },
  };
  await using cluster = await testCluster({ nodes: 1, handler: whoAmI, random });
  expect(asked).toBeGreaterThanOrEqual(2);
  expect(await cluster.client.requestKey('k', 'Who')).toMatchObject({ nodeId: 'node-1' });
});

test('bounds messages by maxPayload', async () => {
  await using cluster = await testCluster({ handler: () => 1, maxPayload: 1_000 });
  const call = cluster.client.requestKey('k', 'Big', 'x'.repeat(1_000));
  await expect(call).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
});

test('closes every part, once or twice', async () => {
  const cluster = await testCluster({ handler: whoAmI });
  await cluster.close();
  await cluster[Symbol.asyncDispose]();
  expect(cluster.nodes.map(({ state }) => state)).toEqual(['closed', 'closed', 'closed']);
  await expect(cluster.client.requestKey('k', 'Who')).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
  expect(() => cluster.transport.openLink({ clientId: 1 })).toThrow(/closed/);
});

test.each([
  [{ handler: whoAmI, node: 5, nods: 5 }, /nods/],
  [{ handler: whoAmI, nodes: 0 }, /nodes/],
  [{ handler: whoAmI, nodes: [] }, /nodes/],
  [{ handler: whoAmI, nodes: ['a', 'a'] }, /nodes/],
  [{ handler: whoAmI, nodes: ['no id'] }, /id/],
  [{ handler: whoAmI, numShards: 0 }, /numShards/],
  [{ handler: whoAmI, maxPayload: 1 }, /maxPayload/],
  [{ handler: whoAmI, client: { timeoutMs: 0 } }, /timeoutMs/],
  [{ nodes: 2 }, /handler/],
  [{ handler: whoAmI, createHandler: () => whoAmI }, /handler/],
  [{ handler: whoAmI, actors: [] }, /give one of handler, createHandler and actors/],
  [{ handler: whoAmI, cacheSize: 5 }, /services and cacheSize are for actors/],
  [{ handler: whoAmI, services: {} }, /services and cacheSize are for actors/],
  [{ actors: [] }, /actors/],
])('refuses %j', async (options, message) => {
  await expect(testCluster(options as TestClusterOptions)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringMatching(message) as string,
  });
});

describe('a dynamic one', () => {
  const Counter = defineActor('counter', { add: request<void, readonly [value: number, nodeId: string]>() });

  function createCounter() {
    const saved = new Map<string, number>();
    return Counter.implement({
      setup: ({ key }) => ({ value: saved.get(key) ?? 0 }),
      handlers: { add: (state, _input, { nodeId }) => [++state.value, nodeId] as const },
      passivate: (state, { key }) => saved.set(key, state.value),
    });
  }

  const keys = Array.from({ length: 32 }, (_, i) => `key-${i}`);
  const ownersOf = (cluster: TestCluster): Set<string> => new Set(keys.map((key) => cluster.nodeOf(key).id));

  test('hands shards to a node that joins and takes those of one that leaves, with their state', async () => {
    const clock = fakeClock();
    await using cluster = await testCluster({
      clock,
      nodes: 2,
      numShards: 32,
      isDynamic: true,
      actors: [createCounter()],
    });
    const add = async (key: string) => {
      const answer = cluster.ref(Counter, key).add();
      await clock.advance(200);
      return answer;
    };
    for (const key of keys) expect(await add(key)).toEqual([1, cluster.nodeOf(key).id]);
    const third = await cluster.join('node-3');
    await cluster.settled();
    expect(third.shards().length).toBeGreaterThan(0);
    expect(cluster.nodes).toHaveLength(3);
    expect(ownersOf(cluster)).toEqual(new Set(['node-1', 'node-2', 'node-3']));
    const leaving = cluster.nodes[0]!.drain();
    await cluster.settled();
    await leaving;
    expect(ownersOf(cluster)).toEqual(new Set(['node-2', 'node-3']));
    for (const key of keys) expect(await add(key)).toEqual([2, cluster.nodeOf(key).id]);
  });

  test('moves the shards of a node that is cut off, and gives them back when it returns', async () => {
    const clock = fakeClock();
    const options = { clock, nodes: 3, numShards: 32, isDynamic: true, handler: whoAmI };
    await using cluster = await testCluster(options);
    cluster.cut('node-2');
    await clock.advance(2_000); // its lease
    const orphan = keys.find((key) => !cluster.nodes.some((node) => node.owns(cluster.client.shardOf(key))))!;
    expect(() => cluster.nodeOf(orphan)).toThrow(`no node owns key "${orphan}"`);
    await cluster.settled();
    expect(ownersOf(cluster)).toEqual(new Set(['node-1', 'node-3']));
    cluster.restore('node-2');
    await clock.advance(1_000);
    await cluster.settled();
    expect(ownersOf(cluster)).toEqual(new Set(['node-1', 'node-2', 'node-3']));
  });

  test('runs on the real clock too', async () => {
    await using cluster = await testCluster({ numShards: 16, isDynamic: true, handler: whoAmI });
    const nodeId = cluster.nodeOf('k').id;
    expect(await cluster.client.requestKey('k', 'Who')).toMatchObject({ key: 'k', nodeId });
  });

  test('says what it cannot do', async () => {
    await using cluster = await testCluster({ numShards: 8, isDynamic: true, handler: whoAmI, nodes: 1 });
    await expect(cluster.join('node-1')).rejects.toThrow('an id that no other node has');
    expect(() => cluster.cut('node-7')).toThrow('one of node-1');
    expect(() => cluster.restore('node-7')).toThrow('one of node-1');
    await using fixed = await testCluster({ numShards: 8, handler: whoAmI });
    await fixed.settled();
    await expect(fixed.join('node-4')).rejects.toThrow('set isDynamic: true');
    expect(() => fixed.cut('node-1')).toThrow('set isDynamic: true');
    await expect(testCluster({ isDynamic: 1 as never, handler: whoAmI })).rejects.toThrow('isDynamic');
  });
});
