import type { CasOutcome, ClusterStore, StoreEntry } from '@clstr/core/store';
import { ClstrError } from '@clstr/core';
import { CONFIG_KEY } from '@clstr/core/store';
import type { FakeClock } from '@clstr/testing';
import { fakeClock } from '@clstr/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../src/index.ts';
import type { MemoryStore } from '../src/index.ts';
import type { DeliveryEffect, OperationEffect, StoreOperation } from '../src/internal.ts';

let clock: FakeClock;
let store: MemoryStore;
let one: ClusterStore;
let two: ClusterStore;
/** What happens to operations of member `one`. */
let effect: OperationEffect;
let deliveryEffect: (entry: StoreEntry) => DeliveryEffect;
let operations: StoreOperation[];

beforeEach(async () => {
  clock = fakeClock();
  effect = {};
  deliveryEffect = () => 0;
  operations = [];
  store = createMemoryStore({
    clock,
    maxHistory: 100,
    policy: {
      onOperation(operation) {
        operations.push(operation);
        return operation.member === 'one' ? effect : {};
      },
      onDelivery: ({ member, entry }) => (member === 'one' ? deliveryEffect(entry) : 0),
    },
  });
  [one, two] = [store.connect({ member: 'one' }), store.connect({ member: 'two' })];
  await two.cas(CONFIG_KEY, 0, 'config', 100);
});

/** What a promise has come to by now. */
async function now<T>(promise: Promise<T>): Promise<T | 'waiting'> {
  await clock.advance(0);
  await clock.advance(0);
  return Promise.race([promise, new Promise<'waiting'>((resolve) => setImmediate(resolve, 'waiting'))]);
}

const ACKED = { kind: 'acked', revision: 2 };
const UNKNOWN: CasOutcome = { kind: 'unknown' };

describe('the policy of operations', () => {
  test('sees each with its member, kind and key', async () => {
    operations = [];
    await one.cas('h.a', 0, 'x', 100);
    await one.read('h.a', 100);
    await two.list(100);
    expect(operations).toEqual([
      { member: 'one', kind: 'cas', key: 'h.a' },
      { member: 'one', kind: 'read', key: 'h.a' },
      { member: 'two', kind: 'list', key: undefined },
    ]);
  });

  test('refuses with a reason, and does nothing', async () => {
    const refusal = new ClstrError('STORE_REFUSED', 'the store is full');
    effect = { refusal, answer: 10 };
    const writing = one.cas('h.a', 0, 'x', 100);
    const reading = one.read('h.a', 100).catch((error: unknown) => error);
    const listing = one.list(100).catch((error: unknown) => error);
    await clock.advance(10);
    expect(await writing).toEqual({ kind: 'unknown', refusal });
    expect([await reading, await listing]).toEqual([refusal, refusal]);
    expect(await two.read('h.a', 100)).toBeUndefined();
    expect(clock.timerCount).toBe(0);
  });

  test('delays a request: it is done when it arrives', async () => {
    effect = { request: 30 };
    const outcome = one.cas('h.a', 0, 'x', 100);
    await clock.advance(29);
    expect(await two.read('h.a', 100)).toBeUndefined();
    await clock.advance(1);
    expect(await two.read('h.a', 100)).toMatchObject({ value: 'x' });
    expect(await outcome).toEqual(ACKED);
  });

  test('delays an answer: the write was done before', async () => {
    effect = { answer: 30 };
    const outcome = one.cas('h.a', 0, 'x', 100);
    expect(await two.read('h.a', 100)).toMatchObject({ value: 'x' });
    await clock.advance(29);
    expect(await now(outcome)).toBe('waiting');
    await clock.advance(1);
    expect(await now(outcome)).toEqual(ACKED);
  });

  test('loses a request: unknown at the time-out, and never done', async () => {
    effect = { request: 'lost' };
    const outcome = one.cas('h.a', 0, 'x', 100);
    await clock.advance(99);
    expect(await now(outcome)).toBe('waiting');
    await clock.advance(1);
    expect(await now(outcome)).toEqual(UNKNOWN);
    await clock.advance(10_000);
    expect(await two.read('h.a', 100)).toBeUndefined();
  });

  test('delays a request beyond the time-out: unknown, and done later', async () => {
    effect = { request: 500 };
    const outcome = one.cas('h.a', 0, 'x', 100);
    await clock.advance(100);
    expect(await now(outcome)).toEqual(UNKNOWN);
    expect(await two.read('h.a', 100)).toBeUndefined();
    await clock.advance(400);
    expect(await now(two.read('h.a', 100))).toMatchObject({ value: 'x', revision: 2 });
  });

  test('loses an answer: unknown at the time-out, and done', async () => {
    effect = { answer: 'lost' };
    const outcome = one.cas('h.a', 0, 'x', 100);
    const read = one.read('h.a', 50).catch((error: unknown) => error);
    await clock.advance(50);
    expect(await now(read)).toMatchObject({ code: 'TIMEOUT' });
    await clock.advance(50);
    expect(await now(outcome)).toEqual(UNKNOWN);
    expect(await two.read('h.a', 100)).toMatchObject({ value: 'x' });
  });

  test('answers undecided, and does nothing', async () => {
    effect = { isUndecided: true };
    expect(await one.cas('h.a', 0, 'x', 100)).toEqual({ kind: 'undecided' });
    expect(await two.read('h.a', 100)).toBeUndefined();
  });

  test('reads what was newest some writes ago, in reads and lists', async () => {
    await two.cas('h.a', 0, 'old', 100);
    await two.cas('h.b', 0, 'gone', 100);
    await two.cas('h.a', 2, 'new', 100);
    await two.cas('h.b', 3, undefined, 100);
    const seen = async (staleBy: number) => {
      effect = { staleBy };
      const listed = await one.list(100);
      return [(await one.read('h.a', 100))?.value, ...listed.map(({ value }) => value)];
    };
    expect(await seen(0)).toEqual(['new', 'config', 'new']);
    expect(await seen(1)).toEqual(['new', 'config', 'new', 'gone']);
    expect(await seen(2)).toEqual(['old', 'config', 'old', 'gone']);
    expect(await seen(3)).toEqual(['old', 'config', 'old']);
    expect(await seen(4)).toEqual([undefined, 'config']);
    expect(await seen(50)).toEqual([undefined]);
  });

  test('does not read anything of a bucket that was deleted', async () => {
    await two.cas('h.a', 0, 'before', 100);
    store.deleteBucket();
    await two.cas(CONFIG_KEY, 0, 'second', 100);
    effect = { staleBy: 1 };
    expect(await one.read('h.a', 100)).toBeUndefined();
    expect(await one.read(CONFIG_KEY, 100)).toBeUndefined();
  });
});

describe('the policy of deliveries', () => {
  let told: (string | undefined)[];
  const listener = {
    onEntry: ({ key, value }: StoreEntry) => told.push(`${key}=${value}`),
    onGap: () => told.push('gap'),
  };
  beforeEach(() => {
    told = [];
  });

  test('delays them, and keeps their order', async () => {
    one.watch('h.*', listener);
    deliveryEffect = ({ value }) => (value === 'slow' ? 50 : 0);
    await two.cas('h.a', 0, 'slow', 100);
    await two.cas('h.b', 0, 'fast', 100);
    await clock.advance(49);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(['h.a=slow', 'h.b=fast']);
  });

  test('breaks a watch: silence, then the gap and the newest of each key', async () => {
    one.watch('h.*', listener);
    await two.cas('h.a', 0, '1', 100);
    await clock.advance(0);
    deliveryEffect = ({ value }) => (value === '2' ? { brokenMs: 100 } : 0);
    await two.cas('h.a', 2, '2', 100);
    await two.cas('h.a', 3, '3', 100);
    await two.cas('h.b', 0, 'new', 100);
    await clock.advance(99);
    expect(told).toEqual(['h.a=1']);
    await clock.advance(1);
    await clock.advance(0);
    expect(told).toEqual(['h.a=1', 'gap', 'h.a=3', 'h.b=new']);
  });

  test('a watch that is closed while it is broken stays silent', async () => {
    const watch = one.watch('h.*', listener);
    deliveryEffect = () => ({ brokenMs: 100 });
    await two.cas('h.a', 0, '1', 100);
    watch.close();
    await clock.advance(1_000);
    expect(told).toEqual([]);
  });

  test('a cut drops what is on its way; back, the gap comes once, then the newest', async () => {
    one.watch('h.*', listener);
    deliveryEffect = () => 50;
    await two.cas('h.a', 0, '1', 100);
    store.cut('one');
    await clock.advance(100);
    expect(told).toEqual([]);
    store.restore('one');
    await clock.advance(100);
    expect(told).toEqual(['gap', 'h.a=1']);
  });
});

describe('a store', () => {
  test('cuts all connections of a member, once', async () => {
    const other = store.connect({ member: 'one' });
    const events: boolean[] = [];
    other.onConnection((isConnected) => events.push(isConnected));
    store.cut('one');
    store.cut('one');
    expect([one.isConnected, other.isConnected, two.isConnected, events]).toEqual([false, false, true, []]);
    await clock.advance(0);
    store.restore('one');
    store.restore('one');
    await clock.advance(0);
    expect([one.isConnected, events]).toEqual([true, [false, true]]);
  });

  test('remembers each write, over all buckets', async () => {
    await one.cas('h.a', 0, 'x', 100);
    await one.cas('h.a', 0, 'refused', 100);
    await one.cas('h.a', 2, undefined, 100);
    store.deleteBucket();
    await one.cas(CONFIG_KEY, 0, 'second', 100);
    expect(store.history).toEqual([
      { bucket: 1, revision: 1, key: CONFIG_KEY, value: 'config' },
      { bucket: 1, revision: 2, key: 'h.a', value: 'x' },
      { bucket: 1, revision: 3, key: 'h.a', value: undefined },
      { bucket: 2, revision: 1, key: CONFIG_KEY, value: 'second' },
    ]);
  });

  test('remembers no more writes than maxHistory, and none by default', async () => {
    for (const [options, expected] of [
      [{ maxHistory: 3 }, [8, 9, 10]],
      [{}, []],
    ] as const) {
      const bounded = createMemoryStore({ ...options, clock });
      const member = bounded.connect();
      let revision = 0;
      for (let i = 0; i < 10; i++) {
        const outcome = await member.cas(CONFIG_KEY, revision, String(i), 100);
        if (outcome.kind === 'acked') ({ revision } = outcome);
      }
      expect(bounded.history.map((write) => write.revision)).toEqual(expected);
    }
  });

  test('leaves no timer behind', async () => {
    await one.cas('h.a', 0, 'x', 100);
    await one.read('h.a', 100);
    effect = { answer: 'lost' };
    const cut = one.read('h.a', 100).catch(() => 'cut');
    await one.close();
    expect(await now(cut)).toBe('cut');
    expect(clock.timerCount).toBe(0);
  });
});
