import { ActorError, ClstrError } from '@clstr/core';
import { deferred, fakeRef, testActor } from '@clstr/testing';
import type { FakeMethods, SentCall } from '@clstr/testing';
import { expect, test } from 'vitest';
import { Account, Transfer } from '../src/contracts.ts';
import { transfer } from '../src/transfer.ts';

const order = { from: 'alice', to: 'bob', cents: 100 };

function createTest(account: FakeMethods<(typeof Account)['methods']> = {}) {
  const answers = { withdraw: () => 0, deposit: () => 0, revert: () => 0, ...account };
  return testActor(Transfer, transfer, { key: 't-1', refs: [fakeRef(Account, answers)] });
}

const summary = (sent: readonly SentCall[]): string[] => sent.map(({ method, key }) => `${method} ${key}`);
const fail = (error: Error) => (): never => {
  throw error;
};

test('withdraws, then deposits, under its own id', async () => {
  const t = createTest();
  expect(await t.call.run(order)).toEqual({ outcome: 'done', reason: '' });
  expect(summary(t.sent)).toEqual(['withdraw alice', 'deposit bob']);
  expect(t.sent.map(({ input }) => input)).toEqual(Array(2).fill({ id: 't-1', cents: 100 }));
});

test('gives its receipt again without moving money again, however many ask at once', async () => {
  const t = createTest();
  const receipts = await Promise.all([t.call.run(order), t.call.run(order)]);
  expect([...receipts, await t.call.run(order)]).toEqual(Array(3).fill({ outcome: 'done', reason: '' }));
  expect(t.sent).toHaveLength(2);
});

test('refuses other values under the same id', async () => {
  const t = createTest();
  await t.call.run(order);
  await expect(t.call.run({ ...order, cents: 5 })).rejects.toMatchObject({ actorCode: 'ID_REUSED' });
});

test('is refused when the first account refuses, which leaves nothing to revert', async () => {
  const t = createTest({ withdraw: fail(new ActorError('OVERDRAWN', 'no money')) });
  expect(await t.call.run(order)).toEqual({ outcome: 'refused', reason: 'OVERDRAWN' });
  expect(summary(t.sent)).toEqual(['withdraw alice']);
});

test('from an account to itself is refused, and moves nothing', async () => {
  const t = createTest();
  expect(await t.call.run({ ...order, to: 'alice' })).toEqual({ outcome: 'refused', reason: 'SAME_ACCOUNT' });
  expect(t.sent).toEqual([]);
});

test.each([
  ['NOT_OPEN', new ActorError('NOT_OPEN', 'who is bob?')],
  ['TIMEOUT', new ClstrError('TIMEOUT', 'too slow')],
  ['INTERNAL', new Error('disk full')],
])('takes both entries back when the deposit fails as %s', async (reason, error) => {
  const t = createTest({ deposit: fail(error) });
  expect(await t.call.run(order)).toEqual({ outcome: 'compensated', reason });
  expect(summary(t.sent)).toEqual(['withdraw alice', 'deposit bob', 'revert bob', 'revert alice']);
});

test('reverts the withdrawal when it is unknown whether it happened', async () => {
  const t = createTest({ withdraw: fail(new Error('failed after it was done')) });
  expect(await t.call.run(order)).toEqual({ outcome: 'compensated', reason: 'INTERNAL' });
  expect(summary(t.sent)).toEqual(['withdraw alice', 'revert bob', 'revert alice']);
});

test('reverts when it is asked again, until that succeeds', async () => {
  let failures = 2;
  const t = createTest({
    deposit: fail(new Error('disk full')),
    revert() {
      if (failures-- > 0) throw new Error('disk still full');
      return 0;
    },
  });
  for (let i = 0; i < 2; i++) {
    await expect(t.call.run(order)).rejects.toMatchObject({ actorCode: 'PENDING' });
  }
  expect(await t.call.run(order)).toEqual({ outcome: 'compensated', reason: 'INTERNAL' });
  expect(summary(t.sent).slice(-2)).toEqual(['revert bob', 'revert alice']);
});

test('ends when it is asked again, even if its caller has given up in the meantime', async () => {
  const depositing = deferred();
  let deposits = 0;
  const t = createTest({
    deposit() {
      depositing.resolve();
      return ++deposits === 1 ? new Promise(() => undefined) : 0;
    },
  });
  const stop = new AbortController();
  const call = expect(t.call.run(order, { signal: stop.signal })).rejects.toMatchObject({ code: 'ABORTED' });
  await depositing.promise;
  stop.abort();
  await call;
  expect(await t.call.run(order)).toMatchObject({
    outcome: expect.stringMatching('done|compensated') as string,
  });
});

test('answers with its receipt after its node has died, and moves no money again', async () => {
  const t = createTest();
  const receipt = await t.call.run(order);
  t.restart();
  expect(await t.call.run(order)).toEqual(receipt);
  expect(t.sent).toHaveLength(2);
});
