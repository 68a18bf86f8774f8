import { fakeClock } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { describe, expect, test, vi } from 'vitest';
import { noMetrics } from '../../src/base/metrics.ts';
import type { Metrics, SafeMetrics } from '../../src/base/metrics.ts';
import { metricsOption, safeMetrics } from '../../src/base/safe-metrics.ts';

const safe = (...given: Metrics[]): SafeMetrics => safeMetrics(given, recordLog(), fakeClock());
const check = (value: unknown): readonly Metrics[] => metricsOption.check('createNode', 'metrics', value);

describe('safe metrics', () => {
  test('are noMetrics itself when there are none, so that hot paths can compare', () => {
    expect(safe()).toBe(noMetrics);
    expect(safe(noMetrics)).toBe(noMetrics);
  });

  test('are made once: a client hands its own to the clients of its services', () => {
    const made = safe({ panicked: () => undefined });
    expect(safe(made)).toBe(made);
  });

  test('share one method for all that the given ones leave out', () => {
    const { panicked, ...rest } = safe({ panicked: () => undefined });
    const { panicked: nothing, ...others } = noMetrics;
    expect(rest).toEqual(others);
    expect(panicked).not.toBe(nothing);
  });

  test('call each method with its own object and no more arguments than the contract has', () => {
    class Counted implements Metrics {
      readonly calls: unknown[][] = [];
      requestEnded(...args: unknown[]): void {
        this.calls.push(args);
      }
      handlerEnded(...args: unknown[]): void {
        this.calls.push(args);
      }
      transportError(...args: unknown[]): void {
        this.calls.push(args);
      }
      taskEnded(...args: unknown[]): void {
        this.calls.push(args);
      }
    }
    const counted = new Counted();
    const made = safe(counted);
    made.requestEnded('Get', true, 5);
    made.handlerEnded('Get', false, undefined, 3);
    made.transportError('timeout');
    made.taskEnded(true, 7);
    expect(counted.calls).toEqual([['Get', true, 5], ['Get', false, undefined, 3], ['timeout'], [true, 7]]);
  });

  test('call several in the order given, each with what it has', () => {
    const calls: string[] = [];
    const made = safe(
      { panicked: (type) => void calls.push(`one ${type}`) },
      { notifyEnded: (type) => void calls.push(`two ${type}`) },
      { panicked: (type) => void calls.push(`three ${type}`) },
    );
    made.panicked('Get');
    made.notifyEnded('Poke', true);
    expect(calls).toEqual(['one Get', 'three Get', 'two Poke']);
  });

  test('keep what one of several throws from its caller and from the others, and log it, then rarely', async () => {
    const [log, clock, after] = [recordLog(), fakeClock(), vi.fn()];
    const error = new Error('broken');
    const broken = (): never => {
      throw error;
    };
    const made = safeMetrics([{ panicked: broken }, { panicked: after }], log, clock);
    for (let i = 0; i < 1_000; i++) made.panicked('Get');
    expect(after).toHaveBeenCalledTimes(1_000);
    expect(log.lines).toEqual([
      { level: 'error', fields: { event: 'metrics.threw', err: error }, message: 'metrics.panicked() threw' },
    ]);
    await clock.advance(10_000);
    made.panicked('Get');
    expect(log.lines[1]?.message).toBe('metrics.panicked() threw (1000 times in 10 s)');
  });
});

describe('the option metrics', () => {
  test('takes one object or a list, of any class', () => {
    class Mine {
      readonly more = 5;
      panicked(): void {}
    }
    const mine = new Mine();
    expect([check(mine), check([mine]), check([])]).toEqual([[mine], [mine], []]);
    expect(check({ text: async () => '' })).toHaveLength(1);
  });

  test.each([
    [
      'no object',
      5,
      'metrics must be an object with at least one of requestEnded\\(\\), .*, text\\(\\), got 5',
    ],
    ['a misspelt method', { requestEnd: () => 1 }, 'metrics must be an object with at least one of'],
    ['a hole', [undefined], 'metrics must be an object with at least one of'],
    ['a method that is no function', { panicked: 5 }, 'metrics.panicked must be a function, got 5'],
  ])('refuses %s', (_what, value, message) => {
    expect(() => check(value)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(`^createNode: ${message}`),
      }),
    );
  });
});
