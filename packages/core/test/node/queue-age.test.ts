import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { QueueAge } from '../../src/node/queue-age.ts';

const TARGET = 5;
const INTERVAL = 100;

/** Steps between observations, and the age that each observes. */
const observations = fc.array(
  fc.record({ stepMs: fc.integer({ min: 0, max: 60 }), ageMs: fc.integer({ min: 0, max: 12 }) }),
  { maxLength: 200 },
);

describe('a queue', () => {
  test('stands once every age of an interval was above the target', () => {
    const queue = new QueueAge(TARGET, INTERVAL);
    queue.observe(6, 0);
    queue.observe(500, 99);
    expect(queue.isStanding).toBe(false);
    queue.observe(6, 100);
    expect(queue.isStanding).toBe(true);
  });

  test('that was at its target once within the interval is a burst', () => {
    const queue = new QueueAge(TARGET, INTERVAL);
    for (let ms = 0; ms < 1_000; ms += 10) queue.observe(ms % 90 === 0 ? TARGET : 300, ms);
    expect(queue.isStanding).toBe(false);
  });

  test('goes on standing while one age per interval is above the target, and ends after an interval without', () => {
    const queue = new QueueAge(TARGET, INTERVAL);
    for (let ms = 0; ms <= 100; ms += 10) queue.observe(6, ms);
    for (let ms = 110; ms <= 500; ms += 10) queue.observe(ms % 90 === 0 ? 6 : 0, ms);
    expect(queue.isStanding).toBe(true);
    queue.observe(0, 549);
    expect(queue.isStanding).toBe(true);
    queue.observe(0, 550);
    expect(queue.isStanding).toBe(false);
  });

  test('that nothing leaves any more ends after an interval too, and begins anew', () => {
    const queue = new QueueAge(TARGET, INTERVAL);
    queue.observe(6, 0);
    queue.observe(6, 100);
    queue.look(199);
    expect(queue.isStanding).toBe(true);
    queue.look(200);
    expect(queue.isStanding).toBe(false);
    queue.observe(6, 201);
    expect(queue.isStanding).toBe(false);
  });

  test('follows its rule through all histories', () => {
    fc.assert(
      fc.property(observations, (steps) => {
        const queue = new QueueAge(TARGET, INTERVAL);
        const seen: { ageMs: number; atMs: number }[] = [];
        let nowMs = 0;
        let wasStanding = false;
        for (const { stepMs, ageMs } of steps) {
          nowMs += stepMs;
          queue.observe(ageMs, nowMs);
          seen.push({ ageMs, atMs: nowMs });
          const within = seen.filter(({ atMs }) => atMs > nowMs - INTERVAL);
          const lastOld = seen.findLast((one) => one.ageMs > TARGET)?.atMs ?? -Infinity;
          if (queue.isStanding && !wasStanding) {
            // Nothing young within the interval, and more than a single look at the queue.
            expect(within.every((one) => one.ageMs > TARGET)).toBe(true);
            expect(seen.length).toBeGreaterThan(1);
          }
          if (wasStanding && queue.isStanding) expect(nowMs - lastOld).toBeLessThan(INTERVAL);
          if (wasStanding && !queue.isStanding) expect(nowMs - lastOld).toBeGreaterThanOrEqual(INTERVAL);
          wasStanding = queue.isStanding;
        }
      }),
    );
  });
});
