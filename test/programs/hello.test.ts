/** The built program, as a reader would run it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, build, run } from './program.ts';

const FOLDER = join(import.meta.dirname, '../../examples/hello');

beforeAll(() => build(FOLDER), BUILD_TIMEOUT_MS);

test('prints what the actor answers, and ends by itself', { timeout: 30_000 }, async () => {
  const program = join(FOLDER, 'dist/main.js');
  expect(await run(program)).toEqual({ code: 0, stdout: '2\n', stderr: '' });
});

test('takes under 30 lines', () => {
  const source = readFileSync(join(FOLDER, 'src/main.ts'), 'utf8');
  expect(source.trimEnd().split('\n').length).toBeLessThan(30);
});
