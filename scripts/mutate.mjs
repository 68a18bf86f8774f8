// npm run mutate: applies one-line mutations to a copy of the sources, one at a time, and wants a red test for each.
// The list is test/mutations.json: { name, file, find, replace, tests }, `find` occurring exactly once in `file`.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.dirname(import.meta.dirname);
const TIMEOUT_MS = 300_000;

const filter = process.argv[2] ?? '';
const mutations = JSON.parse(readFileSync(path.join(ROOT, 'test/mutations.json'), 'utf8')).filter(
  ({ name, file }) => name.includes(filter) || file.includes(filter),
);
const copy = copyRepository();
process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const problems = [];
const baseline = run([...new Set(mutations.flatMap(({ tests }) => tests))]);
if (mutations.length === 0) {
  problems.push(`no mutation matches "${filter}"`);
} else if (!baseline.isGreen) {
  console.error(baseline.output);
  problems.push('the tests are red without any mutation');
} else {
  for (const mutation of mutations) {
    const problem = judge(mutation);
    if (problem !== undefined) problems.push(`${mutation.file}: ${mutation.name}: ${problem}`);
    console.log(
      `${problem === undefined ? 'red as it must be' : problem.toUpperCase()}  ${mutation.file}: ${mutation.name}`,
    );
  }
  console.log(`${mutations.length - problems.length} of ${mutations.length} mutations turned a test red`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

/** What is wrong with the mutation, or undefined when a test went red. */
function judge({ file, find, replace, tests }) {
  const target = path.join(copy, file);
  const text = readFileSync(target, 'utf8');
  const count = text.split(find).length - 1;
  if (count !== 1) return `stale: found ${count} times`;
  writeFileSync(
    target,
    text.replace(find, () => replace),
  );
  try {
    const { isGreen, failedCount, isTimeout } = run(tests);
    if (isGreen) return 'survived';
    // A file that no longer loads proves nothing about the tests; a hang does.
    return failedCount > 0 || isTimeout ? undefined : 'broke the load, no test failed';
  } finally {
    writeFileSync(target, text);
  }
}

function run(tests) {
  const report = path.join(copy, 'report.json');
  rmSync(report, { force: true });
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
  const args = [
    vitest,
    'run',
    ...tests,
    '--reporter=dot',
    '--reporter=json',
    `--outputFile=${report}`,
    '--bail=1',
  ];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: copy,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
  return {
    isGreen: status === 0,
    isTimeout: signal !== null,
    failedCount: readFailedCount(report),
    output: `${stdout}${stderr}`,
  };
}

function readFailedCount(report) {
  try {
    return JSON.parse(readFileSync(report, 'utf8')).numFailedTests;
  } catch {
    return 0;
  }
}

/** Sources copied, foreign libraries linked, our own packages linked to the copy: the clone stays untouched. */
function copyRepository() {
  const folder = mkdtempSync(path.join(tmpdir(), 'clstr-mutate-'));
  const isSource = (file) => !/^(node_modules|coverage|\.turbo|\.git)$/.test(path.basename(file));
  const isNeeded = (name) => /^(packages|examples|bench|test|docs)$|\.(json|ts|md)$/.test(name);
  for (const name of readdirSync(ROOT).filter(isNeeded)) {
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true, filter: isSource });
  }
  linkModules(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  for (const parent of ['packages', 'examples']) {
    for (const name of readdirSync(path.join(ROOT, parent))) linkOwnModules(path.join(parent, name), folder);
  }
  linkOwnModules('bench', folder);
  return folder;
}

function linkModules(from, to) {
  mkdirSync(to);
  for (const name of readdirSync(from)) {
    if (name === '.cache' || name === '.vite') continue;
    if (!name.startsWith('@clstr')) symlinkSync(path.join(from, name), path.join(to, name));
    // Relative links into the repository: copied as they are, they lead into the copy.
    else cpSync(path.join(from, name), path.join(to, name), { recursive: true, verbatimSymlinks: true });
  }
}

/** A workspace has a node_modules of its own when it needs another version than the rest. */
function linkOwnModules(workspace, folder) {
  const own = path.join(ROOT, workspace, 'node_modules');
  try {
    symlinkSync(own, path.join(folder, workspace, 'node_modules'));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}
