/** The programs of README.md and of how-to pages, and the first ones of package READMEs, run as printed. */
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, run } from './program.ts';
import { PRINTED, buildPackages, readmePrograms } from './readme.ts';

beforeAll(buildPackages, BUILD_TIMEOUT_MS);

describe.skipIf(!hasNatsServer())('README.md', { timeout: 60_000 }, () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
  });
  afterAll(() => server.stop());

  test('has these programs', () => {
    expect(readmePrograms(server.url).map(({ title }) => title)).toEqual(PRINTED.map(({ title }) => title));
  });

  test.each(PRINTED.map(({ title, stdout }, index) => ({ title, stdout, index })))(
    'program $index, of "$title", runs as printed',
    async ({ stdout, index }) => {
      const ended = await run(readmePrograms(server.url)[index]!.write());
      expect(ended).toEqual({ code: 0, stdout, stderr: '' });
    },
  );
});

describe.skipIf(!hasNatsServer())('the first program of a package README', { timeout: 60_000 }, () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
  });
  afterAll(() => server.stop());

  test.each([
    { name: 'core', stdout: /^user-123 lives at node-[12]\n$/ },
    { name: 'transport-memory', stdout: /^(hello|TIMEOUT)\n$/ },
    { name: 'transport-nats', stdout: /^serving\n$/, end: 'console.log(node.state);' },
  ])('$name: runs as printed', async ({ name, stdout, end = '' }) => {
    const [first] = readmePrograms(server.url, `packages/${name}/README.md`);
    // Its nodes would serve until they are stopped.
    const ended = await run(first!.write('first', (text) => `${text}\n${end}\nprocess.exit(0);`));
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(stdout);
  });
});

test('the programs about interceptors and middleware run as printed', { timeout: 60_000 }, async () => {
  const ended: { stdout: string }[] = [];
  for (const program of readmePrograms('', 'docs/how-to/interceptors.md'))
    ended.push(await run(program.write()));
  expect(ended).toEqual([
    { code: 0, stderr: '', stdout: expect.stringMatching(/^Greet took \d+\.\d ms\nhello, acme\n$/) },
    { code: 0, stderr: '', stdout: 'NO_TENANT\nacme: greeter/lobby.greet\nhello, Ada\n' },
  ]);
});

test('the programs about many calls and calls to nodes run as printed', { timeout: 60_000 }, async () => {
  const programs = readmePrograms('', 'docs/how-to/calls-that-survive.md');
  const titled = (title: string) => programs.find((program) => program.title === title)!;
  expect(await run(titled('Many calls at once').write())).toEqual({
    code: 0,
    stderr: '',
    stdout: '3\nonly 5 are left\n2\n',
  });
  expect(await run(titled('Calls to nodes').write())).toEqual({
    code: 0,
    stderr: '',
    stdout: 'node-1 7\n7\n',
  });
});

test('the first program about calls that survive runs as printed', { timeout: 60_000 }, async () => {
  const [first] = readmePrograms('', 'docs/how-to/calls-that-survive.md');
  expect(await run(first!.write())).toEqual({ code: 0, stdout: '5\n', stderr: '' });
});

test('the program about overload refuses guests, and none who pays', { timeout: 60_000 }, async () => {
  const programs = readmePrograms('', 'docs/how-to/calls-that-survive.md');
  const overload = programs.find(({ title }) => title === 'Overload');
  expect(await run(overload!.write())).toEqual({ code: 0, stdout: 'paid\ntrue\n', stderr: '' });
});

test('the first program of the conformance README is the test of the memory transport', () => {
  const [first] = readmePrograms('', 'packages/conformance/README.md');
  const run = readFileSync(join(import.meta.dirname, '../conformance/memory.test.ts'), 'utf8');
  expect(run.replace(/^\/\*\*.*\*\/\n/, '')).toBe(`${first!.text}\n`);
});
