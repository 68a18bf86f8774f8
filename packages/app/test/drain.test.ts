/** A process of its own, ended by a real SIGTERM. */
import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { defineActor, request } from '@clstr/actors';
import { createClient } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import { afterEach, beforeAll, expect, test } from 'vitest';

const PACKAGES = join(import.meta.dirname, '../..');
const PROGRAM = join(import.meta.dirname, 'fixtures/slow-actor.mjs');
const BUILD_TIMEOUT_MS = 120_000;
/** Well below the 15 s after which a forgotten timer of an actor would let the process go. */
const RUN_TIMEOUT_MS = 10_000;

beforeAll(() => {
  // Does nothing where the build is up to date.
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const built = ['app', 'transport-memory', 'transport-nats'].map((name) => join(PACKAGES, name));
  execFileSync(process.execPath, [tsc, '-b', ...built], { stdio: 'inherit' });
}, BUILD_TIMEOUT_MS);

interface Program {
  readonly child: ChildProcess;
  /** Resolves when the program prints `line`. */
  printed(line: string): Promise<void>;
  /** Its exit code and all it printed. */
  readonly ended: Promise<{ code: number | null; lines: string[] }>;
}

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

function run(...args: string[]): Program {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => lines.push(line));
  const ended = Promise.all([once(child, 'close'), once(output, 'close')]);
  return {
    child,
    async printed(line) {
      while (!lines.includes(line)) {
        await Promise.race([
          once(output, 'line'),
          ended.then(() =>
            Promise.reject(new Error(`ended without printing "${line}": ${lines.join('; ')}`)),
          ),
        ]);
      }
    },
    ended: ended.then(() => ({ code: child.exitCode, lines })),
  };
}

test(
  'SIGTERM: a running handler is answered, and the process ends by itself',
  { timeout: RUN_TIMEOUT_MS },
  async () => {
    const program = run();
    await program.printed('working');
    program.child.kill('SIGTERM');
    expect(await program.ended).toEqual({
      code: 0,
      lines: ['serving', 'working', 'answered: done', 'passivated: drain', 'node closed, left: '],
    });
  },
);

test.skipIf(!hasNatsServer())(
  'SIGTERM over NATS: the caller in another process gets its answer, the next call finds no node',
  { timeout: RUN_TIMEOUT_MS },
  async () => {
    const Slow = defineActor('slow', { work: request<void, string>() });
    const server = await startNatsServer();
    try {
      const program = run(server.url, 'drain-test');
      await program.printed('serving');
      await using transport = await natsTransport({ servers: server.url, subjectPrefix: 'drain-test' });
      await using client = createClient({ transport });
      const answer = Slow.ref(client, 'k').work();
      await program.printed('working');
      program.child.kill('SIGTERM');
      expect(await answer).toBe('done');
      expect(await program.ended).toEqual({
        code: 0,
        lines: ['serving', 'working', 'passivated: drain', 'node closed, left: '],
      });
      await expect(Slow.ref(client, 'k').work(undefined, { timeoutMs: 200 })).rejects.toMatchObject({
        code: 'NO_SUBSCRIBER',
      });
    } finally {
      await server.stop();
    }
  },
);
