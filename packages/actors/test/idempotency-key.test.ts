import { ActorError } from '@clstr/core';
import { defineActor, notify, request } from '@clstr/actors';
import { describe, expect, test } from 'vitest';
import { actorNode } from './actor-node.ts';
import type { ActorNode } from './actor-node.ts';

const Account = defineActor('account', {
  deposit: request<number, number>(),
  pay: request<{ to: string; cents: number }, number>(),
  spend: request<number, number>(),
  note: notify<number>(),
});

async function accounts(): Promise<ActorNode & { balances: Map<string, number> }> {
  const balances = new Map<string, number>();
  const add = (key: string, cents: number): number => {
    const balance = (balances.get(key) ?? 0) + cents;
    balances.set(key, balance);
    return balance;
  };
  const account = Account.implement({
    setup: () => null,
    handlers: {
      deposit: (_state, cents, ctx) => add(ctx.key, cents),
      pay: (_state, { to, cents }, ctx) =>
        ctx.ref(Account, to).deposit(cents, { idempotencyKey: `payment from ${ctx.key}` }),
      spend: (_state, cents, ctx) => {
        add(ctx.key, -cents);
        throw new ActorError('OVERDRAWN', 'no');
      },
      note: (_state, cents, ctx) => void add(ctx.key, cents),
    },
  });
  return Object.assign(await actorNode([account]), { balances });
}

const KEYED = { idempotencyKey: 'order-17' };

describe('a method called twice with one idempotency key', () => {
  test('runs once and returns the first result', async () => {
    const node = await accounts();
    const ada = node.ref(Account, 'ada');
    expect([await ada.deposit(5, KEYED), await ada.deposit(5, KEYED)]).toEqual([5, 5]);
    expect(node.balances.get('ada')).toBe(5);
  });

  test('from another client, too', async () => {
    const node = await accounts();
    await node.ref(Account, 'ada').deposit(5, KEYED);
    expect(await Account.ref(node.anotherClient(), 'ada').deposit(5, KEYED)).toBe(5);
    expect(node.balances.get('ada')).toBe(5);
  });

  test('throws the first error again', async () => {
    const node = await accounts();
    const ada = node.ref(Account, 'ada');
    for (let i = 0; i < 2; i++) {
      await expect(ada.spend(5, KEYED)).rejects.toMatchObject({ actorCode: 'OVERDRAWN' });
    }
    expect(node.balances.get('ada')).toBe(-5);
  });

  test('runs once for two calls at a time', async () => {
    const node = await accounts();
    const ada = node.ref(Account, 'ada');
    expect(await Promise.all([ada.deposit(5, KEYED), ada.deposit(5, KEYED)])).toEqual([5, 5]);
    expect(node.balances.get('ada')).toBe(5);
  });

  test('runs once if another actor calls it', async () => {
    const node = await accounts();
    const ada = node.ref(Account, 'ada');
    const payment = { to: 'bob', cents: 3 };
    expect([await ada.pay(payment), await ada.pay(payment)]).toEqual([3, 3]);
    expect(node.balances.get('bob')).toBe(3);
  });

  test('runs once as a notify', async () => {
    const node = await accounts();
    const ada = node.ref(Account, 'ada');
    await ada.note(5, KEYED);
    await ada.note(5, KEYED);
    await node.settled();
    expect(node.balances.get('ada')).toBe(5);
  });

  test('is refused with another input', async () => {
    const node = await accounts();
    const ada = node.ref(Account, 'ada');
    await ada.deposit(5, KEYED);
    await expect(ada.deposit(6, KEYED)).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    expect(node.balances.get('ada')).toBe(5);
  });
});
