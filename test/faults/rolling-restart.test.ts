/** Every node is replaced under load, one after the other, and nobody who calls notices. */
import { describeErrors, describeTimes, longestGap, nowMs, percentile } from '@clstr-kit/chaos';
import type { Move } from '@clstr-kit/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { describe, expect, test } from 'vitest';
import { DRAIN_MS, expectAtMost, expectGood, figure, startCluster } from './setting.ts';

const NODES = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'];
const GAP_MS = 250;

describe.skipIf(!hasNatsServer())('a rolling restart', { timeout: 120_000 }, () => {
  test('fails no call, and keeps no idle shard from work for long', async () => {
    await using cluster = await startCluster('rolling-restart');
    await cluster.join(NODES);
    await cluster.untilSpread();
    const { ownerLog } = cluster;
    const isBusy = (shard: number): boolean => shard % 2 === 0;
    const probes: Promise<number>[] = [];
    ownerLog.onReleasing(({ shard, at }) => {
      if (isBusy(shard)) return;
      probes.push(cluster.read(shard, 5_000).then(({ endedAt, code }) => (code ? Infinity : endedAt - at)));
    });
    const startMs = nowMs();
    const load = cluster.startLoad({
      perSecond: 500,
      keys: cluster.keys(4, isBusy),
      timeoutMs: 5_000,
      maxDelayMs: 50,
      increments: 0.3,
    });
    const exits: number[] = [];
    for (const id of NODES) {
      const node = cluster.node(id);
      const termMs = nowMs();
      node.signal('SIGTERM');
      const { code, signal, at } = await node.exited;
      expect({ code, signal }).toEqual({ code: 0, signal: null });
      exits.push(at - termMs);
      await cluster.join([id]);
      await cluster.untilSpread();
    }
    const calls = await load.stop();
    const gaps = gapsOf(ownerLog.releasing, ownerLog.acquired);
    const idle = gaps.filter(({ shard }) => !isBusy(shard)).map(({ gapMs }) => gapMs);
    const busy = gaps.filter(({ shard }) => isBusy(shard)).map(({ gapMs }) => gapMs);
    const seen = await Promise.all(probes);
    const reads = calls.filter(({ op }) => op === 'get');
    const rate = calls.length / ((nowMs() - startMs) / 1000);
    const latency = calls.map(({ endedAt, invokedAt }) => endedAt - invokedAt);
    figure(
      `rolling restart of ${NODES.length} nodes at ${rate.toFixed(0)} calls/s: ${describeErrors(calls)}`,
    );
    figure(`rolling restart: of idempotent ones ${describeErrors(reads)}, bound 0`);
    figure(`rolling restart, idle shards: not served for ${describeTimes(idle)}, bound p99 ${GAP_MS} ms`);
    figure(`rolling restart, idle shards: a call during the move takes ${describeTimes(seen)}`);
    figure(`rolling restart, busy shards: not served for ${describeTimes(busy)}`);
    figure(`rolling restart: calls take ${describeTimes(latency)}`);
    figure(
      `rolling restart: longest time without any reply ${longestGap(calls, startMs, nowMs()).toFixed(0)} ms`,
    );
    figure(`rolling restart: processes exit after ${describeTimes(exits)}, bound ${DRAIN_MS + 5_000} ms`);
    await expectGood(cluster);
    expect(idle.length).toBeGreaterThan(0);
    expect(reads.filter(({ code }) => code !== undefined)).toEqual([]);
    expectAtMost('rolling restart: idle shards not served for, p99', percentile(idle, 99), GAP_MS);
    expectAtMost('rolling restart: a process exits after', Math.max(...exits), DRAIN_MS + 5_000);
  });
});

/** From the beginning of each hand-over until somebody else serves the shard. */
function gapsOf(releases: readonly Move[], acquired: readonly Move[]): { shard: number; gapMs: number }[] {
  return releases.map(({ shard, at }) => {
    const next = acquired.filter((move) => move.shard === shard && move.at > at).map((move) => move.at);
    return { shard, gapMs: Math.min(...next) - at };
  });
}
