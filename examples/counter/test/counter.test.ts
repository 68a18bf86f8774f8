import type { TestCluster } from '@clstr/testing';
import { testActor, testCluster } from '@clstr/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Counter, MAX_AMOUNT } from '../src/contract.ts';
import type { Increment } from '../src/contract.ts';
import { counter } from '../src/counter.ts';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await testCluster({ actors: [counter], cacheSize: 100 });
});
afterEach(() => cluster.close());

test('a counter starts at 0 and answers each increment with its new value', async () => {
  const apples = cluster.ref(Counter, 'apples');
  expect(await apples.get()).toBe(0);
  expect(await apples.increment({ amount: 5 })).toBe(5);
  expect(await apples.increment({ amount: 2 })).toBe(7);
  expect(await apples.get()).toBe(7);
});

test('keys do not share a counter', async () => {
  await cluster.ref(Counter, 'apples').increment({ amount: 5 });
  await cluster.ref(Counter, 'pears').increment({ amount: 3 });
  expect(await cluster.ref(Counter, 'apples').get()).toBe(5);
  expect(await cluster.ref(Counter, 'pears').get()).toBe(3);
});

test('loses none of 1,000 increments that arrive at once, first request of the key included', async () => {
  const apples = cluster.ref(Counter, 'apples');
  await Promise.all(Array.from({ length: 1_000 }, (_, index) => apples.increment({ amount: index + 1 })));
  expect(await apples.get()).toBe(500_500);
});

test.each([undefined, null, {}, { amount: 0 }, { amount: -1 }, { amount: 1.5 }, { amount: '5' }, 5])(
  'refuses %j as VALIDATION_FAILED and keeps its value',
  async (payload) => {
    const apples = cluster.ref(Counter, 'apples');
    await expect(apples.increment(payload as Increment)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      outcome: 'not-executed',
    });
    expect(await apples.get()).toBe(0);
  },
);

test('refuses an amount just over the limit, naming the valid range, and accepts the limit', async () => {
  const apples = cluster.ref(Counter, 'apples');
  await expect(apples.increment({ amount: MAX_AMOUNT + 1 })).rejects.toMatchObject({
    code: 'VALIDATION_FAILED',
    message: expect.stringContaining('amount: must be a whole number from 1 to 1000000000') as string,
  });
  expect(await apples.increment({ amount: MAX_AMOUNT })).toBe(MAX_AMOUNT);
});

test('reports an unknown message type to the caller', async () => {
  await expect(cluster.client.requestKey('apples', 'counter.double')).rejects.toMatchObject({
    code: 'UNKNOWN_TYPE',
    message: expect.stringContaining('"counter.double"') as string,
  });
});

test('keeps its value through a day without a request', async () => {
  const t = testActor(Counter, counter);
  await t.call.increment({ amount: 5 });
  await t.clock.advance(24 * 60 * 60 * 1_000);
  expect(await t.call.get()).toBe(5);
});
