import { defineActor, request } from '@clstr/actors';
import { isClstrError } from '@clstr/core';
import { durableState, eventSourced } from '@clstr/durable';
import { testActor } from '@clstr/testing';
import { memoryStateStore } from '@clstr/transport-memory';
import { describe, expect, it } from 'vitest';

const Counter = defineActor('counter', {
  add: request<number, number>(),
  fail: request<number, number>(),
  get: request<void, number>({ readonly: true }),
});

const kinds = {
  durableState: Counter.implement({
    durable: durableState({ initial: () => ({ count: 0 }) }),
    handlers: {
      add: (state, n) => (state.count += n),
      fail(state, n) {
        state.count += n;
        throw new Error('no');
      },
      get: ({ count }) => count,
    },
  }),
  eventSourced: Counter.implement({
    durable: eventSourced({
      initial: () => ({ count: 0 }),
      events: { added: ({ count }, n: number) => ({ count: count + n }) },
      snapshotEvery: 3,
    }),
    handlers: {
      add: (_state, n, ctx) => ctx.emit('added', n).count,
      fail(_state, n, ctx) {
        ctx.emit('added', n);
        throw new Error('no');
      },
      get: ({ count }) => count,
    },
  }),
};

describe.each(Object.entries(kinds))('keyed calls of %s', (_name, counter) => {
  it('run once, whatever happens between them', async () => {
    const actor = testActor(Counter, counter);
    const pay = () => actor.call.add(5, { idempotencyKey: 'pay-1' });
    expect(await Promise.all([pay(), pay()])).toEqual([5, 5]);
    for (let n = 0; n < 5; n++) await actor.call.add(1);
    expect(await pay()).toBe(5);
    actor.restart();
    expect(await pay()).toBe(5);
    await actor.passivate();
    expect(await pay()).toBe(5);
    expect(await actor.call.get()).toBe(10);
  });

  it('run again if the first has thrown, as it has left no trace', async () => {
    const actor = testActor(Counter, counter);
    await expect(actor.call.fail(5, { idempotencyKey: 'pay-1' })).rejects.toThrow('no');
    expect(await actor.call.get()).toBe(0);
    expect(await actor.call.add(5, { idempotencyKey: 'pay-1' })).toBe(5);
  });

  it('refuse a key that names another call', async () => {
    const actor = testActor(Counter, counter);
    await actor.call.add(5, { idempotencyKey: 'pay-1' });
    await expect(actor.call.add(6, { idempotencyKey: 'pay-1' })).rejects.toSatisfy((error) =>
      isClstrError(error, 'IDEMPOTENCY_KEY_REUSED'),
    );
    expect(await actor.call.get()).toBe(5);
  });

  it('leave a bounded trace', async () => {
    const sizes: number[] = [];
    const stores = memoryStateStore();
    const connect = stores.connect;
    const store = {
      ...stores,
      connect: (options?: Parameters<typeof connect>[0]) => {
        const inner = connect(options);
        return {
          maxRecordBytes: inner.maxRecordBytes,
          get isConnected() {
            return inner.isConnected;
          },
          load: inner.load.bind(inner),
          erase: inner.erase.bind(inner),
          list: inner.list.bind(inner),
          close: inner.close.bind(inner),
          append(...args: Parameters<typeof inner.append>) {
            sizes.push(args[2].bytes.length);
            return inner.append(...args);
          },
        };
      },
    };
    const actor = testActor(Counter, counter, { store });
    for (let n = 0; n < 300; n++) await actor.call.add(1, { idempotencyKey: `pay-${n}` });
    expect(Math.max(...sizes)).toBeLessThan(8_000);
    expect(await actor.call.add(1, { idempotencyKey: 'pay-299' })).toBe(300);
  });
});
