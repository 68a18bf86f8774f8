import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RetryBudget } from '../../src/client/retry-budget.ts';

/** Takes until nothing is left; returns how much it was. */
function takeAll(budget: RetryBudget, nowMs: number): number {
  let taken = 0;
  while (budget.take(nowMs)) taken++;
  return taken;
}

describe('a retry budget', () => {
  test('allows a fifth of the calls, and ten a second beyond that', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 1_000; i++) budget.onCall(500);
    expect(budget.left(500)).toBe(300);
    expect(takeAll(budget, 500)).toBe(300);
    expect([budget.left(500), budget.take(500)]).toEqual([0, false]);
  });

  test('forgets calls and repeats after ten seconds', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 1_000; i++) budget.onCall(500);
    expect(takeAll(budget, 9_999)).toBe(300);
    expect(budget.left(10_000)).toBe(0);
    expect(budget.left(20_000)).toBe(100);
  });

  test('turns over an idle hour at once, without what was earned before it', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 1_000_000; i++) budget.onCall(0);
    expect(budget.left(3_600_000)).toBe(100);
  });

  test('never allows more in ten seconds than a fifth of the calls of eleven, and a hundred', () => {
    const step = fc.record({ afterMs: fc.nat(700), calls: fc.nat(30), tries: fc.nat(40) });
    fc.assert(
      fc.property(fc.nat(100_000), fc.array(step, { maxLength: 200 }), (startMs, steps) => {
        const budget = new RetryBudget();
        const calls: number[] = [];
        const repeats: number[] = [];
        let nowMs = startMs;
        for (const one of steps) {
          nowMs += one.afterMs;
          for (let i = 0; i < one.calls; i++) {
            budget.onCall(nowMs);
            calls.push(nowMs);
          }
          for (let i = 0; i < one.tries; i++) if (budget.take(nowMs)) repeats.push(nowMs);
          // The window moves in slices of a second: it holds the last nine seconds for certain, and never eleven.
          const since = (list: number[], ms: number) => list.filter((at) => at > nowMs - ms).length;
          expect(since(repeats, 9_000)).toBeLessThanOrEqual(0.2 * since(calls, 19_000) + 100);
          expect(budget.left(nowMs)).toBeLessThanOrEqual(0.2 * since(calls, 10_001) + 100);
        }
      }),
    );
  });
});
