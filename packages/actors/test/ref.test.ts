import { defineActor, notify, request } from '@clstr/actors';
import type { Caller } from '@clstr/actors';
import { expect, test, vi } from 'vitest';

const Counter = defineActor('counter', {
  add: request<{ by: number }, number>(),
  get: request<void, number>({ readonly: true }),
  put: request<number, void>({ idempotent: true }),
  lock: request({ readonly: true, idempotent: false }),
  reset: notify<{ reason: string }>(),
  // Names of promises and functions that are allowed, as only `then` makes a promise.
  catch: request(),
  apply: request(),
});

function recorder(): Caller & { calls: unknown[][] } {
  const calls: unknown[][] = [];
  return {
    calls,
    requestKey: vi.fn((...args) => Promise.resolve(calls.push(['request', ...args]) as never)),
    notifyKey: vi.fn((...args) => Promise.resolve(void calls.push(['notify', ...args]))),
  };
}

test('calls request methods by requestKey and notify methods by notifyKey, under their wire names', async () => {
  const caller = recorder();
  const ref = Counter.ref(caller, 'k');
  const options = { timeoutMs: 5, headers: { a: 'b' } };
  await ref.add({ by: 2 }, options);
  await ref.get();
  await ref.reset({ reason: 'new day' });
  expect(caller.calls).toEqual([
    ['request', 'k', 'counter.add', { by: 2 }, options],
    ['request', 'k', 'counter.get', undefined, { idempotent: true }],
    ['notify', 'k', 'counter.reset', { reason: 'new day' }, undefined],
  ]);
});

test('marks the calls of idempotent methods, and lets each call say otherwise', async () => {
  const caller = recorder();
  const ref = Counter.ref(caller, 'k');
  await ref.put(1);
  await ref.put(2, { timeoutMs: 5, idempotent: undefined });
  await ref.put(3, { idempotent: false });
  await ref.lock();
  await ref.add({ by: 1 }, { idempotent: true });
  expect(caller.calls.map((call) => call[4])).toEqual([
    { idempotent: true },
    { timeoutMs: 5, idempotent: true },
    { idempotent: false },
    undefined,
    { idempotent: true },
  ]);
});

test.each([null, 5, 'fast'])(
  'leaves %j in place of options to the client, which refuses it',
  async (options) => {
    const caller = recorder();
    await Counter.ref(caller, 'k').put(1, options as never);
    expect(caller.calls).toEqual([['request', 'k', 'counter.put', 1, options]]);
  },
);

test('returns what the call returns', async () => {
  const caller = { ...recorder(), requestKey: () => Promise.resolve(7 as never) };
  expect(await Counter.ref(caller, 'k').get()).toBe(7);
});

test('is not a promise: awaiting it returns it, and makes no call', async () => {
  const caller = recorder();
  const ref = Counter.ref(caller, 'k');
  expect('then' in ref).toBe(false);
  expect(await (ref as unknown)).toBe(ref);
  expect(await Promise.resolve(ref as unknown)).toBe(ref);
  expect(caller.calls).toEqual([]);
});

test('has the methods of its contract and nothing else, not even those of every object', () => {
  const ref = Counter.ref(recorder(), 'k') as unknown as Record<string, unknown>;
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'then', 'Add', 'key']) {
    expect(ref[name]).toBeUndefined();
  }
  const names: string[] = [];
  for (const name in ref) names.push(name);
  expect(names).toEqual(['add', 'get', 'put', 'lock', 'reset', 'catch', 'apply']);
});

test('lets its methods be taken off it', async () => {
  const caller = recorder();
  const { add, reset } = Counter.ref(caller, 'k');
  await [1, 2].reduce(async (before, by) => {
    await before;
    await add({ by });
  }, Promise.resolve());
  await reset({ reason: 'r' });
  expect(caller.calls.map(([kind, key]) => [kind, key])).toEqual([
    ['request', 'k'],
    ['request', 'k'],
    ['notify', 'k'],
  ]);
});

test('keeps refs of one contract apart, by key and by caller', async () => {
  const [one, two] = [recorder(), recorder()];
  const refs = [Counter.ref(one, 'a'), Counter.ref(one, 'b'), Counter.ref(two, 'c')];
  for (const ref of refs) await ref.get();
  expect(one.calls.map(([, key]) => key)).toEqual(['a', 'b']);
  expect(two.calls.map(([, key]) => key)).toEqual(['c']);
});

test('names its actor when it is printed', () => {
  expect(Object.prototype.toString.call(Counter.ref(recorder(), 'k'))).toBe('[object Ref counter]');
});

test('cannot be given another method later', () => {
  const ref = Counter.ref(recorder(), 'k') as unknown as Record<string, unknown>;
  expect(() => {
    'use strict';
    ref['add'] = () => 1;
  }).toThrow(TypeError);
});

test('marks the calls of critical methods, notifies too, and lets each call say otherwise', async () => {
  const Door = defineActor('door', {
    open: request({ critical: true }),
    look: request<void, number>({ readonly: true, critical: true }),
    ring: notify({ critical: true }),
    paint: request<string>(),
  });
  const caller = recorder();
  const ref = Door.ref(caller, 'k');
  await ref.open();
  await ref.look();
  await ref.ring();
  await ref.open(undefined, { timeoutMs: 5 });
  await ref.open(undefined, { critical: false });
  await ref.paint('red');
  await ref.paint('red', { critical: true });
  expect(caller.calls.map((call) => call[4])).toEqual([
    { critical: true },
    { critical: true, idempotent: true },
    { critical: true },
    { critical: true, timeoutMs: 5 },
    { critical: false },
    undefined,
    { critical: true },
  ]);
});
