// npm run verify: every check, one line each; all of them run, so that one failure does not hide the next.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { findNatsServer } from './nats-server.mjs';

const ROOT = path.dirname(import.meta.dirname);
const CACHE = path.join(ROOT, 'node_modules/.cache/clstr');
const RESULTS = path.join(CACHE, 'tests.json');
const node = (file, ...args) => [process.execPath, [path.join(ROOT, file), ...args]];

/** In order; `needs` names a step without which this one would only repeat its failure. */
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
  {
    name: 'tests',
    run: node(
      'node_modules/vitest/vitest.mjs',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${RESULTS}`,
    ),
  },
];

mkdirSync(CACHE, { recursive: true });
rmSync(RESULTS, { force: true });

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
console.log(failed.length === 0 ? 'verify: all steps passed' : `verify: FAILED: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

const counts = readCounts();
if (counts === undefined) console.log('verify: the tests left no result');
else console.log(counts);

/** The last line: what vitest's own report counted. A file that could not be loaded counts as one failure. */
function readCounts() {
  let report;
  try {
    report = JSON.parse(readFileSync(RESULTS, 'utf8'));
  } catch {
    return undefined;
  }
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const skipped = report.numPendingTests + report.numTodoTests;
  const line = `${report.numPassedTests} passed, ${report.numFailedTests + unloaded} failed`;
  return skipped === 0 ? line : `${line}, ${skipped} skipped`;
}
