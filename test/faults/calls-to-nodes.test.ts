/** `gather`, `broadcast` and `any` while processes of a dynamic cluster join, leave and are killed. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { connectClient } from '@clstr/app';
import type { Client, NodeResult } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsCluster, provisionCluster } from '@clstr/transport-nats';
import { describe, expect, onTestFinished, test } from 'vitest';
import { figure, pause } from './setting.ts';

const PROGRAM = join(import.meta.dirname, 'programs/asked-process.mjs');
const NAME = 'asked';
/** Above the fail-over time of the fast profile, on a busy machine too. */
const SETTLE_MS = 15_000;

/** A process with one node, and what its node handlers have run, as `type payload`. */
class AskedProcess {
  readonly id: string;
  readonly ran: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  readonly exited: Promise<unknown>;

  constructor(id: string, servers: string) {
    this.id = id;
    this.#child = fork(PROGRAM, [JSON.stringify({ nodeId: id, servers, name: NAME })], { execArgv: [] });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
    this.exited = once(this.#child, 'exit');
    this.#child.on('message', ({ ran, isReady }: { ran?: string; isReady?: boolean }) => {
      this.ran.push(ran ?? (isReady === true ? 'ready' : '?'));
      for (const check of this.#waiting) check();
    });
  }

  /** Resolves once it has run the message. */
  async until(message: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (this.ran.includes(message)) resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  countOf(message: string): number {
    return this.ran.filter((one) => one === message).length;
  }

  release(): void {
    this.#child.send({ release: true });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
}

/** Asks every node over and over, and any of them, until it is stopped. */
class Asking {
  readonly gathered: { readonly id: string; readonly rows: readonly NodeResult<string>[] }[] = [];
  readonly anyFailures: unknown[] = [];
  any = 0;
  #isOver = false;
  readonly #ended: Promise<unknown>;

  constructor(client: Client) {
    const any = client.any({ balance: 'least-in-flight' });
    const gathers = async (): Promise<void> => {
      for (let i = 0; !this.#isOver; i++) {
        const id = `g${i}`;
        const rows = await client.gather<string>('ask', id, { timeoutMs: 1_000 });
        this.gathered.push({ id, rows });
        await pause(20);
      }
    };
    const anys = async (): Promise<void> => {
      for (; !this.#isOver; this.any++) {
        await any.request('ask', `a${this.any}`, { timeoutMs: 1_000 }).catch((error: unknown) => {
          this.anyFailures.push(error);
        });
        await pause(5);
      }
    };
    this.#ended = Promise.all([gathers(), anys()]);
  }

  stop(): Promise<unknown> {
    this.#isOver = true;
    return this.#ended;
  }
}

const idsOf = (rows: readonly NodeResult[]): string[] => rows.map(({ nodeId }) => nodeId);
const short = (row: NodeResult): unknown => [row.nodeId, row.ok ? row.value : row.error.code];

/** Resolves with the rows of the first gather that has these nodes and no others. */
async function untilNodes(client: Client, ids: readonly string[], what: string): Promise<void> {
  const startedMs = performance.now();
  for (let i = 0; ; i++) {
    const rows = await client.gather<string>('ask', `${what} ${i}`, { timeoutMs: 1_000 });
    if (rows.every(({ ok }) => ok) && String(idsOf(rows)) === String(ids)) {
      figure(`calls to nodes: ${what} shows after ${Math.round(performance.now() - startedMs)} ms`);
      return;
    }
    if (performance.now() - startedMs > SETTLE_MS)
      throw new Error(`${what}: ${JSON.stringify(rows.map(short))}`);
    await pause(50);
  }
}

/** What the client says of a node whose process is gone, once the server has noticed. */
async function codeOfGone(client: Client, id: string): Promise<string | undefined> {
  for (let i = 0; ; i++) {
    const rows = await client.gather<string>('ask', `gone ${i}`, { timeoutMs: 300 });
    const row = rows.find(({ nodeId }) => nodeId === id);
    if (row?.ok === true) throw new Error(`${id} has answered`);
    if (row?.error.code !== 'TIMEOUT') return row?.error.code;
  }
}

describe.skipIf(!hasNatsServer())('messages to nodes', { timeout: 60_000 }, () => {
  test('reach each node once or say why not, while nodes join, leave and are killed', async () => {
    await using server = await startNatsServer({ args: ['-js'] });
    await provisionCluster({
      servers: server.url,
      cluster: NAME,
      numShards: 32,
      timing: 'fast',
      isNew: true,
    });
    await using client = await connectClient({
      cluster: natsCluster({ servers: server.url, name: NAME }),
      logger: false,
    });
    const all: AskedProcess[] = [];
    const start = async (...ids: readonly string[]): Promise<void> => {
      const started = ids.map((id) => new AskedProcess(id, server.url));
      all.push(...started);
      await Promise.all(started.map((one) => one.until('ready')));
    };

    await start('n1', 'n2', 'n3');
    await untilNodes(client, ['n1', 'n2', 'n3'], 'the start');
    const asking = new Asking(client);
    await start('n4');
    await untilNodes(client, ['n1', 'n2', 'n3', 'n4'], 'a join');

    const told = await client.broadcast('tell', 'all');
    expect(told.map(({ ok, nodeId }) => [nodeId, ok])).toEqual(
      ['n1', 'n2', 'n3', 'n4'].map((id) => [id, true]),
    );
    await Promise.all(all.map((one) => one.until('tell all')));

    // One of them is killed while it works on its answer, and one begins to drain.
    const held = client.gather<string>('hold', 'kill', { timeoutMs: 2_000 });
    await Promise.all(all.map((one) => one.until('hold kill')));
    const [first, second, third, fourth] = all as [AskedProcess, AskedProcess, AskedProcess, AskedProcess];
    second.signal('SIGKILL');
    third.signal('SIGTERM');
    await second.exited;
    expect(await codeOfGone(client, 'n2')).toBe('NO_SUBSCRIBER');
    // The next run of the killed node begins while the client still knows the former one.
    const again = start('n2');
    for (const one of [first, third, fourth]) one.release();
    const rows = await held;
    expect(rows.map(short)).toEqual([
      ['n1', 'n1'],
      ['n2', 'TIMEOUT'],
      ['n3', 'n3'],
      ['n4', 'n4'],
    ]);
    const [, killed] = rows as [NodeResult, NodeResult & { ok: false }];
    expect(killed.error).toMatchObject({ outcome: 'unknown' });

    await third.exited;
    await again;
    await untilNodes(client, ['n1', 'n2', 'n4'], 'a leave and a new run of the killed node');
    fourth.signal('SIGKILL');
    await untilNodes(client, ['n1', 'n2'], 'a fail-over');
    await asking.stop();

    // No node appears twice in a list, runs a message twice, or answers without having run it.
    const runs = (id: string): number => all.reduce((sum, one) => sum + one.countOf(`ask ${id}`), 0);
    for (const { id, rows: asked } of asking.gathered) {
      expect(idsOf(asked)).toEqual([...new Set(idsOf(asked))]);
      for (const { ok, nodeId } of asked) if (ok) expect(nodeId).toMatch(/^n[1-4]$/);
      expect(runs(id)).toBeLessThanOrEqual(asked.length);
    }
    for (const one of all) expect(one.ran).toEqual([...new Set(one.ran)]);
    expect(all.map((one) => one.countOf('tell all'))).toEqual([1, 1, 1, 1, 0]);
    const failed = asking.anyFailures.map((error) => (error as { code: string }).code);
    figure(
      `calls to nodes: ${asking.gathered.length} gathers, ${asking.any} calls to any, failed: ${String(failed)}`,
    );
    // A call that was on its way into a killed process has no answer; none of the others may fail.
    expect(failed.filter((code) => code !== 'TIMEOUT')).toEqual([]);
    expect(failed.length).toBeLessThanOrEqual(2);
  });
});
