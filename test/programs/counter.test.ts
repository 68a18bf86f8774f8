/** The built program, as `npm run demo` runs it. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, build, run } from './program.ts';
import type { Ended } from './program.ts';

const FOLDER = join(import.meta.dirname, '../../examples/counter');
const MAIN = join(FOLDER, 'dist/main.js');
const RUN_TIMEOUT_MS = 30_000;

beforeAll(() => build(FOLDER), BUILD_TIMEOUT_MS);

function expectExactRun({ code, stdout, stderr }: Ended, title: RegExp): void {
  expect(stderr).toBe('');
  expect(stdout).toMatch(title);
  expect(stdout).toContain(': 3,000 increments over 100 counters, 64 in flight\n');
  expect(stdout).toMatch(/\n750 of 3,000 requests\n/);
  for (const name of ['node-1', 'node-2', 'node-3']) {
    expect(stdout).toMatch(
      new RegExp(`│ ${name} │ +\\d+ │ +[\\d,]+ │ +[\\d,]+ │ +[\\d.]+ │ +[\\d.]+ │ +0 │`),
    );
  }
  expect(stdout).toMatch(/│ total +│ +1,024 │ +3,000 │ .* │ +0 │/);
  expect(stdout).toMatch(/exact: 100 counters, every increment counted once\n$/);
  expect(code).toBe(0);
}

const LOAD = ['--requests', '3000', '--keys', '100', '--concurrency', '64'];

test('drives a cluster in memory and exits 0', { timeout: RUN_TIMEOUT_MS }, async () => {
  expectExactRun(await run(MAIN, ...LOAD), /^3 nodes on the in-memory bus: /);
});

test('exits 2 on a wrong option, naming it and its value in one line', async () => {
  const { code, stdout, stderr } = await run(MAIN, '--nodes', 'many');
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^error: option '--nodes <n>' argument 'many' is invalid\.[^\n]+\n$/);
});

test('lists its options with --help', async () => {
  const { code, stdout } = await run(MAIN, '--help');
  expect(code).toBe(0);
  const options = 'requests keys nodes concurrency transport nats-url chaos watch serve port help';
  for (const name of options.split(' ')) expect(stdout).toContain(`--${name}`);
});

test('exits 1 with the reason when the server cannot be reached', async () => {
  const { code, stderr } = await run(
    MAIN,
    '--transport',
    'nats',
    '--nats-url',
    'nats://me:secret@127.0.0.1:1',
  );
  expect(code).toBe(1);
  expect(stderr).toMatch(/^demo: cannot connect to nats:\/\/127\.0\.0\.1:1: .*\n$/);
});

/** Starts `--serve`; resolves with the URL it prints. */
async function startServing(
  ...args: string[]
): Promise<{ url: string; ended: Promise<Ended>; child: ChildProcess }> {
  const child = spawn(process.execPath, [MAIN, '--serve', '--port', '0', ...args]);
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += String(text)));
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      stdout += `${line}\n`;
      const shown = /^ {2}curl (http:\S+)\/counter\/apples$/.exec(line)?.[1];
      if (shown !== undefined) resolve(shown);
    });
    void ended.then(() => reject(new Error(stderr)));
  });
  return { url, ended, child };
}

async function expectToServe(...args: string[]): Promise<void> {
  const { url, ended, child } = await startServing(...args);
  const posted = await fetch(`${url}/counter/apples/increment`, { method: 'POST', body: '{"amount":5}' });
  expect(await posted.json()).toEqual({ id: 'apples', value: 5 });
  const got = await fetch(`${url}/counter/apples`);
  expect(await got.json()).toEqual({ id: 'apples', value: 5 });
  child.kill('SIGTERM');
  const { code, stdout, stderr } = await ended;
  expect(stderr).toBe('');
  expect(stdout).toContain(`curl -X POST ${url}/counter/apples/increment -d '{"amount":5}'\n`);
  expect(stdout).toMatch(/\ndrained\n$/);
  expect(code).toBe(0);
}

test('serves HTTP until SIGTERM, and exits 0', { timeout: RUN_TIMEOUT_MS }, () => expectToServe());

describe.skipIf(!hasNatsServer())('over a real nats-server', { timeout: RUN_TIMEOUT_MS }, () => {
  test('starts a server and a process per node, and exits 0', async () => {
    expectExactRun(
      await run(MAIN, '--transport', 'nats', ...LOAD),
      /^3 node processes over nats-server at nats:\/\/127\.0\.0\.1:\d+: /,
    );
  });

  test('serves HTTP until SIGTERM, and exits 0', () => expectToServe('--transport', 'nats'));

  describe('that runs already', () => {
    let server: NatsServer;
    beforeAll(async () => {
      server = await startNatsServer();
    });
    afterAll(() => server.stop());

    test('uses it, and leaves it running', async () => {
      const ended = await run(MAIN, '--transport', 'nats', '--nats-url', server.url, ...LOAD);
      expectExactRun(ended, new RegExp(`^3 node processes over nats-server at ${server.url}: `));
      expect(server.pid).toBeDefined();
    });
  });
});
