/** What the fault tests share: how long they take, where they write, how they print and hold their figures. */
import { mkdirSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, relative } from 'node:path';
import { ChaosCluster } from '@clstr-kit/chaos';
import type { ChaosClusterOptions, ChaosResult } from '@clstr-kit/chaos';
import { TIMINGS } from '@clstr/core';
import { expect, onTestFinished } from 'vitest';
import { Noise } from './noise.ts';

/** `npm run faults -- --long`: every fault as often as it is required; otherwise a sample of minutes. */
export const IS_LONG = process.env['CLSTR_FAULTS'] === 'long';

export const { leaseMs: LEASE_MS, drainMs: DRAIN_MS } = TIMINGS.fast;

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'node_modules/.cache/clstr/faults');

let noise: Noise | undefined;

/** A cluster whose history stays, so that its verdict can be checked again. */
export async function startCluster(name: string, options: ChaosClusterOptions = {}): Promise<ChaosCluster> {
  mkdirSync(FOLDER, { recursive: true });
  const cluster = await ChaosCluster.start({ ...options, historyFile: join(FOLDER, `${name}.jsonl`) });
  const watching = new Noise(cluster);
  noise = watching;
  onTestFinished(() => {
    watching.stop();
    const load = loadavg()[0]!.toFixed(1);
    figure(
      `${name}: of one second, a process waited ${watching.worstMs} ms for a processor; load average ${load}`,
    );
  });
  return cluster;
}

export interface Killed {
  readonly id: string;
  readonly shards: readonly number[];
  readonly killedAt: number;
  /** How long after the kill each of its shards served again. */
  readonly servedMs: readonly number[];
}

/** Kills the oldest node, and resolves when all its shards serve again. */
export async function killOldest(cluster: ChaosCluster): Promise<Killed> {
  const [id] = cluster.nodes.keys();
  const shards = cluster.ownerLog.shardsOf(id!);
  const { signal, killedAt } = await cluster.kill(id!);
  expect(signal).toBe('SIGKILL');
  expect(shards.length).toBeGreaterThan(0);
  const servedMs = await Promise.all(shards.map(async (shard) => (await cluster.probe(shard)) - killedAt));
  return { id: id!, shards, killedAt, servedMs };
}

export function figure(text: string): void {
  console.log(`  faults: ${text}`);
}

/** Ends the nodes, and holds all that was recorded against the invariants. No noise excuses what fails here. */
export async function expectGood(cluster: ChaosCluster): Promise<ChaosResult> {
  const result = await cluster.finish();
  const { acknowledged, uncertain, operations, handlers, acquisitions, problems } = result;
  figure(
    `verdict: ${problems.length} problems; ${operations} operations, ${acknowledged} increments acknowledged, ` +
      `${uncertain} uncertain, ${handlers} handlers, ${acquisitions} acquisitions ` +
      `(npm run check-history ${relative(ROOT, cluster.recorder.file)})`,
  );
  expect(problems).toEqual([]);
  expect(handlers).toBeGreaterThan(0);
  return result;
}

/**
 * Holds a figure that depends on the machine against its bound. Missed on a machine that kept the cluster's processes
 * waiting, it has shown nothing: that is said aloud, and not asserted. `CLSTR_FAULTS_STRICT=1` asserts all the same.
 */
export function expectAtMost(what: string, value: number, bound: number): void {
  if (value <= bound) return;
  const text = `${what}: ${value.toFixed(0)}, bound ${bound}`;
  if (noise?.isNoisy === true && process.env['CLSTR_FAULTS_STRICT'] !== '1') {
    figure(`TOO NOISY TO TELL, NOT ASSERTED: ${text} (a process waited ${noise.worstMs} ms of one second)`);
  } else expect.fail(text);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
