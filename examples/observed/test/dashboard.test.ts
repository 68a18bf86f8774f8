import { describe, expect, test } from 'vitest';
import { dashboard, quantile } from '../src/dashboard.ts';
import { Reading } from '../src/reading.ts';

describe('the dashboard', () => {
  const reading = (atMs: number, lines: readonly string[]): Reading => new Reading(lines.join('\n'), atMs);
  const buckets = (...counts: number[]): string[] =>
    ['0.001', '0.01', '0.1', '+Inf'].map((le, i) => `x_bucket{message_type="a",le="${le}"} ${counts[i]}`);

  test('has the quantiles that Prometheus would have', () => {
    const [before, now] = [reading(0, buckets(5, 5, 5, 5)), reading(1_000, buckets(5, 95, 105, 106))];
    expect(quantile(before, now, 'x', 0.5)).toBeCloseTo(0.001 + 0.009 * (50.5 / 90), 9);
    expect(quantile(before, now, 'x', 0.999)).toBe(0.1);
    expect(quantile(now, now, 'x', 0.5)).toBe(0);
  });

  test('has the rates between two readings, whatever a type contains', () => {
    const total = (value: number): string[] => [
      `clstr_cluster_requests_total{message_type="a\\"} 1",success="true"} ${value}`,
    ];
    expect(dashboard(reading(0, total(10)), reading(2_000, total(1_010)))).toMatch(
      /^requests {4}500\/s, 0\/s/,
    );
  });
});
