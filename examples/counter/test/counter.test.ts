import type { TestCluster } from '@clstr/testing';
import { testCluster } from '@clstr/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAX_AMOUNT, counterHandler } from '../src/counter.ts';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await testCluster({ createHandler: () => counterHandler(100) });
});
afterEach(() => cluster.close());

test('a counter starts at 0 and answers each increment with its new value', async () => {
  const apples = cluster.client.key('apples');
  expect(await apples.request('Get')).toBe(0);
  expect(await apples.request('Increment', { amount: 5 })).toBe(5);
  expect(await apples.request('Increment', { amount: 2 })).toBe(7);
  expect(await apples.request('Get')).toBe(7);
});

test('keys do not share a counter', async () => {
  await cluster.client.requestKey('apples', 'Increment', { amount: 5 });
  await cluster.client.requestKey('pears', 'Increment', { amount: 3 });
  expect(await cluster.client.requestKey('apples', 'Get')).toBe(5);
  expect(await cluster.client.requestKey('pears', 'Get')).toBe(3);
});

test('loses none of 1,000 increments that arrive at once, first request of the key included', async () => {
  const amounts = Array.from({ length: 1_000 }, (_, index) => index + 1);
  await Promise.all(amounts.map((amount) => cluster.client.requestKey('apples', 'Increment', { amount })));
  expect(await cluster.client.requestKey('apples', 'Get')).toBe(500_500);
});

test.each([undefined, null, {}, { amount: 0 }, { amount: -1 }, { amount: 1.5 }, { amount: '5' }, 5])(
  'refuses %j as VALIDATION_FAILED and keeps its value',
  async (payload) => {
    await expect(cluster.client.requestKey('apples', 'Increment', payload)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
    });
    expect(await cluster.client.requestKey('apples', 'Get')).toBe(0);
  },
);

test('refuses an amount just over the limit, and takes the limit', async () => {
  const apples = cluster.client.key('apples');
  await expect(apples.request('Increment', { amount: MAX_AMOUNT + 1 })).rejects.toMatchObject({
    code: 'VALIDATION_FAILED',
  });
  expect(await apples.request('Increment', { amount: MAX_AMOUNT })).toBe(MAX_AMOUNT);
});

test('tells the caller of a message type it does not know', async () => {
  await expect(cluster.client.requestKey('apples', 'Double')).rejects.toMatchObject({
    code: 'UNKNOWN_TYPE',
    message: 'a counter knows no message type "Double"',
  });
});
