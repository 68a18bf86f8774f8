/** All services in one process, behind the gateway, on a cluster in memory. */
import { connectClient, createApp, healthHandler, stderrLogger } from '@clstr/app';
import { memoryCluster } from '@clstr/transport-memory';
import { beforeAll, expect, test } from 'vitest';
import { cart } from '../src/cart/cart.ts';
import { createGateway } from '../src/gateway.ts';
import { inventory } from '../src/inventory/inventory.ts';
import { order } from '../src/order/order.ts';
import { openStore } from '../src/store.ts';

type Send = (method: 'GET' | 'PUT', url: string, body?: object) => Promise<{ status: number; body: unknown }>;
let send: Send;

beforeAll(async () => {
  const cluster = memoryCluster({ numShards: 16 });
  const store = openStore(':memory:');
  const shared = { cluster, logger: false } as const;
  const app = await createApp({
    ...shared,
    actors: [cart, inventory, order],
    service: 'order',
    services: { store },
    signals: [],
    onClose: () => store.close(),
  });
  const health = healthHandler();
  const client = await connectClient({ ...shared, health });
  const gateway = createGateway(client, health, stderrLogger());
  send = async (method, url, body) => {
    const { statusCode: status, ...response } = await gateway.inject({ method, url, ...(body && { body }) });
    const isJson = String(response.headers['content-type']).startsWith('application/json');
    return { status, body: isJson ? response.json() : response.body };
  };
  return async () => {
    await gateway.close();
    await client.close();
    await app.close();
  };
});

test('an order is confirmed once, however often it is sent', async () => {
  await send('PUT', '/inventory/tea', { total: 5 });
  await send('PUT', '/carts/c1/items/tea', { quantity: 3 });
  const confirmed = { status: 200, body: { status: 'confirmed', lines: [{ sku: 'tea', quantity: 3 }] } };
  expect(await send('PUT', '/orders/o1', { cartId: 'c1' })).toEqual(confirmed);
  expect(await send('PUT', '/orders/o1', { cartId: 'c1' })).toEqual(confirmed);
  expect(await send('GET', '/orders/o1')).toEqual(confirmed);
  expect(await send('GET', '/inventory/tea')).toEqual({ status: 200, body: { total: 5, reserved: 3 } });
  expect(await send('PUT', '/orders/o2', { cartId: 'c1' })).toMatchObject({
    status: 409,
    body: { code: 'CART_ORDERED', details: { orderId: 'o1' } },
  });
  expect(await send('PUT', '/carts/c1/items/tea', { quantity: 1 })).toMatchObject({
    status: 409,
    body: { code: 'ORDERED' },
  });
});

test('an order that is sold out releases what it has reserved, and stays rejected', async () => {
  await send('PUT', '/inventory/rice', { total: 10 });
  await send('PUT', '/inventory/salt', { total: 1 });
  await send('PUT', '/carts/c2/items/rice', { quantity: 4 });
  await send('PUT', '/carts/c2/items/salt', { quantity: 2 });
  const soldOut = { status: 409, body: { code: 'SOLD_OUT', details: { sku: 'salt', free: 1 } } };
  expect(await send('PUT', '/orders/o3', { cartId: 'c2' })).toMatchObject(soldOut);
  await send('PUT', '/inventory/salt', { total: 100 });
  expect(await send('PUT', '/orders/o3', { cartId: 'c2' })).toMatchObject(soldOut);
  expect(await send('GET', '/inventory/rice')).toMatchObject({ body: { total: 10, reserved: 0 } });
});

test('customers who order the last ones at once get no more than there are', async () => {
  await send('PUT', '/inventory/milk', { total: 10 });
  const ids = Array.from({ length: 30 }, (_, index) => `milk-${index}`);
  await Promise.all(ids.map((id) => send('PUT', `/carts/${id}/items/milk`, { quantity: 1 })));
  const answers = await Promise.all(ids.map((id) => send('PUT', `/orders/${id}`, { cartId: id })));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(20);
});

test('the gateway says what is wrong with a request, and that it is ready', async () => {
  expect(await send('GET', '/orders/none')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  expect(await send('PUT', '/orders/o9', { cartId: 'none' })).toMatchObject({ body: { code: 'CART_EMPTY' } });
  expect(await send('PUT', '/carts/c9/items/tea', { quantity: 0 })).toMatchObject({ status: 400 });
  expect(await send('PUT', '/carts/c9/items/t*a', { quantity: 1 })).toMatchObject({ status: 400 });
  expect(await send('GET', '/livez')).toEqual({ status: 200, body: 'ok\n' });
  expect(await send('GET', '/readyz')).toEqual({ status: 200, body: 'ok\n' });
  expect(await send('GET', '/healthz')).toMatchObject({ status: 200, body: { state: 'serving' } });
});
