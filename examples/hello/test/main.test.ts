/** The built program, as a reader would run it. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';

const FOLDER = join(import.meta.dirname, '..');
const BUILD_TIMEOUT_MS = 120_000;

beforeAll(() => {
  // Does nothing where the build is up to date.
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-b', FOLDER], { stdio: 'inherit' });
}, BUILD_TIMEOUT_MS);

test('prints what the actor answers, and ends by itself', { timeout: 30_000 }, async () => {
  const program = join(FOLDER, 'dist/main.js');
  expect(await promisify(execFile)(process.execPath, [program])).toEqual({ stdout: '2\n', stderr: '' });
});

test('takes under 30 lines', () => {
  const source = readFileSync(join(FOLDER, 'src/main.ts'), 'utf8');
  expect(source.trimEnd().split('\n').length).toBeLessThan(30);
});
