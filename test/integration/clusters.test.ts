/** Clusters and services side by side on one nats-server: what belongs to another is refused, and named. */
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { createApp } from '@clstr/app';
import type { App } from '@clstr/app';
import type { Client, ClientOptions, ClstrError, Codec, Node, Transport } from '@clstr/core';
import { createClient, createNode, jsonCodec } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsMembership, natsTransport, provisionCluster } from '@clstr/transport-nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const NUM_SHARDS = 16;

interface Names {
  readonly cluster?: string;
  readonly subjectPrefix?: string;
}

const Order = defineActor('order', { get: request<void, string>() });
const Invoice = defineActor('invoice', { get: request<void, string>() });
/** The next version of the service: one method more. */
const NextOrder = defineActor('order', { get: request<void, string>(), refund: request<void, string>() });

const order = (env: string): Actor => Order.implement({ setup: () => ({}), handlers: { get: () => env } });
const invoice = Invoice.implement({ setup: () => ({}), handlers: { get: () => 'invoice' } });
const nextOrder = NextOrder.implement({
  setup: () => ({}),
  handlers: { get: () => 'next', refund: () => 'refunded' },
});

const endOf = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

describe.skipIf(!hasNatsServer())('on one nats-server', { timeout: 30_000 }, () => {
  let server: NatsServer;
  const apps: App[] = [];

  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
  });
  afterAll(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await server.stop();
  });

  const start = async (
    actors: readonly Actor[],
    bus: Names,
    bucket: Names = bus,
    id?: string,
  ): Promise<App> => {
    const servers = server.url;
    const app = await createApp({
      transport: () => natsTransport({ servers, ...bus }),
      membership: natsMembership({ servers, timing: 'fast', ...bucket }),
      actors,
      numShards: NUM_SHARDS,
      nodeId: id,
      signals: [],
    });
    apps.push(app);
    return app;
  };
  const failureOf = async (starting: Promise<App>): Promise<ClstrError | string> =>
    starting.then(
      () => 'started',
      (error: unknown) => error as ClstrError,
    );
  const provision = (names: Names): Promise<void> =>
    provisionCluster({ servers: server.url, timing: 'fast', numShards: NUM_SHARDS, isNew: true, ...names });

  test('two clusters are told apart by one name each', async () => {
    await Promise.all([provision({ cluster: 'prod' }), provision({ cluster: 'staging' })]);
    const prod = await start([order('prod')], { cluster: 'prod' });
    const staging = await start([order('staging')], { cluster: 'staging' });
    const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`);
    const answersOf = async (app: App): Promise<string[]> => [
      ...new Set(await Promise.all(keys.map((key) => app.ref(Order, key).get()))),
    ];
    expect([await answersOf(prod), await answersOf(staging)]).toEqual([['prod'], ['staging']]);
  });

  test.each([
    [{ cluster: 'half' }, {}, 'cluster "half", subject prefix "half"', 'cluster "clstr"'],
    [{}, { cluster: 'half' }, 'cluster "clstr", subject prefix "clstr"', 'cluster "half"'],
    [{ subjectPrefix: 'half' }, {}, 'subject prefix "half"', 'cluster "clstr"'],
    [{}, { subjectPrefix: 'half' }, 'cluster "clstr", subject prefix "clstr"', 'subject prefix "half"'],
  ])(
    'a cluster named at the transport as %j and at the membership as %j is refused',
    async (bus, bucket, ...texts) => {
      const failure = await failureOf(start([order('half')], bus, bucket));
      expect(failure).toMatchObject({ code: 'CLUSTER_CONFIG_MISMATCH' });
      for (const text of texts) expect((failure as ClstrError).message).toContain(text);
    },
  );

  test('a node with another subject prefix than the bucket says is refused, and both are named', async () => {
    await provision({ cluster: 'go', subjectPrefix: 'go.peers' });
    expect(await failureOf(start([order('go')], { cluster: 'go' }))).toMatchObject({
      code: 'CLUSTER_CONFIG_MISMATCH',
      message: expect.stringContaining('prefix is "go.peers" there and "go" here'),
    });
  });

  test('a node with another codec than the nodes there is refused, and both are named', async () => {
    const names = { servers: server.url, cluster: 'codecs' };
    await provision(names);
    await using transport = await natsTransport(names);
    const membership = natsMembership({ ...names, timing: 'fast' });
    const node = (codec: Codec) =>
      createNode({ transport, membership, codec, numShards: NUM_SHARDS, handler: () => undefined });
    await using first = node(jsonCodec);
    await first.start();
    await expect(node({ ...jsonCodec, name: 'cbor' }).start()).rejects.toMatchObject({
      code: 'CLUSTER_CONFIG_MISMATCH',
      message: expect.stringContaining(`the codec is "json" at node ${first.id} and "cbor" here`),
    });
  });

  describe.each(['dynamic', 'static'])('a client of a %s cluster', (kind) => {
    const cluster = `clients-${kind}`;
    let node: Node;
    let transport: Transport;
    let calls = 0;

    beforeAll(async () => {
      const names = { servers: server.url, cluster };
      transport = await natsTransport(names);
      if (kind === 'dynamic') await provision({ cluster });
      const shards = Array.from({ length: NUM_SHARDS }, (_, shard) => shard);
      const ownership =
        kind === 'dynamic' ? { membership: natsMembership({ ...names, timing: 'fast' }) } : { shards };
      node = createNode({ transport, numShards: NUM_SHARDS, ...ownership, handler: () => ++calls });
      await node.start();
      await using client = createClient({ transport, numShards: NUM_SHARDS });
      await client.requestShard(0, 'Wait until it is served');
    });
    afterAll(async () => {
      await node.close();
      await transport.close();
    });

    const sent = {
      'a request to a key': (client) => client.requestKey('key-1', 'Get'),
      'a request to a shard': (client) => client.requestShard(1, 'Get'),
      'node info': (client) => client.shard(1).nodeInfo(),
    } as const satisfies Record<string, (client: Client) => Promise<unknown>>;

    describe.each(Object.keys(sent) as (keyof typeof sent)[])('that begins with %s', (name) => {
      test.each<readonly [Partial<ClientOptions>, string]>([
        [{ numShards: NUM_SHARDS / 2 }, 'numShards is 16 there and 8 here'],
        [{ numShards: NUM_SHARDS * 2 }, 'numShards is 16 there and 32 here'],
        [{ seed: 'other' }, 'the fingerprint of the seed is '],
        [{ codec: { ...jsonCodec, name: 'cbor' } }, 'the codec is "json" there and "cbor" here'],
      ])('is refused when it differs in %j', async (options, text) => {
        await using own = await natsTransport({ servers: server.url, cluster });
        await using client = createClient({ transport: own, numShards: NUM_SHARDS, ...options });
        const first = await endOf(sent[name](client));
        expect(first).toMatchObject({ code: 'CLUSTER_CONFIG_MISMATCH' });
        const before = calls;
        const later = await Promise.all([
          endOf(sent[name](client)),
          endOf(client.notifyShard(2, 'Notify')),
          endOf(client.notifyKey('key-2', 'Notify')),
        ]);
        for (const error of later) expect(error).toMatchObject({ message: expect.stringContaining(text) });
        expect(calls).toBe(before);
      });
    });
  });

  test('a second service is refused with both lists, and takes no shard', async () => {
    await provision({ cluster: 'services' });
    const orders = await start([order('one')], { cluster: 'services' });
    const refused = await failureOf(start([invoice], { cluster: 'services' }, undefined, 'invoices-1'));
    expect(refused).toMatchObject({
      code: 'CLUSTER_CONFIG_MISMATCH',
      message: expect.stringContaining(
        'node invoices-1 hosts "invoice", and the nodes of this cluster host "order"',
      ),
    });
    await Promise.all(Array.from({ length: 50 }, (_, i) => orders.ref(Order, `key-${i}`).get()));
    expect(orders.node.shards()).toHaveLength(NUM_SHARDS);
  });

  test('while a service is being changed, a call that an old node does not know waits for a new one', async () => {
    await provision({ cluster: 'rolling' });
    const names = { cluster: 'rolling' };
    const old = await start([order('old')], names);
    await old.ref(Order, 'key').get();
    await expect(old.ref(NextOrder, 'key').refund()).rejects.toMatchObject({ code: 'UNKNOWN_TYPE' });
    const next = await start([nextOrder], names);
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    const refunds = Promise.all(
      keys.map((key) => next.ref(NextOrder, key).refund(undefined, { timeoutMs: 15_000 })),
    );
    await old.close();
    expect(new Set(await refunds)).toEqual(new Set(['refunded']));
    await expect(next.client.requestKey('key', 'order.nothing')).rejects.toMatchObject({
      code: 'UNKNOWN_TYPE',
    });
  });
});
