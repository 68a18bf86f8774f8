/** The pages about durable actors and their stores: their programs and tests, as a reader saves and runs them. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, build, run } from './program.ts';
import { ROOT, buildPackages, readmePrograms } from './readme.ts';
import { runTestsOf } from './reader.ts';

beforeAll(() => {
  buildPackages();
  for (const name of ['conformance', 'durable']) build(join(ROOT, 'packages', name));
}, BUILD_TIMEOUT_MS);

test('the store of the page passes its suite, with one theme skipped', { timeout: 180_000 }, async () => {
  const { files, code, output } = await runTestsOf('docs/how-to/write-a-store.md');
  expect(files).toEqual(['file-store.ts', 'file-store.test.ts']);
  expect(code, output).toBe(0);
  expect(output).toMatch(/Tests\s+\d{2} passed \| 9 skipped/);
});

test('the tests of the page about durable actors pass', { timeout: 180_000 }, async () => {
  const { files, code, output } = await runTestsOf('docs/how-to/durable-actors.md');
  expect(files).toEqual(['account.test.ts']);
  expect(code, output).toBe(0);
  expect(output).toMatch(/Tests\s+3 passed/);
});

test('the programs of the page about durable actors run as printed', { timeout: 60_000 }, async () => {
  const programs = readmePrograms('', 'docs/how-to/durable-actors.md');
  const printed = {
    'State that is stored whole': 'TOO_LITTLE\n500\n',
    Events: '3\n{ pen: 3 }\n',
    'New versions': '',
  };
  for (const [name, stdout] of Object.entries(printed)) {
    const program = programs.find(({ title }) => title === name)!;
    expect(await run(program.write()), name).toEqual({ code: 0, stdout, stderr: '' });
  }
});

test('the first program of @clstr/durable prints the balance', { timeout: 60_000 }, async () => {
  const [first] = readmePrograms('', 'packages/durable/README.md');
  // A cluster on a busy machine may log that its start takes long.
  expect(await run(first!.write())).toMatchObject({ code: 0, stdout: '500\n' });
});
