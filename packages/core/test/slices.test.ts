import { fakeClock } from '@clstr/testing';
import { expect, test } from 'vitest';
import { Slices } from '../src/internal/slices.ts';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('does the first 256 items at once, and as many in each later turn', async () => {
  const clock = fakeClock();
  const slices = new Slices(clock);
  const done: number[] = [];
  const all = slices.each(numbers(600), (item) => done.push(item));
  const counts = [done.length];
  clock.macrotask(() => counts.push(done.length));
  await all;
  expect(counts[0]).toBe(256);
  expect(counts[1]).toBeLessThanOrEqual(512);
  expect(done).toEqual(numbers(600));
});

test('shares its turns among all that is given to it', async () => {
  const slices = new Slices(fakeClock());
  let done = 0;
  const all = numbers(10).map(() => slices.each(numbers(100), () => done++));
  expect(done).toBe(256);
  await Promise.all(all);
  expect(done).toBe(1_000);
});
