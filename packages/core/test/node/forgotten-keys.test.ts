import { expect, test } from 'vitest';
import { ForgottenKeys } from '../../src/node/forgotten-keys.ts';

test('keys are known by their shard', () => {
  const keys = new ForgottenKeys();
  expect(keys.has(1, 'a')).toBe(false);
  keys.add(1, 'a', 0);
  expect([keys.has(1, 'a'), keys.has(2, 'a'), keys.has(1, 'b')]).toEqual([true, false, false]);
});

test('half a million keys are known at a time, and it is known since when', () => {
  const [count, samples] = [800_000, 4_000];
  const keys = new ForgottenKeys();
  for (let i = 0; i < count; i++) keys.add(1, `key-${i}`, i);
  const since = keys.completeSinceMs;
  expect(count - since).toBeGreaterThan(393_216);
  expect(keys.has(1, `key-${since - 1}`)).toBe(false);
  const known = Array.from({ length: samples }, (_, i) => keys.has(1, `key-${count - 1 - i * 100}`));
  const covered = Math.ceil((count - since) / 100);
  expect(known.slice(0, covered).every(Boolean)).toBe(true);
  expect(Array.from({ length: samples }, (_, i) => keys.has(1, `other-${i}`)).some(Boolean)).toBe(false);
});
