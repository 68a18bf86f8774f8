// Packs the package in the current folder as npm would publish it, and checks what a user would install:
// publint for the manifest, attw for the types. Turbo runs it in every package.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

const require = createRequire(import.meta.url);
const folder = mkdtempSync(path.join(tmpdir(), 'clstr-packed-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const pack = spawnSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
  encoding: 'utf8',
  shell: process.platform === 'win32',
});
if (pack.status !== 0) {
  console.error(pack.stderr);
  process.exit(1);
}
const [packed] = JSON.parse(pack.stdout);
const tarball = path.join(folder, packed.filename);
for (const { path: file } of packed.files) {
  // A template has the tests of the project that it becomes.
  if (!file.startsWith('template/') && /(^|\/)(test|node_modules)\/|\.tsbuildinfo$/.test(file)) {
    console.error(`${packed.name} would publish ${file}`);
    process.exitCode = 1;
  }
}

check(binary('publint', 'publint'), ['run', tarball, '--strict']);
check(binary('@arethetypeswrong/cli', 'attw'), [tarball, '--profile', 'esm-only', '--no-emoji']);

function check(file, args) {
  const { status } = spawnSync(process.execPath, [file, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

function binary(library, name) {
  const manifest = findManifest(library);
  const { bin } = require(manifest);
  return path.join(path.dirname(manifest), typeof bin === 'string' ? bin : bin[name]);
}

/** Looks in the folder, since a package need not export its package.json. */
function findManifest(library) {
  return path.join(import.meta.dirname, '../node_modules', library, 'package.json');
}
