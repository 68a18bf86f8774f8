/** What the probes of real processes answer, over a real nats-server, in each state that an app may be in. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Health, HealthCode } from '@clstr/app';
import { TIMINGS } from '@clstr/core';
import { startTcpProxy } from '@clstr/testing';
import type { TcpProxy } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { provisionCluster } from '@clstr/transport-nats';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { figure, pause } from './setting.ts';

const PROGRAM = join(import.meta.dirname, 'programs/health-process.mjs');
const NUM_SHARDS = 8;
const KEY = 'ada@example.org';

interface Order {
  readonly name: string;
  readonly servers: string;
  readonly nodeId?: string;
  readonly memberServers?: string;
  readonly timing?: 'default' | 'fast';
  readonly numShards?: number;
  readonly weight?: number;
}

const PATHS = ['livez', 'readyz', 'healthz'] as const;
type Path = (typeof PATHS)[number];

interface Answers extends Record<Path, number> {
  readonly health: Health;
}

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer({ args: ['-js'] });
  return () => server.stop();
});

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

class ProbedProcess {
  readonly #child: ChildProcess;
  readonly #url: string;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#url = `http://127.0.0.1:${port}`;
  }

  static async start(order: Order): Promise<ProbedProcess> {
    const full = { nodeId: 'n1', timing: 'default', numShards: NUM_SHARDS, weight: 1, ...order };
    const child = fork(PROGRAM, [JSON.stringify(full)], { execArgv: [] });
    children.add(child);
    onTestFinished(() => void child.kill('SIGKILL'));
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new ProbedProcess(child, port);
  }

  tell(order: object): void {
    this.#child.send(order);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with its next message. */
  async message(): Promise<unknown> {
    const [message] = (await once(this.#child, 'message')) as [unknown];
    return message;
  }

  get(path: string, timeoutMs = 5_000): Promise<Response> {
    const signal = AbortSignal.timeout(timeoutMs);
    return fetch(`${this.#url}${path}`, { signal, headers: { connection: 'close' } });
  }

  /** The status of each path with the health that it was made from, because the state may change between two requests. */
  async #answers(): Promise<{ statuses: Record<Path, number>; healths: Health[] }> {
    const responses = await Promise.all(PATHS.map((path) => this.get(`/${path}?verbose`)));
    const texts = await Promise.all(responses.map((response) => response.text()));
    for (const text of texts) expect(text).not.toContain(KEY);
    const statuses = Object.fromEntries(PATHS.map((path, i) => [path, responses[i]!.status]));
    return {
      statuses: statuses as Record<Path, number>,
      healths: texts.map((text) => JSON.parse(text) as Health),
    };
  }

  /** Resolves with the first answers that are all as wanted. */
  async untilAll(what: string, isWanted: (health: Health) => boolean): Promise<Answers> {
    const startedMs = performance.now();
    for (;;) {
      const { statuses, healths } = await this.#answers();
      const health = healths[0]!;
      const tookMs = Math.round(performance.now() - startedMs);
      if (healths.every(isWanted)) {
        figure(`health: ${what} after ${tookMs} ms: ${health.reasons[0]?.text ?? 'no reason'}`);
        return { ...statuses, health };
      }
      if (tookMs > 40_000) throw new Error(`not ${what} but ${JSON.stringify(health, null, 2)}`);
      await pause(50);
    }
  }

  /** Resolves with the first answers that show the state or the reason. */
  until(wanted: Health['state'] | HealthCode): Promise<Answers> {
    return this.untilAll(
      wanted,
      ({ state, reasons }) => state === wanted || reasons.some(({ code }) => code === wanted),
    );
  }
}

async function proxied(): Promise<{ proxy: TcpProxy; url: string }> {
  const proxy = await startTcpProxy({ port: server.port });
  onTestFinished(() => proxy.close());
  return { proxy, url: `nats://${proxy.host}:${proxy.port}` };
}

async function provision(name: string): Promise<void> {
  await provisionCluster({ servers: server.url, cluster: name, numShards: NUM_SHARDS, isNew: true });
}

/** A process whose two connections go through a proxy each. */
async function split(name: string, timing: 'default' | 'fast') {
  await provision(name);
  const [data, control] = await Promise.all([proxied(), proxied()]);
  const probed = await ProbedProcess.start({ name, timing, servers: data.url, memberServers: control.url });
  await probed.until('serving');
  return { probed, data: data.proxy, control: control.proxy };
}

/** The codes, without what a busy machine adds. */
function codesOf({ reasons }: Health): string[] {
  return reasons.map(({ code }) => code).filter((code) => code !== 'SLOW_EVENT_LOOP');
}

const OK = { livez: 200, readyz: 200, healthz: 200 };
const NOT_READY = { livez: 200, readyz: 503, healthz: 503 };
const NOT_LIVE = { livez: 503, readyz: 503, healthz: 503 };

describe.skipIf(!hasNatsServer())('the probes of a process', { timeout: 120_000 }, () => {
  test('say that it starts, serves, has a stuck handler, and stood still', async () => {
    await provision('life');
    const { proxy, url } = await proxied();
    proxy.setMode({ kind: 'reset' });
    const probed = await ProbedProcess.start({
      name: 'life',
      servers: url.replace('//', '//ada:secret@'),
    });
    const starting = await probed.until('connecting');
    expect(starting).toMatchObject(NOT_READY);
    expect(codesOf(starting.health)).toEqual(['STARTING']);
    expect(starting.health.reasons[0]!.text).toContain(`a connection to ${url} for `);
    expect(JSON.stringify(starting.health)).not.toContain('secret');

    proxy.setMode({ kind: 'pass' });
    const serving = await probed.until('serving');
    expect(serving).toMatchObject({
      ...OK,
      health: { isReady: true, isLive: true, connection: 'connected', nodes: [{ owned: 8, wanted: 8 }] },
    });
    expect(codesOf(serving.health)).toEqual([]);

    probed.tell({ hang: true });
    const stuck = await probed.until('STUCK_HANDLER');
    expect(stuck).toMatchObject({
      ...OK,
      health: { nodes: [{ stuck: 1, oldestStuck: { type: 'work.hang' } }] },
    });

    probed.tell({ blockMs: 3_000 });
    expect(await probed.message()).toEqual({ isBlocked: true });
    await expect(probed.get('/livez', 1_000)).rejects.toMatchObject({ name: 'TimeoutError' });
    const stoodStill = await probed.until('SLOW_EVENT_LOOP');
    expect(stoodStill).toMatchObject(OK);
    expect(stoodStill.health.eventLoop.worstMs).toBeGreaterThan(2_900);
  });

  test('fail /readyz first in a drain, and /livez only when the app has closed', async () => {
    await provision('end');
    const probed = await ProbedProcess.start({ name: 'end', servers: server.url });
    await probed.until('serving');
    probed.tell({ hold: true });
    await probed.untilAll('at work', ({ nodes }) => nodes[0]!.inFlight === 1);
    probed.signal('SIGTERM');
    const draining = await probed.until('draining');
    expect(draining).toMatchObject({ ...NOT_READY, health: { nodes: [{ inFlight: 1 }] } });
    expect(codesOf(draining.health)).toContain('DRAINING');
    probed.tell({ release: true });
    const closed = await probed.until('closed');
    expect(closed).toMatchObject(NOT_LIVE);
    expect(codesOf(closed.health)).toEqual(['CLOSED']);
  });

  test('warn of a store that is away, and say how long the lease lasts', async () => {
    const { probed, control } = await split('away', 'default');
    control.setMode({ kind: 'reset' });
    const away = await probed.until('STORE_AWAY');
    expect(away).toMatchObject({ ...OK, health: { state: 'serving', nodes: [{ isStoreAnswering: false }] } });
    const { leaseMs, guardMs } = TIMINGS.default;
    expect(away.health.nodes[0]!.leaseMarginMs).toBeGreaterThan(0);
    expect(away.health.nodes[0]!.leaseMarginMs).toBeLessThanOrEqual(leaseMs - guardMs);
    control.setMode({ kind: 'pass' });
    await probed.untilAll('well again', (health) => codesOf(health).length === 0);
  });

  test('fail /readyz alone while the node is lapsed, unreachable or disconnected', async () => {
    const { probed, data, control } = await split('cut', 'fast');
    control.setMode({ kind: 'black-hole' });
    const lapsed = await probed.until('lapsed');
    expect(lapsed).toMatchObject({ ...NOT_READY, health: { connection: 'connected' } });
    expect(codesOf(lapsed.health)).toEqual(['LAPSED']);
    control.setMode({ kind: 'pass' });
    control.reset();
    expect(await probed.until('serving')).toMatchObject(OK);

    data.setMode({ kind: 'black-hole' });
    const unreachable = await probed.until('unreachable');
    expect(unreachable).toMatchObject({ ...NOT_READY, health: { connection: 'connected' } });
    expect(codesOf(unreachable.health)).toEqual(['UNREACHABLE']);
    data.setMode({ kind: 'pass' });
    data.reset();
    expect(await probed.until('serving')).toMatchObject(OK);

    data.setMode({ kind: 'reset' });
    const disconnected = await probed.until('disconnected');
    expect(disconnected).toMatchObject({ ...NOT_READY, health: { connection: 'disconnected' } });
    expect(codesOf(disconnected.health)).toContain('CONNECTION_LOST');
    data.setMode({ kind: 'pass' });
    expect(await probed.until('serving')).toMatchObject(OK);
  });

  test('warn that a node has no shards, and fail /livez if the app could not start', async () => {
    await provision('shared');
    const first = await ProbedProcess.start({ name: 'shared', servers: server.url, timing: 'fast' });
    await first.until('serving');
    const idle = await ProbedProcess.start({
      name: 'shared',
      servers: server.url,
      timing: 'fast',
      nodeId: 'n2',
      weight: 0.001,
    });
    const none = await idle.until('NO_SHARDS');
    expect(none).toMatchObject({ ...OK, health: { state: 'serving', nodes: [{ owned: 0, wanted: 0 }] } });
    const misfit = await ProbedProcess.start({
      name: 'shared',
      servers: server.url,
      timing: 'fast',
      nodeId: 'n3',
      numShards: 16,
    });
    const failed = await misfit.until('failed');
    expect(failed).toMatchObject(NOT_LIVE);
    expect(failed.health.reasons[0]!.text).toMatch(/the app did not start: CLUSTER_CONFIG_MISMATCH: /);
  });
});
