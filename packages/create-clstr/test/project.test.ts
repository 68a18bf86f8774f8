/** What `npm create clstr` writes and refuses. `npm run consumers` compiles the project and runs its tests. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createProject } from '../src/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'create-clstr-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const filesIn = (project: string): string[] =>
  readdirSync(join(folder, project), { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.\w+$/.test(file),
  );

test('writes a project under the name of its folder, with our version', () => {
  createProject(join(folder, 'my-service'));
  expect(filesIn('my-service').sort()).toEqual([
    '.gitignore',
    'package.json',
    'src/cluster.ts',
    'src/contract.ts',
    'src/counter.ts',
    'src/gateway.ts',
    'src/service.ts',
    'test/service.test.ts',
    'tsconfig.json',
  ]);
  const read = (file: string): string => readFileSync(join(folder, 'my-service', file), 'utf8');
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
  expect(manifest).toMatchObject({ name: 'my-service', dependencies: { '@clstr/app': '^0.1.0' } });
  expect(read('src/cluster.ts')).toContain(`name: 'my-service'`);
  for (const file of filesIn('my-service')) expect(read(file)).not.toMatch(/\{\{/);
});

test('writes into an empty folder, but not into one with files', () => {
  mkdirSync(join(folder, 'mine'));
  createProject(join(folder, 'mine'));
  const before = filesIn('mine');
  expect(() => {
    createProject(join(folder, 'mine'));
  }).toThrow(/mine is not empty$/);
  expect(filesIn('mine')).toEqual(before);
});

test('does not write over a file', () => {
  writeFileSync(join(folder, 'mine'), 'text');
  expect(() => {
    createProject(join(folder, 'mine'));
  }).toThrow(/mine is a file$/);
});

test.each(['My-Service', '1st', 'a b', 'a.b', '-a', '@scope', 'ä', `a${'b'.repeat(63)}`])(
  'refuses the name %s',
  (name) => {
    expect(() => {
      createProject(join(folder, name));
    }).toThrow(/^".*" cannot be the name of a project: .*$/);
    expect(readdirSync(folder)).toEqual([]);
  },
);
