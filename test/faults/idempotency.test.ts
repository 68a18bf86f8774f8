/** Calls with idempotency keys while their replies are cut off and their owners change: no key runs twice. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, isClstrError } from '@clstr/core';
import type { Client, ClstrError } from '@clstr/core';
import { startTcpProxy } from '@clstr/testing';
import type { TcpProxy } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import { describe, expect, onTestFinished, test } from 'vitest';
import { figure, pause } from './setting.ts';

const PROGRAM = join(import.meta.dirname, 'programs/charging-process.mjs');
const NUM_SHARDS = 16;
const CALLS = 10_000;
const IN_FLIGHT = 100;
const TIMEOUT_MS = 10_000;
/** Operations between two changes of owner: planned and by SIGKILL in turn. */
const PER_CHANGE = 1_250;
const PER_CUT = 200;

type End = { readonly run: string } | { readonly error: ClstrError };

describe.skipIf(!hasNatsServer())('10,000 calls with idempotency keys', { timeout: 120_000 }, () => {
  test('run once at most, and get their reply or an unknown outcome', async () => {
    await using server = await startNatsServer({ args: ['-js'] });
    await using proxy = await startTcpProxy({ port: server.port });
    const file = join(mkdtempSync(join(tmpdir(), 'clstr-')), 'runs');
    writeFileSync(file, '');
    const nodes: ChildProcess[] = [];
    let started = 0;
    const startNode = async (): Promise<void> => {
      const order = { id: `n${++started}`, servers: server.url, numShards: NUM_SHARDS, file };
      const node = fork(PROGRAM, [JSON.stringify(order)], { execArgv: [] });
      onTestFinished(() => void node.kill('SIGKILL'));
      await once(node, 'message');
      nodes.push(node);
    };
    await Promise.all([startNode(), startNode(), startNode()]);
    await using transport = await natsTransport({
      servers: `nats://127.0.0.1:${proxy.port}`,
      pingIntervalMs: 500,
    });
    await using client = createClient({ transport, numShards: NUM_SHARDS });

    let changes = 0;
    const changeOwners = async (): Promise<void> => {
      const isKilled = changes++ % 2 === 1;
      const oldest = nodes.shift()!;
      const exited = once(oldest, 'exit');
      oldest.kill(isKilled ? 'SIGKILL' : 'SIGTERM');
      await exited;
      await startNode();
    };
    const ends = new Map<number, End>();
    let next = 0;
    let repeats = 0;
    let changing = Promise.resolve();
    const work = async (): Promise<void> => {
      for (let operation = next++; operation < CALLS; operation = next++) {
        if (operation % PER_CHANGE === PER_CHANGE - 1) changing = changing.then(changeOwners);
        if (operation % PER_CUT === 0) await cut(proxy, operation / PER_CUT);
        let end = await charge(client, operation);
        // A program that does not know the outcome repeats the call, with its key.
        if ('error' in end && end.error.outcome !== 'executed') {
          repeats++;
          end = stronger(end, await charge(client, operation));
        }
        ends.set(operation, end);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
    await changing;
    await client.close();

    const runs = runsIn(file);
    expect(ends.size).toBe(CALLS);
    expect([...runs.values()].filter((found) => found.length > 1)).toEqual([]);
    const tally = new Map<string, number>();
    for (const [operation, end] of ends) {
      const [run] = runs.get(operation) ?? [];
      const kind = 'run' in end ? 'replied' : `${end.error.code} ${end.error.outcome}`;
      tally.set(kind, (tally.get(kind) ?? 0) + 1);
      if ('run' in end) expect(end.run).toBe(run);
      else if (end.error.code === 'ACTOR_ERROR') expect(end.error.message).toBe(run);
      else if (end.error.outcome === 'not-executed') expect(run).toBeUndefined();
      else expect(end.error.outcome).toBe('unknown');
    }
    const kinds = [...tally].map(([kind, count]) => `${count} ${kind}`).join(', ');
    figure(`${CALLS} calls with keys, ${changes} changes of owner, ${repeats} repeated by hand: ${kinds}`);
    expect(tally.get('replied')).toBeGreaterThan(CALLS / 2);
  });
});

async function charge(client: Client, operation: number): Promise<End> {
  const options = { idempotencyKey: `operation-${operation}`, timeoutMs: TIMEOUT_MS };
  try {
    return { run: await client.requestKey<string>(`user-${operation % 500}`, 'charge', operation, options) };
  } catch (error) {
    if (isClstrError(error)) return { error };
    throw error;
  }
}

/** The first call may have run although the second one certainly did not. */
function stronger(first: { readonly error: ClstrError }, second: End): End {
  const isWeaker = 'error' in second && second.error.outcome === 'not-executed';
  return isWeaker ? first : second;
}

/** Breaks the connection of the client: at once, or after replies have been lost for a while. */
async function cut(proxy: TcpProxy, round: number): Promise<void> {
  if (round % 2 === 0) {
    proxy.setMode({ kind: 'half-open' });
    await pause(50);
    proxy.setMode({ kind: 'pass' });
  }
  proxy.reset();
}

/** The runs of each operation, as its handlers wrote them. */
function runsIn(file: string): Map<number, string[]> {
  const runs = new Map<number, string[]>();
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const [operation = '', run = ''] = line.split(' ');
    const known = runs.get(Number(operation));
    if (known === undefined) runs.set(Number(operation), [run]);
    else known.push(run);
  }
  return runs;
}
