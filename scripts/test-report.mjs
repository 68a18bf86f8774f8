// Reads vitest's JSON report of a step, and keeps the report of a failed run: no later run removes it.
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** More names than these would push the rest of the output away; the report holds them all. */
const MAX_NAMES = 50;

/** The report in `file`, or undefined when the run ended before it was written. */
export function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** How many tests passed, failed and were skipped. A file that could not be loaded counts as one failure. */
export function countTests(report) {
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + report.testResults.filter(isUnloaded).length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** One line for each failed test: its file, its name and the first line of its error. */
export function failedTests(report, root) {
  const lines = [];
  for (const result of report.testResults) {
    const file = path.relative(root, result.name);
    if (isUnloaded(result)) lines.push(`${file}: could not be loaded: ${firstLine(result.message)}`);
    for (const test of result.assertionResults) {
      if (test.status !== 'failed') continue;
      lines.push(`${file} > ${test.fullName}: ${firstLine(test.failureMessages?.[0])}`);
    }
  }
  const left = lines.length - MAX_NAMES;
  return left > 0 ? [...lines.slice(0, MAX_NAMES), `and ${left} more`] : lines;
}

/** Copies a report to `folder` under the time of the run, and returns the path of the copy. */
export function keepReport(file, folder, startedAt) {
  mkdirSync(folder, { recursive: true });
  const stamp = startedAt.toISOString().slice(0, 19).replaceAll(':', '-');
  const kept = path.join(folder, `${stamp}-${path.basename(file)}`);
  copyFileSync(file, kept);
  return kept;
}

function isUnloaded(result) {
  return result.status === 'failed' && !result.assertionResults.some((test) => test.status === 'failed');
}

function firstLine(text = '') {
  return text.split('\n', 1)[0];
}
