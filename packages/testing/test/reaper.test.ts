import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deferred } from '../src/deferred.ts';

/** Stays until it is killed, and shows that it lives by a connection over which it says its process id. */
const CHILD = `
import { connect } from 'node:net';
connect(Number(process.argv[2]), '127.0.0.1').write(process.argv[3] + ' ' + process.pid);
`;
/** Has one child for which the reaper was called off, and two for which it was not. */
const PARENT = `
import { spawn } from 'node:child_process';
import { reapLater } from './reaper.mjs';
const start = (name) => spawn(process.execPath, ['child.mjs', process.argv[2], name]).pid;
reapLater(start('first'), 'first');
reapLater(start('spared'), 'spared')();
reapLater(start('last'), 'last');
`;

let work: string;
let server: Server;
/** By the name of the child. */
let pids: Map<string, number>;
let isGone: Set<string>;
let onChange: () => void;

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'clstr-reaper-'));
  pids = new Map();
  isGone = new Set();
  const source = readFileSync(new URL('../src/reaper.ts', import.meta.url), 'utf8');
  const { outputText } = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext } });
  for (const [file, text] of Object.entries({ reaper: outputText, child: CHILD, parent: PARENT }))
    writeFileSync(join(work, `${file}.mjs`), text);
  for (const folder of ['first', 'spared', 'last']) mkdirSync(join(work, folder));
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => {
      const [name, pid] = bytes.toString().split(' ') as [string, string];
      pids.set(name, Number(pid));
      socket.once('close', () => {
        isGone.add(name);
        onChange();
      });
      onChange();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  for (const [name, pid] of pids) if (!isGone.has(name)) process.kill(pid, 'SIGKILL');
  server.close();
  rmSync(work, { recursive: true, force: true });
});

function until(isMet: () => boolean): Promise<void> {
  const met = deferred();
  onChange = () => {
    if (isMet()) met.resolve();
  };
  onChange();
  return met.promise;
}

test('ends the children of a process that is killed, unless that was called off', async () => {
  const { port } = server.address() as AddressInfo;
  const parent = spawn(process.execPath, ['parent.mjs', String(port)], { cwd: work, stdio: 'inherit' });
  await until(() => pids.size === 3);
  parent.kill('SIGKILL');
  await until(() => isGone.has('first') && isGone.has('last'));
  expect([isGone.has('spared'), existsSync(join(work, 'spared'))]).toEqual([false, true]);
});
