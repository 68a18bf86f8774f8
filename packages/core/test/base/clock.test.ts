import { deferred } from '@clstr/testing';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';

test('monotonic time never goes back', () => {
  let last = systemClock.monoMs();
  for (let i = 0; i < 1_000; i++) {
    const now = systemClock.monoMs();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
});

test('wall time is the time of day', () => {
  const before = Date.now();
  const now = systemClock.wallMs();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(Date.now());
});

test('a timer fires once, unless it is cancelled', async () => {
  const fired: string[] = [];
  const { promise, resolve } = deferred();
  const cancel = systemClock.timer(() => fired.push('cancelled'), 0);
  cancel();
  systemClock.timer(() => {
    fired.push('kept');
    resolve();
  }, 0);
  await promise;
  cancel();
  expect(fired).toEqual(['kept']);
});

test('a macrotask comes after all microtasks', async () => {
  const order: string[] = [];
  const { promise, resolve } = deferred();
  systemClock.macrotask(() => {
    order.push('macrotask');
    resolve();
  });
  queueMicrotask(() => {
    order.push('microtask');
    queueMicrotask(() => order.push('another'));
  });
  await promise;
  expect(order).toEqual(['microtask', 'another', 'macrotask']);
});

test('where there is no setImmediate, as in browsers, a macrotask is a zero timer', async () => {
  vi.stubGlobal('setImmediate', undefined);
  vi.resetModules();
  try {
    const { systemClock: browserClock } = await import('../../src/base/clock.ts');
    const { promise, resolve } = deferred();
    browserClock.macrotask(resolve);
    await promise;
    expect(browserClock).not.toBe(systemClock);
  } finally {
    vi.unstubAllGlobals();
  }
});
