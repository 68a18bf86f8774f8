import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Deadline, DeadlineWheel } from '../../src/base/deadline-wheel.ts';
import { ManualClock } from '../manual-clock.ts';

class Item extends Deadline {
  readonly firedAtMs: number[] = [];
  readonly #clock: ManualClock;
  readonly #then: () => void;

  constructor(clock: ManualClock, deadlineMs: number, then: () => void = () => {}) {
    super();
    this.#clock = clock;
    this.deadlineMs = deadlineMs;
    this.#then = then;
  }

  onDeadline(): void {
    this.firedAtMs.push(this.#clock.nowMs);
    this.#then();
  }
}

function wheelAt(nowMs: number): { clock: ManualClock; wheel: DeadlineWheel<Item> } {
  const clock = new ManualClock(nowMs);
  return { clock, wheel: new DeadlineWheel<Item>(clock) };
}

describe('an item', () => {
  test.each([0, 3, 9.99, 10, 12.5, 5_119, 5_120, 5_121, 60_000, 1_000_000])(
    'of %s ms is fired once, at its deadline or up to two ticks later',
    (inMs) => {
      for (const startMs of [0, 4.2, 9.99, 123_456.7]) {
        const { clock, wheel } = wheelAt(startMs);
        const item = new Item(clock, startMs + inMs);
        wheel.add(item);
        clock.advance(inMs + 100);
        expect(item.firedAtMs).toHaveLength(1);
        const lateMs = item.firedAtMs[0]! - item.deadlineMs;
        expect(lateMs).toBeGreaterThanOrEqual(0);
        expect(lateMs).toBeLessThanOrEqual(20);
      }
    },
  );

  test('whose deadline had passed when it was added is fired at the next tick', () => {
    const { clock, wheel } = wheelAt(100_000);
    const item = new Item(clock, 5);
    wheel.add(item);
    expect(item.firedAtMs).toEqual([]);
    clock.advance(10);
    expect(item.firedAtMs).toEqual([100_010]);
  });

  test('more than one turn of the wheel away waits in its slot for the right turn', () => {
    const { clock, wheel } = wheelAt(0);
    const [soon, later] = [new Item(clock, 50), new Item(clock, 50 + 3 * 5_120)];
    wheel.add(soon);
    wheel.add(later);
    clock.advance(3 * 5_120);
    expect([soon.firedAtMs, later.firedAtMs]).toEqual([[50], []]);
    clock.advance(50);
    expect(later.firedAtMs).toEqual([15_410]);
  });

  test('is forgotten by the wheel before it is fired', () => {
    const { clock, wheel } = wheelAt(0);
    let sizeThen = -1;
    const item = new Item(clock, 5, () => {
      sizeThen = wheel.size;
      wheel.remove(item);
    });
    wheel.add(item);
    clock.advance(20);
    expect(sizeThen).toBe(0);
    expect(wheel.size).toBe(0);
  });

  test('that was removed is never fired', () => {
    const { clock, wheel } = wheelAt(0);
    const items = [1, 2, 3].map(() => new Item(clock, 50));
    for (const item of items) wheel.add(item);
    wheel.remove(items[1]!);
    wheel.remove(items[1]!);
    expect(wheel.size).toBe(2);
    expect(wheel.items()).toEqual([items[0], items[2]]);
    clock.advance(100);
    expect(items.map(({ firedAtMs }) => firedAtMs.length)).toEqual([1, 0, 1]);
  });

  test('that the wheel never held can be removed', () => {
    const { clock, wheel } = wheelAt(0);
    wheel.remove(new Item(clock, 5));
    expect(wheel.size).toBe(0);
  });

  test('can be added again from its own deadline', () => {
    const { clock, wheel } = wheelAt(0);
    const item = new Item(clock, 20, () => {
      item.deadlineMs += 20;
      if (item.firedAtMs.length < 3) wheel.add(item);
    });
    wheel.add(item);
    clock.advance(200);
    expect(item.firedAtMs).toEqual([20, 40, 60]);
  });
});

describe('the timer', () => {
  test('is one for all items, and none without items', () => {
    const { clock, wheel } = wheelAt(0);
    expect(clock.pendingTimers).toBe(0);
    const items = Array.from({ length: 1_000 }, (_, i) => new Item(clock, 1_000 + i));
    for (const item of items) wheel.add(item);
    expect(clock.pendingTimers).toBe(1);
    for (const item of items) wheel.remove(item);
    clock.advance(20);
    expect(clock.pendingTimers).toBe(0);
  });

  test('goes on for one idle tick after the last item, then ends, and starts anew', () => {
    const { clock, wheel } = wheelAt(0);
    wheel.add(new Item(clock, 10));
    clock.advance(10);
    expect(clock.pendingTimers).toBe(1);
    clock.advance(10);
    expect(clock.pendingTimers).toBe(0);
    clock.advance(1_000_000);
    const late = new Item(clock, clock.nowMs + 30);
    wheel.add(late);
    clock.advance(40);
    expect(late.firedAtMs).toHaveLength(1);
  });

  test('that fires early finds nothing due and waits on', () => {
    const clock = new ManualClock(0);
    const early: (() => void)[] = [];
    clock.timer = (fn) => {
      early.push(fn);
      return () => {};
    };
    const wheel = new DeadlineWheel<Item>(clock);
    const item = new Item(clock, 10);
    wheel.add(item);
    clock.nowMs = 9.9;
    early.shift()!();
    expect(item.firedAtMs).toEqual([]);
    clock.nowMs = 10.1;
    early.shift()!();
    expect(item.firedAtMs).toEqual([10.1]);
  });

  test('goes on when a deadline throws', () => {
    const { clock, wheel } = wheelAt(0);
    const broken = new Item(clock, 10, () => {
      throw new Error('broken');
    });
    const later = new Item(clock, 100);
    wheel.add(broken);
    wheel.add(later);
    expect(() => {
      clock.advance(10);
    }).toThrow('broken');
    clock.advance(200);
    expect(later.firedAtMs).toHaveLength(1);
  });

  test('misses no slot of the wheel after the process stood still for a turn or about one', () => {
    for (const stallMs of [5_100, 5_110, 5_120, 5_130, 5_140]) {
      const { clock, wheel } = wheelAt(0);
      const items = Array.from({ length: 512 }, (_, i) => new Item(clock, i * 10));
      for (const item of items) wheel.add(item);
      clock.stall(stallMs);
      const due = items.filter(({ deadlineMs }) => deadlineMs <= stallMs);
      expect(due.filter(({ firedAtMs }) => firedAtMs.length === 0)).toEqual([]);
    }
  });

  test('catches up after the process stood still for longer than a turn of the wheel', () => {
    const { clock, wheel } = wheelAt(0);
    const items = [100, 4_000, 5_120, 9_000, 29_000].map((deadlineMs) => new Item(clock, deadlineMs));
    const beyond = new Item(clock, 31_000);
    for (const item of [...items, beyond]) wheel.add(item);
    clock.stall(30_000);
    expect(items.map(({ firedAtMs }) => firedAtMs)).toEqual(items.map(() => [30_000]));
    expect(beyond.firedAtMs).toEqual([]);
    clock.advance(1_010);
    expect(beyond.firedAtMs).toHaveLength(1);
  });
});

test('fires each item once, in time, whatever is added, removed or delayed', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant('add' as const), inMs: fc.double({ min: 0, max: 12_000, noNaN: true }) }),
      fc.record({ do: fc.constant('remove' as const), pick: fc.nat() }),
      fc.record({ do: fc.constant('advance' as const), ms: fc.double({ min: 0, max: 4_000, noNaN: true }) }),
      fc.record({ do: fc.constant('stall' as const), ms: fc.double({ min: 0, max: 20_000, noNaN: true }) }),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 1e9, noNaN: true }), (schedule, startMs) => {
      const { clock, wheel } = wheelAt(startMs);
      const all: Item[] = [];
      const held = new Set<Item>();
      for (const step of schedule) {
        if (step.do === 'add') {
          const item: Item = new Item(clock, clock.nowMs + step.inMs, () => held.delete(item));
          all.push(item);
          held.add(item);
          wheel.add(item);
        } else if (step.do === 'remove') {
          const item = [...held][step.pick % Math.max(1, held.size)];
          if (item === undefined) continue;
          held.delete(item);
          wheel.remove(item);
        } else {
          const fromMs = clock.nowMs;
          clock[step.do](step.ms);
          for (const { firedAtMs, deadlineMs } of all) {
            if (firedAtMs.length === 0 || firedAtMs[0]! < fromMs) continue;
            expect(firedAtMs[0]).toBeGreaterThanOrEqual(deadlineMs);
            // A stall makes everything late by its own length.
            if (step.do === 'advance')
              expect(firedAtMs[0]! - Math.max(deadlineMs, fromMs)).toBeLessThanOrEqual(20.01);
          }
        }
        expect(wheel.size).toBe(held.size);
        expect(new Set(wheel.items())).toEqual(held);
        for (const { deadlineMs } of held) expect(clock.nowMs - deadlineMs).toBeLessThanOrEqual(20.01);
        expect(clock.pendingTimers).toBeLessThanOrEqual(1);
        for (const { firedAtMs } of all) expect(firedAtMs.length).toBeLessThanOrEqual(1);
      }
    }),
  );
});
