import { ClstrError } from '@clstr/core';
import type { CasOutcome, StatePlace, StateRecord, StateStore } from '@clstr/core/store';
import { fakeClock } from '@clstr/testing';
import type { FakeClock } from '@clstr/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { memoryStateStore } from '../src/index.ts';
import type { MemoryStateStores } from '../src/index.ts';
import type { OperationEffect, StoreOperation } from '../src/internal.ts';

const PLACE: StatePlace = { space: 'account', keeps: 'newest', shard: 7, key: 'a' };
const RECORD: StateRecord = { bytes: Uint8Array.of(1, 2, 3), isWhole: true };
const STORED = { revision: 1, ...RECORD };
const UNKNOWN: CasOutcome = { kind: 'unknown' };

let clock: FakeClock;
let stores: MemoryStateStores;
let one: StateStore;
let two: StateStore;
/** What happens to operations of member `one`. */
let effect: OperationEffect;
let operations: StoreOperation[];

beforeEach(() => {
  clock = fakeClock();
  effect = {};
  operations = [];
  stores = memoryStateStore({
    clock,
    policy: {
      onOperation(operation) {
        operations.push(operation);
        return operation.member === 'one' ? effect : {};
      },
    },
  });
  [one, two] = [stores.connect({ member: 'one' }), stores.connect({ member: 'two' })];
});

/** What a promise has come to by now. */
async function now<T>(promise: Promise<T>): Promise<T | 'waiting'> {
  await clock.advance(0);
  await clock.advance(0);
  return Promise.race([promise, new Promise<'waiting'>((resolve) => setImmediate(resolve, 'waiting'))]);
}

const loaded = async (store: StateStore) => (await store.load(PLACE, 100)).records;
const failed = (error: unknown) => error;

describe('the policy of a store of state', () => {
  test('sees each operation with its member, kind and key', async () => {
    await one.append(PLACE, 0, RECORD, 100);
    await one.load(PLACE, 100);
    await two.list(PLACE, 100);
    await two.erase(PLACE, 1, 100);
    expect(operations).toEqual([
      { member: 'one', kind: 'append', key: 'a' },
      { member: 'one', kind: 'load', key: 'a' },
      { member: 'two', kind: 'list', key: undefined },
      { member: 'two', kind: 'erase', key: 'a' },
    ]);
  });

  test('refuses with a reason, and does nothing', async () => {
    await two.append(PLACE, 0, RECORD, 100);
    const refusal = new ClstrError('STORE_REFUSED', 'the store is full');
    effect = { refusal };
    expect(await one.append(PLACE, 1, RECORD, 100)).toEqual({ kind: 'unknown', refusal });
    expect(await one.load(PLACE, 100).catch(failed)).toBe(refusal);
    expect(await one.erase(PLACE, 1, 100).catch(failed)).toBe(refusal);
    expect(await loaded(two)).toEqual([STORED]);
    expect(clock.timerCount).toBe(0);
  });

  test('loses a request: unknown at the time-out, and never done', async () => {
    effect = { request: 'lost' };
    const outcome = one.append(PLACE, 0, RECORD, 100);
    await clock.advance(99);
    expect(await now(outcome)).toBe('waiting');
    await clock.advance(1);
    expect(await now(outcome)).toEqual(UNKNOWN);
    await clock.advance(10_000);
    expect(await loaded(two)).toEqual([]);
  });

  test('loses an answer: unknown or TIMEOUT, and done', async () => {
    effect = { answer: 'lost' };
    const outcome = one.append(PLACE, 0, RECORD, 100);
    const load = one.load(PLACE, 50).catch(failed);
    await clock.advance(50);
    expect(await now(load)).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
    expect(await now(outcome)).toBe('waiting');
    await clock.advance(50);
    expect(await now(outcome)).toEqual(UNKNOWN);
    expect(await loaded(two)).toEqual([STORED]);
  });

  test('delays an append beyond the time-out: unknown, and done later if nothing came in between', async () => {
    effect = { request: 500 };
    const outcome = one.append(PLACE, 0, RECORD, 100);
    await clock.advance(100);
    expect(await now(outcome)).toEqual(UNKNOWN);
    expect(await loaded(two)).toEqual([]);
    await clock.advance(400);
    expect(await loaded(two)).toEqual([STORED]);
  });

  test('a late append does nothing once another has come in between', async () => {
    effect = { request: 500 };
    const outcome = one.append(PLACE, 0, RECORD, 100);
    await clock.advance(100);
    expect(await now(outcome)).toEqual(UNKNOWN);
    await two.append(PLACE, 0, { bytes: Uint8Array.of(9), isWhole: true }, 100);
    await clock.advance(400);
    expect(await loaded(two)).toEqual([{ revision: 1, bytes: Uint8Array.of(9), isWhole: true }]);
  });

  test('a late append fills a log that was erased in the meantime, if it had been empty before', async () => {
    effect = { request: 500 };
    void one.append(PLACE, 0, RECORD, 100);
    await two.append(PLACE, 0, RECORD, 100);
    await two.erase(PLACE, 1, 100);
    await clock.advance(500);
    expect(await loaded(two)).toEqual([{ revision: 2, ...RECORD }]);
  });

  test('delays an answer: the record is there before', async () => {
    effect = { answer: 30 };
    const outcome = one.append(PLACE, 0, RECORD, 100);
    expect(await loaded(two)).toEqual([STORED]);
    expect(await now(outcome)).toBe('waiting');
    await clock.advance(30);
    expect(await outcome).toEqual({ kind: 'acked', revision: 1 });
  });

  test('answers undecided, and does nothing', async () => {
    effect = { isUndecided: true };
    expect(await one.append(PLACE, 0, RECORD, 100)).toEqual({ kind: 'undecided' });
    expect(await loaded(two)).toEqual([]);
  });
});

describe('a connection to a store of state', () => {
  test('settles its calls when it is cut off; what had left is still done', async () => {
    effect = { request: 10 };
    const append = one.append(PLACE, 0, RECORD, 1_000);
    const load = one.load(PLACE, 1_000).catch(failed);
    stores.cut('one');
    expect(await now(append)).toEqual(UNKNOWN);
    expect(await now(load)).toMatchObject({ code: 'CONNECTION_LOST' });
    await clock.advance(10);
    expect(await loaded(two)).toEqual([STORED]);
    expect(clock.timerCount).toBe(0);
  });

  test('asks nothing while it is cut off, and works again once it is restored', async () => {
    stores.cut('one');
    stores.cut('one');
    operations = [];
    expect(await one.append(PLACE, 0, RECORD, 100)).toEqual(UNKNOWN);
    expect(await one.list(PLACE, 100).catch(failed)).toMatchObject({ code: 'CONNECTION_LOST' });
    expect([one.isConnected, two.isConnected, operations]).toEqual([false, true, []]);
    stores.restore('one');
    expect(one.isConnected).toBe(true);
    expect(await one.append(PLACE, 0, RECORD, 100)).toEqual({ kind: 'acked', revision: 1 });
  });

  test('is cut off from its start when its member is, or all are', () => {
    stores.cut('late');
    const late = stores.connect({ member: 'late' });
    expect([late.isConnected, stores.connect().isConnected]).toEqual([false, true]);
    stores.restore('late');
    stores.cut();
    const later = stores.connect();
    expect([late.isConnected, later.isConnected]).toEqual([false, false]);
    stores.restore();
    expect([late.isConnected, later.isConnected, stores.connect().isConnected]).toEqual([true, true, true]);
  });

  test('stays closed when its member is restored', async () => {
    await one.close();
    stores.cut('one');
    stores.restore('one');
    expect(one.isConnected).toBe(false);
    expect(await one.load(PLACE, 100).catch(failed)).toMatchObject({ code: 'CONNECTION_LOST' });
  });

  test('refuses a record that is too large before it asks', async () => {
    const small = memoryStateStore({ maxRecordBytes: 3 }).connect();
    const { bytes } = RECORD;
    expect(small.maxRecordBytes).toBe(3);
    expect(await small.append(PLACE, 0, { bytes: new Uint8Array(4), isWhole: true }, 100)).toMatchObject({
      kind: 'unknown',
      refusal: { code: 'PAYLOAD_TOO_LARGE' },
    });
    expect(await small.append(PLACE, 0, { bytes, isWhole: true }, 100)).toMatchObject({ kind: 'acked' });
  });
});

test('refuses unknown options', () => {
  expect(() => memoryStateStore({ maxRecordBytes: 0 })).toThrow('maxRecordBytes');
  expect(() => memoryStateStore({ keep: 1 } as never)).toThrow('keep');
  expect(() => memoryStateStore({ policy: { onWrite: () => ({}) } as never })).toThrow('onWrite');
});
