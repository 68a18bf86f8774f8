/** A real Prometheus for tests: it reads the given addresses every second, and tells the test which alerts fire. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deferred } from '@clstr/testing';
import type { Deferred } from '@clstr/testing';
import { stringify } from 'yaml';

/** Where CI runs, a missing server fails the test instead of skipping it. */
export function hasPrometheus(): boolean {
  const isThere = ['prometheus', 'promtool'].every(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  );
  return isThere || process.env['CI'] === 'true';
}

/** Runs promtool and returns what it prints; throws that if it finds a problem. */
export function promtool(args: readonly string[], input?: string): string {
  return execFileSync('promtool', args, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
}

export interface Prometheus {
  /** The samples of an instant query. */
  query(expression: string): Promise<readonly QuerySample[]>;
  /** The state of each rule: `ok`, or the error of its expression. */
  rules(): Promise<readonly { name: string; health: string }[]>;
  /** The alerts that have fired so far. */
  readonly fired: ReadonlySet<string>;
  /** Resolves when the alert has fired. */
  untilFired(alert: string): Promise<void>;
  stop(): Promise<void>;
}

export interface QuerySample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** `rules` is the text of a rule file. */
export async function startPrometheus(targets: readonly string[], rules: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'clstr-prometheus-'));
  const alerts = await receiveAlerts();
  writeFileSync(join(folder, 'alerts.yml'), rules);
  writeFileSync(
    join(folder, 'prometheus.yml'),
    stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: ['alerts.yml'],
      scrape_configs: [{ job_name: 'shop', static_configs: [{ targets }] }],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [alerts.address] }] }] },
    }),
  );
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const port = await new Promise<string>((resolve, reject) => {
    let log = '';
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`prometheus ended:\n${log}`)));
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      const listening = /msg="Listening on" address=127\.0\.0\.1:(\d+)/.exec(log);
      if (listening !== null && log.includes('Server is ready')) resolve(listening[1]!);
    });
  });
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; data?: unknown; error?: string };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  return {
    fired: alerts.fired,
    untilFired: alerts.untilFired,
    query: async (expression) => {
      const data = await get(`query?query=${encodeURIComponent(expression)}`);
      return (data as { result: QuerySample[] }).result;
    },
    rules: async () => {
      const { groups } = (await get('rules')) as {
        groups: { rules: { name: string; health: string; lastError?: string }[] }[];
      };
      return groups.flatMap(({ rules }) =>
        rules.map(({ name, health, lastError }) => ({ name, health: lastError ?? health })),
      );
    },
    stop: async () => {
      const exit = once(child, 'exit');
      child.kill();
      await exit;
      await alerts.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What Prometheus sees as its Alertmanager: it posts each alert that fires. */
async function receiveAlerts() {
  const fired = new Set<string>();
  const waiting = new Map<string, Deferred<undefined>>();
  const server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      response.end();
      for (const { labels } of JSON.parse(body) as { labels: { alertname: string } }[]) {
        fired.add(labels.alertname);
        waiting.get(labels.alertname)?.resolve(undefined);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    fired,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    untilFired: async (alert: string): Promise<void> => {
      if (fired.has(alert)) return;
      const found = waiting.get(alert) ?? deferred<undefined>();
      waiting.set(alert, found);
      await found.promise;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
