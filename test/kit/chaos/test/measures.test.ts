/** The figures of the fault tests. */
import { expect, test } from 'vitest';
import { longestGap, longestGapOfAKey, percentile, recoveryMs } from '../src/measures.ts';
import type { EndedCall } from '../src/recorder.ts';

function call(invokedAt: number, endedAt: number, code?: EndedCall['code'], key = 'k'): EndedCall {
  return { op: 'get', key, timeoutMs: 1_000, shard: 0, invokedAt, endedAt, value: undefined, code };
}

test('a percentile is the nearest rank, and NaN without values', () => {
  expect(percentile([3, 1, 2], 50)).toBe(2);
  expect(percentile([1, 2, 3, 4], 99)).toBe(4);
  expect(percentile([], 50)).toBeNaN();
});

test('a gap is the longest time without a reply, including both ends of the time; a failure is not a reply', () => {
  const calls = [call(0, 10), call(10, 500, 'TIMEOUT'), call(300, 310), call(900, 905)];
  expect(longestGap(calls, 0, 1_000)).toBe(595);
  expect(longestGap([], 0, 1_000)).toBe(1_000);
  expect(longestGapOfAKey([...calls, call(0, 20, undefined, 'rare')], 0, 1_000)).toBe(980);
});

test('calls have recovered when they succeed from then on', () => {
  const failed = [call(100, 200, 'TIMEOUT'), call(600, 700, 'TIMEOUT')];
  const ok = [0, 250, 500, 750].map((at) => call(at + 10, at + 20));
  expect(recoveryMs(ok, 0, 1_000, 0.99)).toBe(0);
  expect(recoveryMs([...ok, ...failed], 0, 1_000, 0.99)).toBe(750);
  expect(recoveryMs([...ok, call(760, 900, 'TIMEOUT')], 0, 1_000, 0.99)).toBe(Infinity);
});
