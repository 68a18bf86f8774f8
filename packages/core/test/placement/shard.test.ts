import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash64 } from '../../src/placement/hash64.ts';
import { createKeyRouter, shardFromString } from '../../src/placement/shard.ts';
import { goVectors } from '../vectors.ts';

describe('shardFromString', () => {
  test('equals all 919 vectors of the Go implementation', () => {
    const vectors = goVectors().shardFromString;
    expect(vectors).toHaveLength(919);
    const wrong = vectors.filter(
      ({ key, numShards, seed, shard }) => shardFromString(key, numShards, seed) !== shard,
    );
    expect(wrong).toEqual([]);
  });

  test('has no seed by default', () => {
    expect(shardFromString('user-123', 4096)).toBe(shardFromString('user-123', 4096, ''));
    expect(shardFromString('user-123', 4096)).not.toBe(shardFromString('user-123', 4096, 'a'));
  });

  test.each([undefined, null, 5, {}, ['a'], new Uint8Array(3), Symbol('a')])('refuses the key %s', (key) => {
    expect(() => shardFromString(key as string, 16)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('key must be a string'),
      }),
    );
  });

  test.each([null, 5, {}])('refuses the seed %s', (seed) => {
    expect(() => shardFromString('key', 16, seed as string)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('seed must be a string'),
      }),
    );
  });

  test.each([0, -1, 1.5, NaN, Infinity, 2 ** 32, '16', 16n, undefined, null])(
    'refuses %s shards',
    (numShards) => {
      expect(() => shardFromString('key', numShards as number)).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTION',
          message: expect.stringContaining('numShards must be a whole number from 1 to 4294967295'),
        }),
      );
    },
  );

  test('takes the largest count, one shard, and the empty key', () => {
    expect(shardFromString('', 1)).toBe(0);
    expect(shardFromString('', 2 ** 32 - 1)).toBeLessThan(2 ** 32 - 1);
  });

  test('is the 64-bit hash modulo the count, on both sides of the count where BigInt is needed', () => {
    const counts = fc.oneof(
      fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      fc.integer({ min: 2 ** 21 - 2, max: 2 ** 21 + 2 }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), counts, (key, numShards) => {
        const { high, low } = hash64(key);
        const whole = (BigInt(high) << 32n) | BigInt(low);
        expect(shardFromString(key, numShards)).toBe(Number(whole % BigInt(numShards)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('createKeyRouter', () => {
  /** A router over 1,024 shards that notes which keys it had to compute. */
  function observed(capacity?: number) {
    const computed: string[] = [];
    const router = createKeyRouter(1024, 'seed', (key) => computed.push(key), capacity);
    return { router, computed };
  }

  test('gives the shard of shardFromString, first and remembered', () => {
    const { router } = observed();
    for (const key of ['a', 'b', 'a', 'ключ', 'a']) {
      expect(router.shardOf(key)).toBe(shardFromString(key, 1024, 'seed'));
    }
  });

  test('checks and hashes a key once while it is remembered', () => {
    const { router, computed } = observed();
    for (const key of ['a', 'b', 'a', 'b', 'a']) router.shardOf(key);
    expect(computed).toEqual(['a', 'b']);
  });

  test('remembers a shard 0 like any other', () => {
    const computed: string[] = [];
    const router = createKeyRouter(1, '', (key) => computed.push(key));
    expect([router.shardOf('a'), router.shardOf('a')]).toEqual([0, 0]);
    expect(computed).toEqual(['a']);
  });

  test('does not remember a key that the check refuses', () => {
    let checks = 0;
    const router = createKeyRouter(16, '', () => {
      checks++;
      throw new Error('refused');
    });
    expect(() => router.shardOf('k')).toThrow('refused');
    expect(() => router.shardOf('k')).toThrow('refused');
    expect(checks).toBe(2);
  });

  test('finds a key of the old generation without another check, and moves it to the young one', () => {
    const { router, computed } = observed(4);
    for (const key of ['a', 'b', 'c']) router.shardOf(key); // old: a b, young: c
    router.shardOf('a'); // young: c a
    router.shardOf('d'); // old: c a, young: d
    computed.length = 0;
    for (const key of ['d', 'a', 'c']) router.shardOf(key);
    expect(computed).toEqual([]);
  });

  test('drops the old generation when the young one is full', () => {
    const { router, computed } = observed(4);
    for (const key of ['a', 'b', 'c', 'd', 'e']) router.shardOf(key); // old: c d, young: e
    computed.length = 0;
    router.shardOf('a');
    expect(computed).toEqual(['a']);
  });

  test('remembers a key with a claimed shard only if the claim is true', () => {
    const { router, computed } = observed();
    const home = shardFromString('a', 1024, 'seed');
    for (const claimed of [home + 1, home + 1, home, home, home + 1]) {
      expect(router.shardOf('a', claimed)).toBe(home);
    }
    expect(computed).toEqual(['a', 'a', 'a']);
  });

  test('remembers fewer keys when they are long', () => {
    const { router, computed } = observed();
    const keys = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(65_000, 'x'));
    for (const key of keys) router.shardOf(key);
    computed.length = 0;
    for (const key of keys.toReversed()) router.shardOf(key);
    expect(100 - computed.length).toBeGreaterThanOrEqual(2_097_152 / 65_000);
    expect(100 - computed.length).toBeLessThanOrEqual(2 * (2_097_152 / 65_000 + 1));
  });

  test('never remembers more keys than its capacity', () => {
    const capacity = fc.integer({ min: 2, max: 40 });
    const keys = fc.array(fc.nat({ max: 99 }).map(String), { maxLength: 300 });
    fc.assert(
      fc.property(capacity, keys, (size, asked) => {
        const { router, computed } = observed(size);
        for (const key of asked) {
          const before = computed.length;
          expect(router.shardOf(key)).toBe(shardFromString(key, 1024, 'seed'));
          // The key asked for just now is remembered, whatever was forgotten for it.
          const after = computed.length;
          router.shardOf(key);
          expect(computed.length).toBe(after);
          expect(after - before).toBeLessThanOrEqual(1);
        }
        // Only what it holds can be answered without a check. Each answer may push out others, never in.
        computed.length = 0;
        const known = new Set(asked);
        for (const key of known) router.shardOf(key);
        expect(known.size - computed.length).toBeLessThanOrEqual(size);
      }),
    );
  });
});
