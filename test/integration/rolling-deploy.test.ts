/** A deploy as docs/how-to/services.md says: nodes one at a time, each with another method, actor and input field. */
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { connectClient, createApp } from '@clstr/app';
import type { App } from '@clstr/app';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsCluster, provisionCluster } from '@clstr/transport-nats';
import { expect, test } from 'vitest';

const OPTIONS = { service: 'orders' };
const Order = defineActor('order', { place: request<{ sku: string }, string>() }, OPTIONS);
const NextOrder = defineActor(
  'order',
  {
    place: request<{ sku: string; gift?: boolean }, string>(),
    cancel: request<void, string>(),
  },
  OPTIONS,
);
const Refund = defineActor('refund', { pay: request<void, string>() }, OPTIONS);

const version1: readonly Actor[] = [
  Order.implement({ setup: () => ({}), handlers: { place: (_state, { sku }) => `placed ${sku}` } }),
];
const version2: readonly Actor[] = [
  NextOrder.implement({
    setup: () => ({}),
    handlers: {
      place: (_state, { sku, gift = false }) => `placed ${sku}${gift ? ' as a gift' : ''}`,
      cancel: () => 'cancelled',
    },
  }),
  Refund.implement({ setup: () => ({}), handlers: { pay: () => 'paid' } }),
];

test.skipIf(!hasNatsServer())(
  'a rolling deploy that adds a method, an actor and an input field fails no call',
  { timeout: 120_000 },
  async () => {
    await using server = await startNatsServer({ args: ['-js'] });
    const names = { servers: server.url, service: 'orders', numShards: 64, isNew: true };
    await provisionCluster({ ...names, cluster: 'company' });
    const cluster = natsCluster({ servers: server.url, name: 'company' });
    const start = (actors: readonly Actor[], nodeId: string): Promise<App> =>
      createApp({ cluster, actors, nodeId, signals: [], logger: false });
    const nodes = await Promise.all(['n1', 'n2', 'n3'].map((id) => start(version1, id)));
    const caller = await connectClient({ cluster, logger: false });
    let [isOver, answered] = [false, 0];
    const failures: unknown[] = [];
    const load = Array.from({ length: 32 }, async (_, client) => {
      for (let i = 0; !isOver; i++) {
        try {
          const order = Order.ref(caller, `order-${client}-${i % 50}`);
          expect(await order.place({ sku: 'tea' }, { timeoutMs: 10_000 })).toBe('placed tea');
          answered++;
        } catch (error) {
          failures.push(error);
        }
      }
    });
    for (const id of ['n1', 'n2', 'n3']) {
      await nodes.shift()!.close();
      nodes.push(await start(version2, id));
    }
    isOver = true;
    await Promise.all(load);
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(100);
    // The nodes are deployed: now the callers are.
    const keys = Array.from({ length: 100 }, (_, i) => `order-${i}`);
    const after = keys.map(async (key) => [
      await NextOrder.ref(caller, key).place({ sku: 'tea', gift: true }),
      await NextOrder.ref(caller, key).cancel(),
      await Refund.ref(caller, key).pay(),
    ]);
    const expected = ['placed tea as a gift', 'cancelled', 'paid'];
    expect(await Promise.all(after)).toEqual(keys.map(() => expected));
    await caller.close();
    await Promise.all(nodes.map((node) => node.close()));
  },
);
