import { describe, expect, test } from 'vitest';
import { runLoad } from './overloaded-node.ts';

const shedding = { targetMs: 5, intervalMs: 100 };

describe('a node with ten times the load that it can do', () => {
  const half = runLoad({ times: 0.5, shedding });
  const peak = runLoad({ times: 1, shedding: false });
  const over = runLoad({ times: 10, shedding });

  test('answers as much in time as ever, and what it answers soon', () => {
    expect(over.goodput).toBeGreaterThan(0.9 * peak.goodput);
    expect(over.p99Ms).toBeLessThan(3 * half.p99Ms);
  });

  test('starts no handler that cannot end in time, and keeps little waiting', () => {
    expect(over.lateStarts).toBe(0);
    expect(over.mostOpen).toBeLessThan(10_000);
  });

  test('without shedding answers next to nothing in time', () => {
    const off = runLoad({ times: 10, shedding: false });
    expect(off.goodput).toBeLessThan(0.1);
  });

  test('sheds nothing at half the load', () => {
    expect(half.refusals.size).toBe(0);
  });
});

test('a node to which ten times its load claims to be critical is busy with it, and does not fail', () => {
  const { goodput, lateStarts } = runLoad({ times: 10, critical: 1, shedding });
  expect(goodput).toBeGreaterThan(0.9);
  expect(lateStarts).toBe(0);
});

test.each([0.2, 0.28])(
  'a node with three times its load answers the share of %d that is critical',
  (critical) => {
    const { criticalSuccess, goodput } = runLoad({ times: 3, critical, shedding });
    expect(criticalSuccess).toBeGreaterThanOrEqual(0.999);
    expect(goodput).toBeGreaterThan(0.9);
  },
);
