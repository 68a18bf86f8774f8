import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomId, randomSafeInteger, systemRandom } from '../../src/base/random.ts';
import type { Random } from '../../src/base/random.ts';

/** Gives the same bytes each time, over and over. */
function fixed(...pattern: number[]): Random {
  return { bytes: (count) => Uint8Array.from({ length: count }, (_, i) => pattern[i % pattern.length]!) };
}

describe('systemRandom', () => {
  test('gives the requested number of bytes, different ones each time', () => {
    expect([0, 1, 16].map((count) => systemRandom.bytes(count).length)).toEqual([0, 1, 16]);
    expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
  });
});

describe('randomId', () => {
  test('has the requested length and is a valid subject token', () => {
    for (const length of [1, 6, 10, 22]) {
      expect(randomId(systemRandom, length)).toMatch(new RegExp(`^[A-Za-z0-9_-]{${length}}$`));
    }
  });

  test('depends on the random bytes alone, so that a seeded run repeats', () => {
    expect(randomId(fixed(1, 2, 3), 10)).toBe(randomId(fixed(1, 2, 3), 10));
    expect(randomId(fixed(1, 2, 3), 10)).not.toBe(randomId(fixed(4, 5, 6), 10));
  });
});

describe('randomSafeInteger', () => {
  test('is a safe integer above 0 for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
        const value = randomSafeInteger({ bytes: () => bytes });
        expect(Number.isSafeInteger(value)).toBe(true);
        expect(value).toBeGreaterThan(0);
      }),
    );
  });

  test('uses 53 bits and is never 0, which means no client id', () => {
    expect(randomSafeInteger(fixed(0))).toBe(1);
    expect(randomSafeInteger(fixed(255))).toBe(Number.MAX_SAFE_INTEGER);
    expect(randomSafeInteger(fixed(0, 0, 0, 1, 0, 0, 0, 2))).toBe(2 ** 32 + 2);
    expect(randomSafeInteger(fixed(0xff, 0xe0, 0, 0, 0, 0, 0, 3))).toBe(3);
  });

  test('reads bytes from the middle of a larger buffer', () => {
    const pool = new Uint8Array(32).fill(255);
    pool.fill(0, 8, 15);
    pool[15] = 5;
    expect(randomSafeInteger({ bytes: (count) => pool.subarray(8, 8 + count) })).toBe(5);
  });
});
