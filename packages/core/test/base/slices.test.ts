import { fakeClock } from '@clstr/testing';
import { expect, test } from 'vitest';
import { Slices } from '../../src/base/slices.ts';

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

test('shares its turns among all its work', async () => {
  const turns: (() => void)[] = [];
  const slices = new Slices({ ...fakeClock(), macrotask: (fn) => void turns.push(fn) });
  let done = 0;
  for (let i = 0; i < 100; i++) void slices.each(numbers(10), () => done++);
  const counts = [done];
  while (done < 1_000) {
    expect(turns).toHaveLength(1);
    turns.pop()!();
    for (let i = 0; i < 2_000; i++) await Promise.resolve();
    counts.push(done);
  }
  expect(counts).toEqual([256, 512, 768, 1_000]);
});
