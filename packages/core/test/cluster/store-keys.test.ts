import { describe, expect, test } from 'vitest';
import { checkStoreKey, checkWatchPattern, isWritable } from '../../src/cluster/store-keys.ts';

const KEYS = ['cfg', 'h.node-1', 's.17', 'A_b.C-d.9'];
const NO_KEYS = ['', '.', 'h.', '.h', 'a..b', '*', '>', 'h.>', 'a b', 'a\r\nPUB x 0', 'ä', 5, undefined];
const refusal = expect.objectContaining({ code: 'INVALID_OPTION' }) as Error;

describe.each(KEYS)('the key %s', (key) => {
  test('is read, written and watched, alone or with those below it', () => {
    expect(checkStoreKey(key)).toBe(key);
    expect([isWritable(key, 0), isWritable(key, Number.MAX_SAFE_INTEGER)]).toEqual([true, true]);
    expect([checkWatchPattern(key), checkWatchPattern(`${key}.*`)]).toEqual([key, `${key}.*`]);
  });
});

test.each(NO_KEYS)('%j is neither a key nor a pattern', (key) => {
  expect(() => checkStoreKey(key)).toThrow(refusal);
  expect(() => checkWatchPattern(key)).toThrow(refusal);
  expect(isWritable(key, 0)).toBe(false);
});

test.each(['h.*.a', '*.h', 'h*'])('%j is not a pattern: only the last token may be *', (pattern) => {
  expect(() => checkWatchPattern(pattern)).toThrow(refusal);
});

test('a pattern is not a key', () => {
  expect(() => checkStoreKey('h.*')).toThrow(refusal);
  expect(isWritable('h.*', 0)).toBe(false);
});

test.each([-1, 0.5, NaN, Infinity, 2 ** 53, '0', undefined])(
  'nothing is written at revision %j',
  (revision) => {
    expect(isWritable('h.a', revision)).toBe(false);
  },
);
