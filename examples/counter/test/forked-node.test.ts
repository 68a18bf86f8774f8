/** A node in a process of its own, from the built program. */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { beforeAll, expect, test } from 'vitest';
import type * as ForkedNode from '../src/forked-node.ts';

const FOLDER = join(import.meta.dirname, '..');
const BUILD_TIMEOUT_MS = 120_000;
const RUN_TIMEOUT_MS = 30_000;

beforeAll(() => {
  // Does nothing where the build is up to date.
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-b', FOLDER], { stdio: 'inherit' });
}, BUILD_TIMEOUT_MS);

test.skipIf(!hasNatsServer())(
  'reports a node process that dies, and why one does not start',
  { timeout: RUN_TIMEOUT_MS },
  async () => {
    await using server = await startNatsServer();
    const built = pathToFileURL(join(FOLDER, 'dist/forked-node.js')).href;
    const { forkNode } = (await import(built)) as typeof ForkedNode;
    const order = { id: 'node-1', ids: ['node-1'], cacheSize: 10, nats: { servers: server.url } };
    const death = new Promise<Error>((resolve) => {
      const node = forkNode(order, resolve);
      node.ready.then(() => process.kill(node.pid!, 'SIGKILL'), resolve);
    });
    expect((await death).message).toBe('node-1 was ended by SIGKILL');

    const nowhere = { servers: '127.0.0.1:1' };
    const failing = forkNode({ ...order, nats: nowhere }, () => undefined);
    await expect(failing.ready).rejects.toThrow(/^node-1 ended with exit code 1: cannot connect to 127/);
    expect(await failing.drain()).toBeUndefined();
  },
);
