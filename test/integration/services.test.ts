/** Services of one cluster: their nodes share a connection, and a client finds out how many shards each has. */
import type { Client, Node, Transport } from '@clstr/core';
import { createClient, createNode } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import { memoryTransport } from '@clstr/transport-memory';
import { expect, test } from 'vitest';

const startNode = async (transport: Transport, id: string, numShards: number, seed = ''): Promise<Node> => {
  const shards = Array.from({ length: numShards }, (_, shard) => shard);
  const handler = ({ key }: { key?: string | undefined }): string => `${id} ${key}`;
  const node = createNode({ transport, id, numShards, seed, shards, handler });
  await node.start();
  return node;
};
const KEYS = Array.from({ length: 500 }, (_, i) => `key-${i}`);
const ask = (client: Client): Promise<string[]> =>
  Promise.all(KEYS.map((key) => client.requestKey<string>(key, 'Who')));

test('calls of each service reach its nodes alone, over one transport', async () => {
  await using transport = memoryTransport();
  await using _shop = await startNode(transport, 'shop', 16);
  await using _stock = await startNode(transport.service('inventory'), 'stock', 8);
  await using client = createClient({ transport, numShards: 16 });
  const stock = client.service('inventory');
  expect(await ask(client)).toEqual(KEYS.map((key) => `shop ${key}`));
  expect(await ask(stock)).toEqual(KEYS.map((key) => `stock ${key}`));
  expect(await stock.key('k').nodeInfo()).toMatchObject({ nodeId: 'stock', shards: { length: 8 } });
  expect(client.service('inventory')).toBe(stock);
  expect([client.service('default'), stock.service('inventory')]).toEqual([client, stock]);
  expect(await stock.service('default').requestKey('k', 'Who')).toBe('shop k');
});

test('a client that asks learns the number of shards, whatever its first call is', async () => {
  await using transport = memoryTransport();
  await using _node = await startNode(transport, 'n1', 48);
  const first: readonly ((client: Client) => Promise<unknown>)[] = [
    (client) => client.requestKey('k', 'Who'),
    (client) => client.notifyKey('k', 'Who'),
    (client) => client.requestShard(47, 'Who'),
    (client) => client.notifyShard(47, 'Who'),
    (client) => client.key('k').request('Who'),
    (client) => client.key('k').notify('Who'),
    (client) => client.shard(47).nodeInfo(),
  ];
  for (const call of first) {
    await using client = createClient({ transport, numShards: 'ask' });
    expect(() => client.shardOf('k')).toThrow(/no node has said how many shards/);
    await call(client);
    expect(client.shardOf('k')).toBe(createClient({ transport, numShards: 48 }).shardOf('k'));
    await expect(client.requestShard(48, 'Who')).rejects.toMatchObject({ code: 'INVALID_ENVELOPE' });
  }
});

test('a service without nodes is NO_SUBSCRIBER at once, and answers once a node has come', async () => {
  await using transport = memoryTransport();
  await using client = createClient({ transport });
  const stock = client.service('inventory');
  const error = { code: 'NO_SUBSCRIBER', outcome: 'not-executed', retryable: true };
  await expect(stock.requestKey('k', 'Who', null, { timeoutMs: 60_000 })).rejects.toMatchObject(error);
  await expect(stock.notifyKey('k', 'Who')).rejects.toMatchObject(error);
  await using _stock = await startNode(transport.service('inventory'), 'stock', 8);
  expect(await stock.requestKey('k', 'Who')).toBe('stock k');
});

test('a wait for the number of shards is part of the time of a call, and ends with its signal', async () => {
  const clock = fakeClock();
  await using transport = memoryTransport();
  // Nobody answers what reaches this receiver.
  const silent = { onEntry: () => undefined, onCancel: () => undefined };
  await transport.serve({ topology: true }, silent, { nodeId: 'n', inc: 'i' } as never);
  await using client = createClient({ transport, clock, numShards: 'ask' });
  const controller = new AbortController();
  const late = client.requestKey('k', 'Who', null, { timeoutMs: 800 });
  const aborted = client.requestKey('k', 'Who', null, { signal: controller.signal });
  const closed = client.requestKey('k', 'Who');
  controller.abort(new Error('enough'));
  await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
  const failed = expect(late).rejects.toMatchObject({ code: 'TIMEOUT', outcome: 'not-executed' });
  await clock.advance(800);
  await failed;
  await client.close();
  await expect(closed).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
});

test('a client whose seed is not that of the cluster it asks is refused, and told so', async () => {
  await using transport = memoryTransport();
  await using _node = await startNode(transport, 'n1', 16, 'salt');
  await using client = createClient({ transport, numShards: 'ask' });
  await expect(client.requestKey('k', 'Who')).rejects.toMatchObject({
    code: 'CLUSTER_CONFIG_MISMATCH',
    message: expect.stringContaining('the seed') as string,
  });
});

test('at most maxPending calls wait for the number of shards', async () => {
  await using transport = memoryTransport();
  await using _node = await startNode(transport, 'n1', 16);
  await using client = createClient({ transport, numShards: 'ask', maxPending: 2 });
  const calls = ['a', 'b', 'c'].map((key) => client.requestKey(key, 'Who').catch((e: unknown) => e));
  expect(await Promise.all(calls)).toEqual(['n1 a', 'n1 b', expect.objectContaining({ code: 'OVERLOADED' })]);
});

test('wrong names, and options that exclude each other, are refused', async () => {
  await using transport = memoryTransport();
  await using client = createClient({ transport });
  for (const name of ['', '.', '*', '>', 'a.b', 'a_b', '__proto__', '\0', 'x'.repeat(33), 7, undefined]) {
    expect(() => client.service(name as string)).toThrow(/name must be a name of 1 to 32/);
  }
  expect(() => createClient({ transport, numShards: 'ask', routing: 'static' })).toThrow(
    /routing must be auto/,
  );
  expect(() => createClient({ transport, numShards: 0 })).toThrow(/numShards/);
});

test('the end of a client ends those of its services, and a closed service can be opened again', async () => {
  await using transport = memoryTransport();
  const client = createClient({ transport });
  const stock = client.service('inventory');
  await client.close();
  await expect(stock.requestKey('k', 'Who')).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
  expect(() => client.service('other')).toThrow(/closed/);
  const service = transport.service('inventory');
  expect(transport.service('inventory')).toBe(service);
  await service.close();
  expect([service.state, transport.state]).toEqual(['closed', 'connected']);
  expect(transport.service('inventory').state).toBe('connected');
  await transport.close();
  expect(() => transport.service('inventory')).toThrow(/closed/);
});
