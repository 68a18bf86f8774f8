import { expect, test } from 'vitest';
import { countBatch, createStats, watchedTransport } from '../../src/wire/stats.ts';

test('each batch is counted once, under the smallest power of two that holds it', () => {
  const stats = createStats();
  const readings = watchedTransport({ name: 'memory', state: 'connected' }, stats);
  for (const entries of [1, 1, 2, 3, 4, 5, 8, 1_024, 1_025, 100_000]) countBatch(stats, entries);
  expect(readings.batchSizes).toEqual([2, 1, 2, 2, 0, 0, 0, 0, 0, 0, 1, 2]);
  expect([readings.batches, readings.entries]).toEqual([10, 102_073]);
});
