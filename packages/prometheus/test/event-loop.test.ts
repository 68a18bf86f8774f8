import { createHistogram } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { EventLoopDelay } from '../src/event-loop.ts';

test('the delay of the event loop is without the period of the timer that measures it; its sum and count only rise', () => {
  const recorded = createHistogram();
  const calls: string[] = [];
  const histogram = Object.assign(recorded, {
    enable: () => (calls.push('enable'), true),
    disable: () => (calls.push('disable'), true),
  });
  const delay = new EventLoopDelay(histogram);
  /** In milliseconds, and the number of samples. */
  const read = (): number[] => {
    const values = [...delay.samples('x')].map(({ value }) => value);
    return [...values.slice(0, -1).map((value) => Math.round(value * 1_000)), values.at(-1)!];
  };
  expect([read(), calls]).toEqual([[0, 0, 0, 0, 0, 0], ['enable']]);
  for (let i = 0; i < 98; i++) recorded.record(22e6);
  recorded.record(120e6);
  recorded.record(19e6);
  expect(read()).toEqual([2, 2, 2, 100, 295, 100]);
  // Nothing was measured since: the quantiles stay.
  expect(read()).toEqual([2, 2, 2, 100, 295, 100]);
  recorded.record(30e6);
  expect(read()).toEqual([10, 10, 10, 10, 305, 101]);
  expect([...delay.samples('x')].map(({ metricName, labels }) => metricName ?? labels)).toEqual([
    ...[0.5, 0.9, 0.99, 1].map((quantile) => ({ quantile })),
    'x_sum',
    'x_count',
  ]);
  delay.close();
  expect(calls.at(-1)).toBe('disable');
});
