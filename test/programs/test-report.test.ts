/** What `npm run verify` says about failed tests, and that it keeps their report. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const PROGRAM = join(import.meta.dirname, '../../scripts/test-report.mjs');
const { countTests, failedTests, keepReport, readReport } = (await import(PROGRAM)) as {
  countTests(report: unknown): Record<string, number>;
  failedTests(report: unknown, root: string): string[];
  keepReport(file: string, folder: string, startedAt: Date): string;
  readReport(file: string): unknown;
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'clstr-report-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const ROOT = import.meta.dirname;
const bad = (n: number) => ({
  status: 'failed',
  fullName: `store test ${n}`,
  failureMessages: ['AssertionError: expected 1 to be 2\n at'],
});
const REPORT = {
  numPassedTests: 5,
  numFailedTests: 1,
  numPendingTests: 1,
  numTodoTests: 1,
  testResults: [
    { name: join(ROOT, 'a.test.ts'), status: 'failed', assertionResults: [{ status: 'passed' }, bad(1)] },
    { name: join(ROOT, 'b.test.ts'), status: 'failed', message: 'SyntaxError: x\n at', assertionResults: [] },
    { name: join(ROOT, 'c.test.ts'), status: 'passed', assertionResults: [{ status: 'passed' }] },
  ],
};

test('names each failed test with its file and the first line of its error', () => {
  expect(failedTests(REPORT, ROOT)).toEqual([
    'a.test.ts > store test 1: AssertionError: expected 1 to be 2',
    'b.test.ts: could not be loaded: SyntaxError: x',
  ]);
  expect(countTests(REPORT)).toEqual({ passed: 5, failed: 2, skipped: 2 });
});

test('names at most 50 and counts the rest', () => {
  const results = Array.from({ length: 53 }, (_, n) => bad(n));
  const testResults = [{ name: join(ROOT, 'a.test.ts'), status: 'failed', assertionResults: results }];
  const lines = failedTests({ ...REPORT, testResults }, ROOT);
  expect(lines).toHaveLength(51);
  expect(lines[50]).toBe('and 3 more');
});

test('keeps a report under the time of its run, beside those of other runs', () => {
  const file = join(folder, 'tests.json');
  const reports = join(folder, 'reports');
  writeFileSync(file, '"first"');
  const first = keepReport(file, reports, new Date('2026-01-02T03:04:05.678Z'));
  writeFileSync(file, '"second"');
  keepReport(file, reports, new Date('2026-01-02T03:09:00.000Z'));
  expect(first).toBe(join(reports, '2026-01-02T03-04-05-tests.json'));
  expect(readFileSync(first, 'utf8')).toBe('"first"');
});

test('says that there is no report when the run ended before it was written', () => {
  expect(readReport(join(folder, 'absent.json'))).toBeUndefined();
});
