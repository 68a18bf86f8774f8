/** What the simulator hands to `checkCounters`. */
import { describe, expect, test } from 'vitest';
import { checkCounters } from '../../src/checkers/counter-check.ts';
import type { Operation } from '../../src/checkers/operation.ts';
import { incrementsOf } from '../../src/simulation/counter-history.ts';
import type { CounterCall } from '../../src/simulation/counter-history.ts';

const call = (fields: Partial<CounterCall>): CounterCall => ({
  key: 'ada',
  id: 0,
  client: 1,
  invokedMs: 10,
  endedMs: 20,
  value: undefined,
  outcome: 'pending',
  starts: 1,
  sends: 1,
  isIdempotent: false,
  ...fields,
});
const stored = (value: number): Operation => ({
  process: 'store',
  key: 'ada',
  op: 'get',
  invokedAt: 99,
  endedAt: 99,
  outcome: 'ok',
  value,
});
const verdictOn = (calls: readonly CounterCall[], value: number): string =>
  checkCounters([...calls.flatMap(incrementsOf), stored(value)]).kind;

describe('the increments of a call', () => {
  test('are none if its handler never started', () => {
    expect(incrementsOf(call({ starts: 0, outcome: 'unknown' }))).toEqual([]);
  });

  test('are one for each start, of which only the answer is certain', () => {
    const increments = incrementsOf(call({ outcome: 'ok', value: 2, starts: 2, isIdempotent: true }));
    expect(increments).toMatchObject([{ outcome: 'ok', value: 2, endedAt: 20 }, { outcome: 'unknown' }]);
  });
});

describe('the history of a counter', () => {
  const answered = call({ outcome: 'ok', value: 1 });

  test.each<[string, readonly CounterCall[], number]>([
    ['an answer that is stored', [answered], 1],
    ['a call without an answer that was stored', [answered, call({})], 2],
    ['a call without an answer that was not', [answered, call({})], 1],
    ['an idempotent call that ran twice', [call({ outcome: 'ok', value: 2, starts: 2 })], 2],
  ])('is right with %s', (_, calls, value) => {
    expect(verdictOn(calls, value)).toBe('linearizable');
  });

  test.each<[string, readonly CounterCall[], number]>([
    ['an acknowledged increment that is not stored', [answered], 0],
    ['more stored than handlers started', [answered], 2],
    ['two calls with one answer', [answered, answered], 2],
    ['an answer that goes back', [answered, call({ invokedMs: 1, endedMs: 9, outcome: 'ok', value: 2 })], 2],
  ])('is wrong with %s', (_, calls, value) => {
    expect(verdictOn(calls, value)).toBe('violation');
  });
});
