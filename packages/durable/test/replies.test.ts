import { defineActor, request } from '@clstr/actors';
import { isClstrError, shardFromString } from '@clstr/core';
import { durableState, eventSourced } from '@clstr/durable';
import { fakeClock, testActor } from '@clstr/testing';
import { memoryStateStore } from '@clstr/transport-memory';
import { describe, expect, it } from 'vitest';
import { RanKeys } from '../src/ran-keys.ts';
import type { RanSegment } from '../src/ran-keys.ts';

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

describe('the state of a key that is erased', () => {
  it('takes the replies with it, and still knows which calls have run', async () => {
    const Note = defineActor('note', { write: request<string, string>(), erase: request<void, void>() });
    const note = Note.implement({
      durable: durableState({ initial: () => ({ text: '' }) }),
      handlers: {
        write: (state, text) => (state.text = text),
        erase: (_state, _input, ctx) => {
          ctx.erase();
        },
      },
    });
    const store = memoryStateStore();
    const actor = testActor(Note, note, { store });
    await actor.call.write('a secret', { idempotencyKey: 'n-1' });
    await actor.call.erase();
    const place = {
      space: 'note',
      keeps: 'newest',
      shard: shardFromString('test', 1_024),
      key: 'test',
    } as const;
    const texts = store.peek(place).records.map(({ bytes }) => Buffer.from(bytes).toString());
    expect(texts).toHaveLength(1);
    expect(texts[0]).not.toContain('secret');
    actor.restart();
    await expect(actor.call.write('a secret', { idempotencyKey: 'n-1' })).rejects.toSatisfy((error) =>
      isClstrError(error, 'REPLY_LOST'),
    );
  });
});

describe('a key with many keyed calls', () => {
  const clock = fakeClock();
  const options = { clock, store: memoryStateStore({ clock }) };
  const actor = testActor(Counter, kinds.durableState, options);
  const pay = (n: number): Promise<number> => actor.call.add(1, { idempotencyKey: `pay-${n}` });

  it('refuses a repeat whose reply is not kept, and runs what has not run', async () => {
    for (let n = 0; n < 200; n++) await pay(n);
    actor.restart();
    await expect(pay(3)).rejects.toSatisfy(
      (error) => isClstrError(error, 'REPLY_LOST') && error.outcome === 'unknown',
    );
    expect(await pay(199)).toBe(200);
    expect(await pay(1_000)).toBe(201);
  });
});

describe('RanKeys', () => {
  it('knows its keys after they were stored', () => {
    const ran = new RanKeys();
    for (let n = 0; n < 2_000; n++) ran.add(`key-${n}`, n);
    const restored = new RanKeys();
    restored.restore(JSON.parse(JSON.stringify(ran.segments)) as RanSegment[]);
    for (let n = 0; n < 2_000; n++) expect(restored.has(`key-${n}`)).toBe(true);
    expect(restored.has('key-2000')).toBe(false);
  });

  it('says until when it has forgotten keys, for their age and for their number', () => {
    const ran = new RanKeys();
    for (let n = 0; n < 2_000; n++) ran.add(`key-${n}`, n);
    expect(ran.trim(0)).toBe(0);
    expect(ran.trim(600)).toBe(511);
    expect([ran.has('key-511'), ran.has('key-512')]).toEqual([false, true]);
    for (let n = 2_000; n < 20_000; n++) ran.add(`key-${n}`, n);
    const forgottenMs = ran.trim(600);
    expect([ran.has(`key-${forgottenMs}`), ran.has(`key-${forgottenMs + 1}`)]).toEqual([false, true]);
    expect(forgottenMs).toBeGreaterThan(20_000 - 17 * 512);
    expect(JSON.stringify(ran.segments).length).toBeLessThan(70_000);
  });
});
