// npm run verify: runs every check, one line each, even after a failure, so that one does not hide the next.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { findNatsServer } from './nats-server.mjs';
import { countTests, failedTests, keepReport, readReport } from './test-report.mjs';

const ROOT = path.dirname(import.meta.dirname);
const CACHE = path.join(ROOT, 'node_modules/.cache/clstr');
/** Vitest's results: one file per step that runs tests. */
const RESULTS = ['tests', 'faults'].map((name) => path.join(CACHE, `${name}.json`));
/** Reports of failed runs, under the time of the run. Git ignores them, and nothing here deletes them. */
const REPORTS = path.join(ROOT, 'reports');
const startedAt = new Date();
const node = (file, ...args) => [process.execPath, [path.join(ROOT, file), ...args]];

/** The steps in order; `needs` names a step whose failure this one would only repeat. */
const STEPS = [
  { name: 'build', run: node('scripts/turbo.mjs', 'build') },
  { name: 'types', run: node('node_modules/typescript/bin/tsc', '-b'), needs: 'build' },
  { name: 'lint', run: node('node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0') },
  {
    name: 'format',
    run: node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  },
  { name: 'unused code', run: node('node_modules/knip/bin/knip.js', '--no-config-hints') },
  { name: 'packed types', run: node('scripts/turbo.mjs', 'packed'), needs: 'build' },
  { name: 'consumers', run: node('scripts/consumers.mjs'), needs: 'build' },
  { name: 'tests', run: vitest(RESULTS[0]) },
  // The faults run alone, because they measure time.
  { name: 'faults', run: vitest(RESULTS[1], '--mode', 'faults'), needs: 'build' },
];

function vitest(results, ...args) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  return node('node_modules/vitest/vitest.mjs', 'run', ...args, ...reporters);
}

mkdirSync(CACHE, { recursive: true });
for (const file of RESULTS) rmSync(file, { force: true });

const failed = [];
for (const [index, step] of STEPS.entries()) {
  const label = `verify ${index + 1}/${STEPS.length} ${step.name}`;
  if (step.needs !== undefined && failed.includes(step.needs)) {
    failed.push(step.name);
    console.log(`${label}: not run, ${step.needs} failed`);
    continue;
  }
  const startMs = performance.now();
  const [file, args] = step.run;
  const { status } = spawnSync(file, args, { cwd: ROOT, stdio: 'inherit' });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  if (status !== 0) failed.push(step.name);
  console.log(`${label}: ${status === 0 ? 'ok' : 'FAILED'} (${seconds} s)`);
}

if (!findNatsServer().path)
  console.log('verify: no nats-server was found, so tests against a real one were skipped');
for (const file of RESULTS) showFailures(file);
console.log(failed.length === 0 ? 'verify: all steps passed' : `verify: FAILED: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

const counts = readCounts();
if (counts === undefined) console.log('verify: the tests left no result');
else console.log(counts);

/** The failed tests of a step, and where its report is kept. */
function showFailures(file) {
  const step = path.basename(file, '.json');
  if (!failed.includes(step)) return;
  const report = readReport(file);
  if (report === undefined) {
    console.log(`verify: ${step} left no report`);
    return;
  }
  for (const line of failedTests(report, ROOT)) console.log(`verify: failed: ${line}`);
  console.log(`verify: the report of ${step} is kept in ${keepReport(file, REPORTS, startedAt)}`);
}

/** The last line: the counts of vitest's own reports. */
function readCounts() {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const file of RESULTS) {
    const report = readReport(file);
    if (report === undefined) return undefined;
    for (const [kind, count] of Object.entries(countTests(report))) sum[kind] += count;
  }
  const line = `${sum.passed} passed, ${sum.failed} failed`;
  return sum.skipped === 0 ? line : `${line}, ${sum.skipped} skipped`;
}
