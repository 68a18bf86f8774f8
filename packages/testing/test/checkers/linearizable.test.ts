import { describe, expect, test } from 'vitest';
import { checkCounters } from '../../src/checkers/counter-check.ts';
import { checkLinearizable } from '../../src/checkers/linearizable.ts';
import type { Operation, OperationOutcome } from '../../src/checkers/operation.ts';
import { counterModel, registerModel } from '../../src/checkers/sequential-model.ts';
import type { Verdict } from '../../src/checkers/verdict.ts';
import { COUNTER_MUTATIONS, REGISTER_MUTATIONS, generateHistory } from './generated-history.ts';
import type { Effective, Mutation, Shape } from './generated-history.ts';
import { chance, seed } from './seeded.ts';
import type { Chance } from './seeded.ts';

console.log(`seed of the histories: ${seed}`);

const VALID = 1_000;
/** Of each kind of mutation. */
const SPOILED = 300;
/** Kinds that need a history without unknown operations find one in every second. */
const TRIES = 20 * SPOILED;

const searchCounters = (operations: readonly Operation[]): Verdict =>
  checkLinearizable(operations, counterModel);
const searchRegisters = (operations: readonly Operation[]): Verdict =>
  checkLinearizable(operations, registerModel);

function shapeOf(random: Chance, index: number): Shape {
  return {
    key: `key-${index}`,
    operations: 4 + random.below(30),
    processes: 1 + random.below(5),
    unknown: random.is(0.5) ? 0 : 0.2,
  };
}

/** In any order: a recorder's is that of invocation. */
function recorded(history: readonly Operation[]): Operation[] {
  return [...history].sort((a, b) => a.invokedAt - b.invokedAt);
}

describe.each([
  { name: 'checkCounters', model: counterModel, check: checkCounters, mutations: COUNTER_MUTATIONS },
  {
    name: 'checkLinearizable with counters',
    model: counterModel,
    check: searchCounters,
    mutations: COUNTER_MUTATIONS,
  },
  {
    name: 'checkLinearizable with registers',
    model: registerModel,
    check: searchRegisters,
    mutations: REGISTER_MUTATIONS,
  },
])('$name', ({ model, check, mutations }) => {
  const generate = (random: Chance, index: number): Effective[] =>
    generateHistory<never>(model as never, shapeOf(random, index), random);

  test(`accepts ${VALID} valid histories`, () => {
    const random = chance(seed);
    const outcomes = new Map<OperationOutcome, number>();
    for (let index = 0; index < VALID; index++) {
      const history = recorded(generate(random, index));
      for (const { outcome } of history) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      expect(check(history), `seed ${seed}, history ${index}`).toMatchObject({ kind: 'linearizable' });
    }
    for (const outcome of ['ok', 'not-executed', 'unknown'] as const) {
      expect(outcomes.get(outcome), outcome).toBeGreaterThan(VALID / 2);
    }
  });

  test.each(Object.entries<Mutation>(mutations))(`refuses ${SPOILED} histories with a %s`, (_, mutate) => {
    const random = chance(seed);
    let spoiled = 0;
    for (let index = 0; index < TRIES && spoiled < SPOILED; index++) {
      const history = mutate(generate(random, index), random);
      if (history === undefined) continue;
      spoiled++;
      const verdict = check(recorded(history));
      expect(verdict.kind, `seed ${seed}, history ${index}`).toBe('violation');
      const [violation] = verdict.violations;
      expect(violation!.key).toBe(history[0]!.key);
      expect(violation!.operations.length).toBeGreaterThan(0);
      for (const operation of violation!.operations) expect(operation.key).toBe(history[0]!.key);
    }
    expect(spoiled).toBe(SPOILED);
  });
});

test('the fast check of counters agrees with the search, on 5,000 small histories of any answers', () => {
  const random = chance(seed);
  const kinds = { linearizable: 0, violation: 0, undecided: 0 };
  for (let index = 0; index < 5_000; index++) {
    const history: Operation[] = Array.from({ length: 1 + random.below(7) }, () => {
      const invokedAt = random.below(8);
      const op = random.is(0.6) ? 'increment' : 'get';
      const outcome = random.pick(['ok', 'ok', 'ok', 'ok', 'unknown', 'not-executed'] as const);
      const call = { process: 'p', key: 'k', op, invokedAt, endedAt: invokedAt + random.below(8), outcome };
      return outcome === 'ok' ? { ...call, value: random.below(5) + (op === 'get' ? 0 : 1) } : call;
    });
    const fast = checkCounters(history);
    const searched = searchCounters(history);
    expect(fast.kind, `seed ${seed}, history ${index}: ${JSON.stringify(history)}`).toBe(searched.kind);
    kinds[fast.kind]++;
  }
  console.log('verdicts on any answers:', JSON.stringify(kinds));
  expect(kinds.linearizable).toBeGreaterThan(500);
  expect(kinds.violation).toBeGreaterThan(500);
});

describe('of a few operations', () => {
  function op(text: string): Operation {
    const [process, call, invokedAt, endedAt, answer] = text.split(' ') as [
      string,
      string,
      string,
      string,
      string,
    ];
    const [name, input] = call.split(':') as [string, string | undefined];
    const times = { invokedAt: Number(invokedAt), ...(endedAt === '-' ? {} : { endedAt: Number(endedAt) }) };
    const outcome = answer === 'unknown' || answer === 'not-executed' ? answer : 'ok';
    const value = outcome === 'ok' && answer !== 'ok' ? { value: JSON.parse(answer) as unknown } : {};
    return {
      process,
      key: 'k',
      op: name,
      ...(input === undefined ? {} : { input }),
      ...times,
      outcome,
      ...value,
    };
  }

  test.each([
    ['nothing', []],
    ['one', ['a increment 0 1 1']],
    ['two at once, answered crosswise', ['a increment 0 9 2', 'b increment 1 8 1']],
    ['a touching pair, which may be in either order', ['a increment 0 5 2', 'b increment 5 6 1']],
    ['an unknown that surfaces late', ['a increment 0 1 unknown', 'b get 2 3 0', 'b get 4 5 1']],
    ['an unknown that never happened', ['a increment 0 - unknown', 'b get 2 3 0']],
    ['a refused one', ['a increment 0 1 not-executed', 'b get 2 3 0']],
  ])('accepts %s', (_, lines) => {
    expect(checkCounters(lines.map(op)).kind).toBe('linearizable');
    expect(searchCounters(lines.map(op)).kind).toBe('linearizable');
  });

  test.each([
    [['a increment 0 1 1', 'b increment 2 3 1'], /answered the same: one update is lost/, 2],
    [['a increment 0 1 1', 'b get 2 3 0'], /had seen 1 when it ended, but b get.* began later/, 2],
    [['a increment 0 1 not-executed', 'b get 2 3 1'], /at most 0 increments took effect/, 1],
    [['a get 0 1 1', 'b increment 2 3 unknown'], /step 1 needs b increment\(\) unknown/, 2],
    [['a increment 0 1 0'], /is not an answer of a counter/, 1],
    [['a get 0 1 1e9'], /at most 0 increments/, 1],
    [['a get 0 1 ok'], /not an answer of a counter/, 1],
  ] as const)('checkCounters explains %j', (lines, explanation, involved) => {
    const verdict = checkCounters(lines.map(op));
    expect(verdict.violations).toEqual([
      { key: 'k', explanation: expect.stringMatching(explanation), operations: expect.anything() },
    ]);
    expect(verdict.violations[0]!.operations).toHaveLength(involved);
    expect(searchCounters(lines.map(op)).kind).toBe('violation');
  });

  test('a search explains the first contradiction by what came before it and what cannot come next', () => {
    const history = [
      'a write:x 0 1 ok',
      'a write:y 2 3 ok',
      'b read 4 5 "x"',
      'b read 6 7 "y"',
      'c read 8 9 null',
    ];
    expect(searchRegisters(history.map(op)).violations).toEqual([
      {
        key: 'k',
        explanation:
          'no order explains the answers; the longest try is at "y" after a write("y") ok [2, 3], ' +
          'where b read() = "x" [4, 5] should have answered "y"',
        operations: [op('a write:y 2 3 ok'), op('b read 4 5 "x"')],
      },
    ]);
  });

  test('a search that grows past its limit is undecided, not endless, and a violation elsewhere counts more', () => {
    const writes = Array.from({ length: 24 }, (_, index) => op(`p${index} write:${index} 0 9 ok`));
    const impossible = [...writes, op('q read 20 21 "none"')];
    const verdict = checkLinearizable(impossible, registerModel, { maxConfigurations: 1_000 });
    expect(verdict).toMatchObject({ kind: 'undecided', undecidedKeys: ['k'], violations: [] });
    const both = [...impossible, { ...op('a read 0 1 "none"'), key: 'other' }];
    const violated = checkLinearizable(both, registerModel, { maxConfigurations: 1_000 });
    expect(violated).toMatchObject({ kind: 'violation', undecidedKeys: ['k'], keys: 2, operations: 26 });
  });

  test('refuses operations that the model does not have, and options it does not know', () => {
    const refusal = expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('"write"'),
    });
    expect(() => checkCounters([op('a write:x 0 1 ok')])).toThrow(refusal);
    expect(() => searchCounters([op('a write:x 0 1 ok')])).toThrow(refusal);
    expect(() => checkLinearizable([], counterModel, { maxSteps: 1 } as never)).toThrow(
      /unknown option "maxSteps"/,
    );
    expect(() => checkLinearizable([], counterModel, { maxConfigurations: 0 })).toThrow(
      /maxConfigurations must be/,
    );
  });
});

test('checkCounters takes 100,000 operations of one key in well under two seconds of processor time', () => {
  const random = chance(seed);
  const shape = { key: 'hot', operations: 100_000, processes: 64, unknown: 0.05 };
  const history = recorded(generateHistory(counterModel, shape, random));
  const before = process.cpuUsage();
  expect(checkCounters(history).kind).toBe('linearizable');
  const { user, system } = process.cpuUsage(before);
  const tookMs = (user + system) / 1_000;
  console.log(`checkCounters: ${history.length} operations of one key in ${tookMs.toFixed(0)} ms`);
  expect(tookMs).toBeLessThan(2_000);
});
