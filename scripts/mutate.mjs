// npm run mutate -- packages/core/src/cluster/lease.ts …: changes these sources in small ways, and shows the changes that
// no unit test of their package notices. It takes minutes per file, and fails if more than a quarter go unnoticed.
// It changes the files in place, because packages find each other through links: the tree has to be clean.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.dirname(import.meta.dirname);
const TOOL = path.join(ROOT, 'test/mutation');
const STRYKER = path.join(TOOL, 'node_modules/@stryker-mutator/core/bin/stryker.js');

function run(command, args, options = {}) {
  const { status, stdout } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: 'inherit',
    encoding: 'utf8',
    ...options,
  });
  if (status !== 0) process.exit(status ?? 1);
  return stdout;
}

const files = process.argv.slice(2);
const packages = new Set(files.map((file) => /^packages\/([^/]+)\/src\/.+\.ts$/.exec(file)?.[1]));
if (files.length === 0 || packages.size !== 1 || packages.has(undefined)) {
  console.error('usage: npm run mutate -- packages/<one package>/src/<file>.ts …');
  process.exit(2);
}
if (run('git', ['status', '--porcelain'], { stdio: 'pipe' }) !== '') {
  console.error('mutate: commit first: the files are changed in place');
  process.exit(2);
}
if (!existsSync(STRYKER)) {
  // The runner has to load the vitest of the repository, not one of its own.
  run('npm', [
    'install',
    '--prefix',
    TOOL,
    '--no-package-lock',
    '--legacy-peer-deps',
    '--no-audit',
    '--no-fund',
  ]);
}
run(process.execPath, [STRYKER, 'run', path.join(TOOL, 'stryker.config.mjs'), '--mutate', files.join(',')], {
  env: { ...process.env, MUTATED_PACKAGE: [...packages][0] },
});
