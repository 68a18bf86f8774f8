import { defineActor, notify, request } from '@clstr/actors';
import { isClstrError } from '@clstr/core';
import { durableState } from '@clstr/durable';
import { fakeClock, testActor } from '@clstr/testing';
import type { FakeClock } from '@clstr/testing';
import { memoryStateStore } from '@clstr/transport-memory';
import type { MemoryStateStores } from '@clstr/transport-memory';
import { describe, expect, it } from 'vitest';

const Account = defineActor('account', {
  balance: request<void, number>({ readonly: true }),
  deposit: request<{ cents: number }, number>(),
  add: notify<{ cents: number }>(),
  spoil: request<{ cents: number }, number>(),
  slowly: request<{ cents: number }, number>(),
  grow: request<{ bytes: number }, number>(),
  close: request<void, void>(),
});

const account = Account.implement({
  durable: durableState<{ cents: number; note?: string }>({ initial: () => ({ cents: 0 }) }),
  handlers: {
    balance: ({ cents }) => cents,
    deposit: (state, { cents }) => (state.cents += cents),
    add: (state, { cents }) => {
      state.cents += cents;
    },
    spoil: (state, { cents }) => {
      state.cents += cents;
      throw new Error('after the change');
    },
    slowly: async (state, { cents }, ctx) => {
      state.cents += cents;
      await Promise.resolve(ctx);
      return state.cents;
    },
    grow: (state, { bytes }) => {
      state.note = 'x'.repeat(bytes);
      return state.note.length;
    },
    close: (_state, _input, ctx) => {
      ctx.erase();
    },
  },
});

/** Answers each append after 50 ms, and notes its key. */
function slowStore(appends: string[] = []): { store: MemoryStateStores; clock: FakeClock } {
  const clock = fakeClock();
  const store = memoryStateStore({
    clock,
    policy: {
      onOperation({ kind, key }) {
        if (kind !== 'append') return {};
        appends.push(key!);
        return { answer: 50 };
      },
    },
  });
  return { store, clock };
}

describe('durableState', () => {
  it('gives a key its state again after a crash of the node', async () => {
    const actor = testActor(Account, account);
    expect(await actor.call.deposit({ cents: 5 })).toBe(5);
    actor.restart();
    expect(await actor.call.balance()).toBe(5);
    expect(await actor.call.deposit({ cents: 2 })).toBe(7);
    expect(actor.state()).toEqual({ cents: 7 });
  });

  it('gives a key its state again after it left memory', async () => {
    const actor = testActor(Account, account);
    await actor.call.add({ cents: 5 });
    await actor.passivate();
    expect(actor.state()).toBeUndefined();
    expect(await actor.call.balance()).toBe(5);
  });

  it('leaves no trace of a handler that throws', async () => {
    const actor = testActor(Account, account);
    await actor.call.deposit({ cents: 5 });
    await expect(actor.call.spoil({ cents: 100 })).rejects.toThrow('after the change');
    expect(await actor.call.balance()).toBe(5);
    actor.restart();
    expect(await actor.call.balance()).toBe(5);
  });

  it('replies only once the turn is stored', async () => {
    const actor = testActor(Account, account, slowStore());
    let isAnswered = false;
    const reply = actor.call.deposit({ cents: 1 }).then(() => (isAnswered = true));
    await actor.clock.advance(49);
    expect(actor.state()).toEqual({ cents: 1 });
    expect(isAnswered).toBe(false);
    await actor.clock.advance(1);
    expect(await reply).toBe(true);
  });

  it('stores turns that wait for the same write together', async () => {
    const appends: string[] = [];
    const actor = testActor(Account, account, slowStore(appends));
    const replies = Promise.all(Array.from({ length: 100 }, () => actor.call.deposit({ cents: 1 })));
    await actor.clock.advance(100);
    expect(await replies).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(appends).toHaveLength(2);
  });

  it('holds a readonly reply back while what it saw is not stored', async () => {
    const actor = testActor(Account, account, slowStore());
    const order: string[] = [];
    const deposit = actor.call.deposit({ cents: 5 }).then(() => order.push('stored'));
    const balance = actor.call.balance().then((cents) => order.push(`read ${cents}`));
    await actor.clock.advance(49);
    expect(order).toEqual([]);
    await actor.clock.advance(1);
    await Promise.all([deposit, balance]);
    expect(order).toEqual(['stored', 'read 5']);
  });

  it('asks the store for nothing to read a state that it wrote', async () => {
    let operations = 0;
    const store = memoryStateStore({
      policy: {
        onOperation() {
          operations++;
          return {};
        },
      },
    });
    const actor = testActor(Account, account, { store });
    await actor.call.deposit({ cents: 5 });
    operations = 0;
    await Promise.all(Array.from({ length: 10 }, () => actor.call.balance()));
    expect(operations).toBe(0);
  });

  it('writes nothing for a turn that changed nothing', async () => {
    let appends = 0;
    const store = memoryStateStore({
      policy: {
        onOperation({ kind }) {
          if (kind === 'append') appends++;
          return {};
        },
      },
    });
    const actor = testActor(Account, account, { store });
    await actor.call.deposit({ cents: 5 });
    await actor.call.deposit({ cents: 0 });
    expect(appends).toBe(1);
  });

  it('erases the state of a key', async () => {
    const store = memoryStateStore();
    const actor = testActor(Account, account, { store });
    await actor.call.deposit({ cents: 5 });
    await actor.call.close();
    expect(await actor.call.balance()).toBe(0);
    actor.restart();
    expect(await actor.call.balance()).toBe(0);
  });

  it('refuses a state that is too large before anything is written', async () => {
    const store = memoryStateStore({ maxRecordBytes: 1_000 });
    const actor = testActor(Account, account, { store });
    await actor.call.deposit({ cents: 5 });
    await expect(actor.call.grow({ bytes: 2_000 })).rejects.toSatisfy(
      (error) => isClstrError(error, 'PAYLOAD_TOO_LARGE') && error.outcome === 'executed',
    );
    expect(await actor.call.grow({ bytes: 10 })).toBe(10);
    expect(await actor.call.balance()).toBe(5);
  });

  it('refuses calls as UNAVAILABLE, not executed, while the store is away', async () => {
    const store = memoryStateStore();
    const actor = testActor(Account, account, { store });
    await actor.call.deposit({ cents: 5 });
    store.cut();
    await expect(actor.call.deposit({ cents: 5 })).rejects.toSatisfy(
      (error) => isClstrError(error, 'UNAVAILABLE') && error.outcome === 'not-executed',
    );
    expect(await actor.call.balance()).toBe(5);
    store.restore();
    expect(await actor.call.deposit({ cents: 5 })).toBe(10);
  });

  it('refuses an actor without a store, and options that do not go together', () => {
    expect(() => Account.implement({ ...account, durable: undefined } as never)).toThrow('setup');
    const both = { durable: durableState({ initial: () => ({}) }), setup: () => ({}), handlers: {} };
    expect(() => Account.implement(both as never)).toThrow('setup');
    expect(() => durableState({ initial: () => ({}), version: 0 })).toThrow('version');
  });
});
