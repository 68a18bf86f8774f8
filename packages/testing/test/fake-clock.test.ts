import { expect, test } from 'vitest';
import { fakeClock } from '../src/fake-clock.ts';

test('stands still until it is advanced', async () => {
  const clock = fakeClock({ monoMs: 5, wallMs: 1_000 });
  expect([clock.monoMs(), clock.wallMs()]).toEqual([5, 1_000]);
  await clock.advance(0.5);
  expect([clock.monoMs(), clock.wallMs()]).toEqual([5.5, 1_000.5]);
});

test('begins at zero, and at the first moment of 2026', () => {
  const clock = fakeClock();
  expect([clock.monoMs(), new Date(clock.wallMs()).toISOString()]).toEqual([0, '2026-01-01T00:00:00.000Z']);
});

test('calls timers in order of due time, each at its time, and those of equal time in the order they were set', async () => {
  const clock = fakeClock();
  const calls: [string, number][] = [];
  const set = (name: string, delayMs: number) =>
    clock.timer(() => calls.push([name, clock.monoMs()]), delayMs);
  set('c', 30);
  set('a', 10);
  set('b1', 20);
  set('b2', 20);
  set('later', 31);
  await clock.advance(30);
  expect(calls).toEqual([
    ['a', 10],
    ['b1', 20],
    ['b2', 20],
    ['c', 30],
  ]);
  expect(clock.timerCount).toBe(1);
});

test('does not call a cancelled timer, even when another timer cancels it at its time', async () => {
  const clock = fakeClock();
  const calls: string[] = [];
  clock.timer(() => calls.push('never'), 10)();
  clock.timer(() => {
    cancel();
  }, 20);
  const cancel = clock.timer(() => calls.push('never'), 20);
  await clock.advance(100);
  expect([calls, clock.timerCount]).toEqual([[], 0]);
});

test('reaches timers that timers and their promises set on the way', async () => {
  const clock = fakeClock();
  const calls: number[] = [];
  clock.timer(() => {
    void Promise.resolve()
      .then(() => undefined)
      .then(() => clock.timer(() => calls.push(clock.monoMs()), 10));
  }, 10);
  await clock.advance(20);
  expect(calls).toEqual([20]);
});

test('runs macrotasks without being advanced, after pending microtasks', async () => {
  const clock = fakeClock();
  const calls: string[] = [];
  await new Promise<void>((resolve) => {
    clock.macrotask(() => {
      calls.push('macrotask');
      resolve();
    });
    void Promise.resolve().then(() => calls.push('microtask'));
  });
  expect([calls, clock.monoMs()]).toEqual([['microtask', 'macrotask'], 0]);
});

test('never goes back, not even when two advance it at once', async () => {
  const clock = fakeClock();
  await Promise.all([clock.advance(100), clock.advance(10)]);
  expect(clock.monoMs()).toBe(100);
});

test.each([-1, Number.NaN, Infinity, '5'])('refuses %s as a time', async (value) => {
  const clock = fakeClock();
  await expect(clock.advance(value as number)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  expect(() => fakeClock({ monoMs: value as number })).toThrow(/monoMs/);
  expect(() => fakeClock({ wallMs: value as number })).toThrow(/wallMs/);
});
