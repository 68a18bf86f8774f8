import { describe, expect, test } from 'vitest';
import { readHistory } from '../../src/checkers/history-file.ts';
import { createHistory, operationsByKey } from '../../src/checkers/history.ts';
import { describeOperation } from '../../src/checkers/operation.ts';
import { MalformedHistoryError } from '../../src/errors.ts';
import { chance, seed } from './seeded.ts';

const call = { process: 'p1', key: 'a', op: 'increment' };

describe('a history', () => {
  test('has every operation that was invoked, with its end', () => {
    const history = createHistory();
    const first = history.invoke(call, 1);
    const second = history.invoke({ ...call, op: 'write', input: { x: 1 } }, 2);
    history.invoke({ ...call, key: 'b' }, 3);
    history.complete(second, { outcome: 'not-executed' }, 4);
    history.complete(first, { outcome: 'ok', value: 7 }, 5);
    expect(history.operations()).toEqual([
      { ...call, invokedAt: 1, endedAt: 5, outcome: 'ok', value: 7 },
      { ...call, op: 'write', input: { x: 1 }, invokedAt: 2, endedAt: 4, outcome: 'not-executed' },
      { ...call, key: 'b', invokedAt: 3, outcome: 'unknown' },
    ]);
    expect([...operationsByKey(history.operations())].map(([key, all]) => [key, all.length])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect(history.operations().map(describeOperation)).toEqual([
      'p1 increment() = 7 [1, 5]',
      'p1 write({"x":1}) not-executed [2, 4]',
      'p1 increment() unknown [3, …]',
    ]);
  });

  test('refuses to complete an operation that is not running', () => {
    const history = createHistory();
    const id = history.invoke(call, 1);
    history.complete(id, { outcome: 'ok', value: 1 }, 2);
    expect(() => history.complete(id, { outcome: 'unknown' }, 3)).toThrow('operation 0 is not running');
    expect(() => history.complete(5, { outcome: 'unknown' }, 3)).toThrow('operation 5 is not running');
  });
});

describe('the file form', () => {
  function record(count: number): { lines: string[]; history: ReturnType<typeof createHistory> } {
    const random = chance(seed);
    const lines: string[] = [];
    const history = createHistory({ onLine: (line) => lines.push(line) });
    for (let at = 0; at < count; at++) {
      const id = history.invoke(
        { ...call, key: `k${random.below(5)} "ü"\n`, ...(at % 3 ? {} : { input: [at] }) },
        at,
      );
      const outcome = random.pick(['ok', 'unknown', 'not-executed', undefined] as const);
      if (outcome === 'ok') history.complete(id, { outcome, value: at }, at + 0.5);
      else if (outcome !== undefined) history.complete(id, { outcome }, at + 0.5);
    }
    return { lines, history };
  }

  test('is one line per event, and reads back as what was recorded', () => {
    const { lines, history } = record(200);
    expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
    expect(readHistory(lines.join(''))).toEqual(history.operations());
  });

  test('can be read wherever its writer was cut off, and then holds less, never something else', () => {
    const { lines, history } = record(20);
    const file = lines.join('');
    for (let end = 0; end <= file.length; end += 7) {
      const read = readHistory(file.slice(0, end));
      for (const [index, operation] of read.entries()) {
        const whole = history.operations()[index]!;
        const { process, key, op, invokedAt } = whole;
        expect(operation).toMatchObject({ process, key, op, invokedAt });
        if (operation.endedAt !== undefined) expect(operation).toEqual(whole);
        else expect(operation).toMatchObject({ outcome: 'unknown' });
      }
    }
  });

  const invoke = '{"type":"invoke","id":0,"at":5,"process":"p","key":"k","op":"get"}';
  const complete = '{"type":"complete","id":0,"at":6,"outcome":"ok","value":1}';

  test.each([
    ['no JSON', [invoke, '{"type":'], 2, 'is not JSON'],
    ['an empty line', ['', invoke], 1, 'is not JSON'],
    ['a list', ['[]'], 1, 'is not an object'],
    ['another type', ['{"type":"note"}'], 1, 'type must be invoke or complete, got "note"'],
    ['no key', [invoke.replace('"key":"k",', '')], 1, 'key must be a string, which is missing'],
    ['a key that is a number', [invoke.replace('"k"', '5')], 1, 'key must be a string, got 5'],
    ['a time that is text', [invoke.replace(':5', ':"5"')], 1, 'at must be a number, got "5"'],
    ['an id below 0', [invoke.replace('"id":0', '"id":-1')], 1, 'id must be a whole number from 0, got -1'],
    ['an unknown field', [invoke.replace('"op"', '"opp":1,"op"')], 1, 'unknown field "opp" in invoke'],
    ['an id used twice', [invoke, invoke], 2, 'operation 0 is invoked twice'],
    ['an end without a start', [complete], 1, 'operation 0 is complete before it is invoked'],
    ['two ends', [invoke, complete, complete], 3, 'operation 0 is complete twice'],
    [
      'an end before the start',
      [invoke, complete.replace(':6', ':4')],
      2,
      'operation 0 ends at 4, before its start at 5',
    ],
    [
      'another outcome',
      [invoke, complete.replace('"ok"', '"fine"')],
      2,
      'outcome must be ok, not-executed or unknown, got "fine"',
    ],
    [
      'a value of what is unknown',
      [invoke, complete.replace('"ok"', '"unknown"')],
      2,
      'only an operation with the outcome ok has a value',
    ],
  ])('is refused with %s, naming the line and the problem', (_, lines, line, problem) => {
    const read = (): unknown => readHistory(`${lines.join('\n')}\n`);
    expect(read).toThrow(MalformedHistoryError);
    expect(read).toThrow(
      expect.objectContaining({
        name: 'MalformedHistoryError',
        line,
        problem,
        message: `line ${line}: ${problem}`,
      }),
    );
  });
});
