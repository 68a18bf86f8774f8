import type { Handler } from '@clstr/core';
import { shardsForNode } from '@clstr/core';
import { expect, test } from 'vitest';
import { fakeClock } from '../src/fake-clock.ts';
import { testCluster } from '../src/test-cluster.ts';
import type { TestClusterOptions } from '../src/test-cluster.ts';

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

test('closes all of it, once or twice', async () => {
  const cluster = await testCluster({ handler: whoAmI });
  await cluster.close();
  await cluster[Symbol.asyncDispose]();
  expect(cluster.nodes.map(({ state }) => state)).toEqual(['closed', 'closed', 'closed']);
  await expect(cluster.client.requestKey('k', 'Who')).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
  expect(() => cluster.transport.openLink({ session: 1 })).toThrow(/closed/);
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
])('refuses %j', async (options, message) => {
  await expect(testCluster(options as TestClusterOptions)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringMatching(message) as string,
  });
});
