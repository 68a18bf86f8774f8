import { testActor } from '@clstr/testing';
import { expect, test } from 'vitest';
import { account } from '../src/account.ts';
import { Account } from '../src/contracts.ts';

function createTest() {
  return testActor(Account, account, { key: 'alice' });
}

test('opens once, and counts deposits and withdrawals', async () => {
  const t = createTest();
  expect(await t.call.open({ cents: 500 })).toBe(500);
  expect(await t.call.deposit({ id: 'a', cents: 20 })).toBe(520);
  expect(await t.call.withdraw({ id: 'b', cents: 120 })).toBe(400);
  expect(await t.call.balance()).toBe(400);
  await expect(t.call.open({ cents: 1 })).rejects.toMatchObject({ actorCode: 'ALREADY_OPEN' });
});

test('books an entry once, however often it arrives', async () => {
  const t = createTest();
  await t.call.open({ cents: 500 });
  for (let i = 0; i < 3; i++) expect(await t.call.withdraw({ id: 'a', cents: 100 })).toBe(400);
});

test('refuses to overdraw, or to use an account that does not exist, and changes nothing', async () => {
  const t = createTest();
  await expect(t.call.deposit({ id: 'a', cents: 1 })).rejects.toMatchObject({ actorCode: 'NOT_OPEN' });
  await t.call.open({ cents: 100 });
  await expect(t.call.withdraw({ id: 'b', cents: 101 })).rejects.toMatchObject({
    actorCode: 'OVERDRAWN',
    details: { cents: 100 },
  });
  expect(await t.call.balance()).toBe(100);
});

test('reverts an entry once, and then refuses it forever, even if it arrives later', async () => {
  const t = createTest();
  await t.call.open({ cents: 500 });
  await t.call.withdraw({ id: 'a', cents: 100 });
  expect(await t.call.revert({ id: 'a' })).toBe(500);
  expect(await t.call.revert({ id: 'a' })).toBe(500);
  expect(await t.call.revert({ id: 'late' })).toBe(500);
  for (const id of ['a', 'late']) {
    await expect(t.call.deposit({ id, cents: 7 })).rejects.toMatchObject({ actorCode: 'REVERTED' });
  }
  expect(await t.call.balance()).toBe(500);
});

test('keeps its money when it leaves memory, and when its node dies', async () => {
  const t = createTest();
  await t.call.open({ cents: 500 });
  await t.call.withdraw({ id: 'a', cents: 100 });
  await t.passivate('evicted');
  expect(await t.call.withdraw({ id: 'a', cents: 100 })).toBe(400);
  t.restart();
  expect(await t.call.balance()).toBe(400);
});

test.each([
  { id: 'a', cents: 0 },
  { id: 'a', cents: 1.5 },
  { id: 'a', cents: -5 },
  { id: '', cents: 1 },
])('refuses the entry %j', async (entry) => {
  const t = createTest();
  await t.call.open({ cents: 500 });
  await expect(t.call.deposit(entry)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  expect(await t.call.balance()).toBe(500);
});
