import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RunQueue } from '../../src/node/run-queue.ts';
import type { Waiter } from '../../src/node/run-queue.ts';

class TestWaiter implements Waiter<TestWaiter> {
  readonly name: number;
  readonly expectedMs: number;
  isWaiting = false;
  next: TestWaiter | undefined = undefined;
  previous: TestWaiter | undefined = undefined;

  constructor(name: number, expectedMs = 0) {
    this.name = name;
    this.expectedMs = expectedMs;
  }
}

describe('a queue of handlers', () => {
  test('knows how long it takes at least until all that wait have begun', () => {
    const queue = new RunQueue<TestWaiter>(2);
    const [one, two] = [new TestWaiter(1, 0.1), new TestWaiter(2, 0.2)];
    queue.push(one);
    queue.push(two);
    expect(queue.waitMs).toBeCloseTo(0.15);
    queue.remove(one);
    queue.remove(one);
    expect(queue.waitMs).toBeCloseTo(0.1);
    queue.next();
    expect(queue.waitMs).toBe(0);
  });

  test('runs as many as allowed, in order, whoever leaves', () => {
    const step = fc.oneof(
      fc.constant('arrive' as const),
      fc.constant('end' as const),
      fc.record({ leave: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 200 }), (max, steps) => {
        const queue = new RunQueue<TestWaiter>(max);
        const model = { running: 0, waiting: [] as TestWaiter[] };
        let arrived = 0;
        const pump = (): void => {
          for (let waiter = queue.next(); waiter !== undefined; waiter = queue.next()) {
            expect(waiter).toBe(model.waiting.shift());
            queue.started();
            model.running++;
          }
        };
        for (const what of steps) {
          if (what === 'arrive') {
            expect(queue.canRun).toBe(model.running < max && model.waiting.length === 0);
            const waiter = new TestWaiter(arrived++);
            if (queue.canRun) {
              queue.started();
              model.running++;
            } else {
              queue.push(waiter);
              model.waiting.push(waiter);
            }
          } else if (what === 'end') {
            if (model.running === 0) continue;
            queue.ended();
            model.running--;
            pump();
          } else {
            const [waiter] = model.waiting.splice(what.leave, 1);
            if (waiter !== undefined) queue.remove(waiter);
          }
          expect(model.running).toBeLessThanOrEqual(max);
          expect(model.running === max || model.waiting.length === 0).toBe(true);
          expect([queue.size, queue.first]).toEqual([model.waiting.length, model.waiting[0]]);
        }
      }),
    );
  });
});
