/** `npm run check-history`, as a process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, run } from './program.ts';
import type { Ended } from './program.ts';
import { createHistory } from '@clstr/testing/history';

const PROGRAM = join(import.meta.dirname, '../../scripts/check-history.mjs');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'clstr-history-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function check(...lines: string[]): Promise<Ended> {
  const file = join(folder, 'history.jsonl');
  writeFileSync(file, lines.join(''));
  return run(PROGRAM, file);
}

/** Two counters and a register; `lastAnswer` is what the last increment of the first counter got. */
function recorded(lastAnswer: number): string[] {
  const lines: string[] = [];
  const history = createHistory({ onLine: (line) => lines.push(line) });
  const call = (key: string, op: string, at: number, value: unknown, input?: unknown): void => {
    const id = history.invoke({ process: 'p1', key, op, ...(input === undefined ? {} : { input }) }, at);
    history.complete(id, value === undefined ? { outcome: 'unknown' } : { outcome: 'ok', value }, at + 1);
  };
  call('ada', 'increment', 0, 1);
  call('bob', 'increment', 2, undefined);
  call('bob', 'get', 4, 1);
  call('name', 'write', 6, undefined, 'x');
  call('name', 'read', 8, 'x');
  call('ada', 'increment', 10, lastAnswer);
  return lines;
}

test(
  'exits 0 for a history that is linearizable, with a line for each class of keys',
  { timeout: BUILD_TIMEOUT_MS },
  async () => {
    const { code, stdout } = await check(...recorded(2));
    expect(stdout).toBe(
      'counter: linearizable, 2 keys, 4 operations (3 ok, 0 not-executed, 1 unknown), 0 violations, 0 undecided\n' +
        'register: linearizable, 1 keys, 2 operations (1 ok, 0 not-executed, 1 unknown), 0 violations, 0 undecided\n',
    );
    expect(code).toBe(0);
  },
);

test(
  'exits 1 for a violation, naming the key and the operations',
  { timeout: BUILD_TIMEOUT_MS },
  async () => {
    const { code, stdout } = await check(...recorded(1));
    expect(stdout).toMatch(
      /^counter: violation, 2 keys, .*, 1 violations, 0 undecided\n {2}key "ada": .*one update is lost\n {4}p1 increment\(\) = 1 \[0, 1\]\n {4}p1 increment\(\) = 1 \[10, 11\]\nregister: linearizable/,
    );
    expect(code).toBe(1);
  },
);

test.each([
  ['a malformed line, by its number', ['{"type":"invoke"}\n'], /history\.jsonl: line 1: id must be/],
  [
    'an operation of no model',
    recorded(2).map((line) => line.replace('"get"', '"pop"')),
    /key "bob" has the operation "pop": a counter has/,
  ],
])('exits 2 for %s', { timeout: BUILD_TIMEOUT_MS }, async (_, lines, message) => {
  const { code, stdout, stderr } = await check(...lines);
  expect(stderr).toMatch(message);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

test.each([
  ['a file that is not there', [join('nowhere', 'history.jsonl')], /ENOENT/],
  ['no file', [], /Name one file/],
  ['an unknown option', ['--fast', 'file'], /--fast/],
])('exits 2 for %s', { timeout: BUILD_TIMEOUT_MS }, async (_, args, message) => {
  const { code, stderr } = await run(PROGRAM, ...args);
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
});

test('exits 3 when the search was given up', { timeout: BUILD_TIMEOUT_MS }, async () => {
  const file = join(folder, 'wide.jsonl');
  const lines: string[] = [];
  const history = createHistory({ onLine: (line) => lines.push(line) });
  const ids = Array.from({ length: 20 }, (_, input) =>
    history.invoke({ process: 'p', key: 'k', op: 'write', input }, 0),
  );
  for (const id of ids) history.complete(id, { outcome: 'ok' }, 1);
  history.complete(
    history.invoke({ process: 'p', key: 'k', op: 'read' }, 2),
    { outcome: 'ok', value: 'none' },
    3,
  );
  writeFileSync(file, lines.join(''));
  const { code, stdout } = await run(PROGRAM, '--max-configurations', '500', file);
  expect(stdout).toMatch(/^register: undecided.* 1 undecided\n {2}undecided: k\n$/);
  expect(code).toBe(3);
});

test('explains itself with --help', { timeout: BUILD_TIMEOUT_MS }, async () => {
  const { code, stdout } = await run(PROGRAM, '--help');
  expect(stdout).toMatch(/^Checks whether[^]*Usage: npm run check-history/);
  expect(code).toBe(0);
});
