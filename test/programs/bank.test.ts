/** The built program, as a reader would run it. */
import { join } from 'node:path';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { beforeAll, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, build, run } from './program.ts';
import type { Ended } from './program.ts';

const FOLDER = join(import.meta.dirname, '../../examples/bank');
const MAIN = join(FOLDER, 'dist/main.js');
const RUN_TIMEOUT_MS = 60_000;

beforeAll(() => build(FOLDER), BUILD_TIMEOUT_MS);

/** The number in the row of `name`. */
function rowOf(stdout: string, name: string): number {
  const [, value] = new RegExp(`^ *${name} +([\\d,.]+)`, 'm').exec(stdout)!;
  return Number(value!.replaceAll(',', ''));
}

function expectConserved({ code, stdout, stderr }: Ended): void {
  expect(stderr).toBe('');
  expect(stdout).toMatch(/\nconserved: not a cent was lost or made\n$/);
  expect(code).toBe(0);
  expect(rowOf(stdout, 'money before')).toBe(100_000);
  expect(rowOf(stdout, 'money after')).toBe(100_000);
  const [done, refused, compensated] = ['done', 'refused', 'compensated'].map((name) => rowOf(stdout, name));
  expect(done! + refused! + compensated!).toBe(1_000);
  expect(rowOf(stdout, 'unsettled')).toBe(0);
  // Of a thousand, about two hundred meet a handler that fails, and fifty an account that is not there.
  expect(done).toBeGreaterThan(200);
  expect(compensated).toBeGreaterThan(50);
  expect(stdout).toMatch(/compensated .*INTERNAL \d+/);
  expect(stdout).toMatch(/compensated .*NOT_OPEN \d+/);
  expect(stdout).toMatch(/refused .*OVERDRAWN \d+/);
}

test(
  'conserves money through 1,000 transfers at once, of which many fail',
  { timeout: RUN_TIMEOUT_MS },
  async () => {
    expectConserved(await run(MAIN));
  },
);

test(
  'exits 1 and names what is missing when nothing is taken back',
  { timeout: RUN_TIMEOUT_MS },
  async () => {
    const { code, stdout } = await run(MAIN, '--break');
    expect(code).toBe(1);
    expect(rowOf(stdout, 'money after')).not.toBe(100_000);
    expect(stdout).toMatch(/\nNOT conserved: [-+][\d,.]+, 0 transfers unsettled\n$/);
  },
);

test.skipIf(!hasNatsServer())(
  'conserves money over a real nats-server',
  { timeout: RUN_TIMEOUT_MS },
  async () => {
    const server = await startNatsServer({ args: ['-js'] });
    try {
      expectConserved(await run(MAIN, '--transport', 'nats', '--nats-url', server.url));
    } finally {
      await server.stop();
    }
  },
);

test('exits 2 on a wrong option, naming it', async () => {
  expect(await run(MAIN, '--transport', 'pigeon')).toEqual({
    code: 2,
    stdout: '',
    stderr: '--transport must be memory or nats, got pigeon\n',
  });
  expect(await run(MAIN, '--brake')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--brake') as string,
  });
});
