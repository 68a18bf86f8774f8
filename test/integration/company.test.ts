/** Several services of one cluster, as apps and as processes that only call: in memory, and over one nats-server. */
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { connectClient, createApp } from '@clstr/app';
import type { App, Health } from '@clstr/app';
import type { Cluster } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { memoryCluster } from '@clstr/transport-memory';
import { natsCluster, provisionCluster } from '@clstr/transport-nats';
import { describe, expect, test } from 'vitest';

const Order = defineActor('order', {
  place: request<{ sku: string; ms?: number }, { sku: string; leftMs: number; trace?: string }>(),
  where: request<void, string>(),
  loop: request<void, string>(),
});
const Stock = defineActor(
  'stock',
  {
    reserve: request<{ ms?: number }, { leftMs: number; trace?: string }>(),
    where: request<void, string>(),
    loop: request<void, string>(),
  },
  { service: 'inventory' },
);

const order = Order.implement({
  setup: () => ({}),
  handlers: {
    place: async (_state, { sku, ms = 0 }, ctx) => ({ sku, ...(await ctx.ref(Stock, sku).reserve({ ms })) }),
    where: (_state, _input, { nodeId }) => nodeId,
    loop: (_state, _input, ctx) => ctx.ref(Stock, ctx.key).loop(),
  },
});

/** `ended` gets the reason when the caller of `reserve` gave up. */
const stock = (ended: unknown[] = []): Actor =>
  Stock.implement({
    setup: () => ({}),
    handlers: {
      reserve: async (_state, { ms = 0 }, ctx) => {
        const leftMs = ctx.remainingMs();
        if (ms > 0) {
          await new Promise<void>((resolve) => {
            ctx.signal.addEventListener('abort', () => resolve(), { once: true });
          });
          ended.push(ctx.signal.reason);
        }
        return { leftMs, trace: ctx.headers['traceparent']! };
      },
      where: (_state, _input, { nodeId }) => nodeId,
      loop: (_state, _input, ctx) => ctx.ref(Order, ctx.key).loop(),
    },
  });

const start = (cluster: Cluster, actors: readonly Actor[], nodeId: string): Promise<App> =>
  createApp({ cluster, actors, nodeId, signals: [], logger: false });

const provision = async (servers: string): Promise<void> => {
  for (const service of ['default', 'inventory']) {
    await provisionCluster({ servers, cluster: 'company', service, numShards: 64, isNew: true });
  }
};

const clusters: Record<string, (url: string) => Cluster> = {
  memory: () => memoryCluster(),
  NATS: (servers) => natsCluster({ servers, name: 'company' }),
};

describe.each(Object.entries(clusters))('over %s', (name, make) => {
  const onNats = name === 'NATS';

  test.skipIf(onNats && !hasNatsServer())(
    'services call each other with deadline, abort and trace, and none answers for another',
    { timeout: 60_000 },
    async () => {
      await using server = onNats ? await startNatsServer({ args: ['-js'] }) : undefined;
      const cluster = make(server?.url ?? '');
      if (onNats) await provision(server!.url);
      const ended: unknown[] = [];
      await using caller = await connectClient({ cluster, logger: false });
      const none = Stock.ref(caller, 'tea').where();
      await expect(none).rejects.toMatchObject({ code: 'NO_SUBSCRIBER', outcome: 'not-executed' });
      await using inventory = await start(cluster, [stock(ended)], 'inventory-1');
      await using shop = await start(cluster, [order], 'shop-1');

      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      const placed = await Order.ref(caller, 'o-1').place(
        { sku: 'tea' },
        { timeoutMs: 400, headers: { traceparent } },
      );
      expect(placed).toMatchObject({ sku: 'tea', trace: traceparent });
      expect(placed.leftMs).toBeLessThanOrEqual(400);

      const late = Order.ref(caller, 'o-2').place({ sku: 'tea', ms: 1 }, { timeoutMs: 400 });
      // The inner call and the outer one end at one instant: either may end the outer one.
      await expect(late).rejects.toMatchObject({
        code: expect.stringMatching(/TIMEOUT|HANDLER_ERROR/) as string,
      });
      const controller = new AbortController();
      const aborted = Order.ref(caller, 'o-3').place({ sku: 'tea', ms: 1 }, { signal: controller.signal });
      setImmediate(() => controller.abort(new Error('enough')));
      await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
      await expect(shop.ref(Stock, 'tea').reserve({})).resolves.toBeDefined();
      expect(ended.length).toBeGreaterThan(0);

      // The default service is called `default`; without a name, a contract means the service of its caller.
      const Back = defineActor('order', { where: request<void, string>() }, { service: 'default' });
      expect(await inventory.ref(Back, 'o-1').where()).toBe('shop-1');
      let wrong = 0;
      for (let i = 0; i < 10_000; i += 500) {
        const keys = Array.from({ length: 250 }, (_, k) => `k-${i + k}`);
        const [shops, stocks] = await Promise.all([
          Promise.all(keys.map((key) => Order.ref(caller, key).where())),
          Promise.all(keys.map((key) => Stock.ref(caller, key).where())),
        ]);
        wrong += shops.filter((id) => id !== 'shop-1').length;
        wrong += stocks.filter((id) => id !== 'inventory-1').length;
      }
      expect(wrong).toBe(0);
    },
  );
});

test('one app runs actors of two services, each with a node of its own; a cycle through both is found', async () => {
  const cluster = memoryCluster({ numShards: 32 });
  const Here = defineActor('order', { loop: request<void, string>() }, { service: 'default' });
  const looping = Stock.implement({
    setup: () => ({}),
    handlers: {
      reserve: () => ({ leftMs: 0 }),
      where: (_state, _input, { nodeId }) => nodeId,
      loop: (_state, _input, ctx) => ctx.ref(Here, ctx.key).loop(),
    },
  });
  const here = Here.implement({
    setup: () => ({}),
    handlers: { loop: (_state, _input, ctx) => ctx.ref(Stock, ctx.key).loop() },
  });
  await using app = await start(cluster, [here, looping], 'n1');
  expect(app.nodes.map((node) => node.shards().length)).toEqual([32, 32]);
  expect(await app.ref(Stock, 'tea').where()).toBe('n1');
  await expect(app.ref(Here, 'o').loop()).rejects.toMatchObject({
    code: 'CALL_CYCLE',
    message: expect.stringContaining('inventory/stock/o') as string,
  });
});

describe.skipIf(!hasNatsServer())('an app of a NATS cluster', { timeout: 60_000 }, () => {
  const Who = defineActor('who', { am: request<void, string>() });
  const who = Who.implement({ setup: () => ({}), handlers: { am: (_state, _input, { nodeId }) => nodeId } });

  test('takes shard count and seed from the cluster when it exists', async () => {
    await using server = await startNatsServer({ args: ['-js'] });
    const servers = server.url;
    await provisionCluster({ servers, numShards: 48, seed: 'salt', isNew: true });
    const first = natsCluster({ servers, numShards: 48, seed: 'salt' });
    await using one = await start(first, [who], 'n1');
    await using two = await start(natsCluster({ servers }), [who], 'n2');
    await using caller = await connectClient({ cluster: natsCluster({ servers, seed: 'salt' }) });
    for (const key of ['a', 'b', 'c', 'd']) {
      expect([key, await Who.ref(caller, key).am()]).toEqual([key, await two.ref(Who, key).am()]);
      expect(caller.shardOf(key)).toBe(one.client.shardOf(key));
    }
    const other = start(natsCluster({ servers, numShards: 64 }), [who], 'n3');
    await expect(other).rejects.toMatchObject({ code: 'CLUSTER_CONFIG_MISMATCH' });
    const unsalted = await connectClient({ cluster: natsCluster({ servers }), logger: false });
    await expect(Who.ref(unsalted, 'a').am()).rejects.toMatchObject({ code: 'CLUSTER_CONFIG_MISMATCH' });
    await unsalted.close();
  });

  test('waits for a server that comes later, says so, and is not ready until it serves', async () => {
    await using server = await startNatsServer({ args: ['-js'] });
    const servers = server.url;
    await provisionCluster({ servers, numShards: 16, isNew: true });
    await server.kill();
    const lines: string[] = [];
    const ignore = (): void => undefined;
    const waits = deferred<void>();
    const warn = (_fields: object, message = ''): void => {
      lines.push(message);
      if (message.includes('no NATS server answers')) waits.resolve();
    };
    const logger = { debug: ignore, info: ignore, warn, error: ignore };
    let health: (() => Health) | undefined;
    const order: string[] = [];
    const starting = createApp({
      cluster: natsCluster({ servers }),
      actors: [who],
      signals: [],
      logger,
      health: { follow: (given) => (health = given) },
      onClose: () => order.push('database'),
    });
    expect(health!()).toMatchObject({ isReady: false, isLive: true, state: 'connecting', nodes: [] });
    await waits.promise;
    await server.restart();
    const app = await starting;
    expect(health!()).toMatchObject({ isReady: true, state: 'serving', connection: 'connected' });
    expect(lines.filter((line) => line.includes('no NATS server answers'))).toHaveLength(1);
    void app.closed.then(() => order.push('closed'));
    await app.close();
    await app.closed;
    expect(order).toEqual(['database', 'closed']);
    expect(app.health()).toMatchObject({ isReady: false, state: 'closed', connection: 'closed' });
  });

  test('gives up when no server comes in time', async () => {
    await using server = await startNatsServer();
    const servers = server.url;
    await server.kill();
    const starting = createApp({
      cluster: natsCluster({ servers, serverWaitMs: 100 }),
      actors: [who],
      signals: [],
      logger: false,
    });
    await expect(starting).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
  });
});
