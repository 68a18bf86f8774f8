/** A process that stands still with work before it: while it slept its shards may have found another owner. */
import { describeErrors, describeTimes, nowMs } from '@clstr-kit/chaos';
import type { ChaosCluster, EndedCall } from '@clstr-kit/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { describe, expect, test } from 'vitest';
import { LEASE_MS, expectAtMost, expectGood, figure, pause, startCluster } from './setting.ts';

const QUEUED = 500;
const SERVES_AGAIN_MS = 5_000;
const TARGET = 'node-2';
/** Far beyond any fail-over: what ends before it was not ended by its deadline. */
const LONG_MS = 10_000;
/** Of a handler that runs when its process stops. */
const WORK_MS = 400;
/** From the move of a shard until clients have heard of it. */
const HEARD_MS = 1_000;
/** How much later than its deadline a call may end: its timers tick every 10 ms, in a process that waits for its turn. */
const LATE_MS = 100;
/** A call that goes straight to its owner. */
const DIRECT_MS = 250;

describe.skipIf(!hasNatsServer())('a stopped process', { timeout: 90_000 }, () => {
  test('keeps its shards when it is back soon, and works under no epoch that is over', async () => {
    await using cluster = await startCluster('pause');
    await cluster.join(['node-1', TARGET, 'node-3']);
    for (const leases of [0.5, 1, 3]) {
      await cluster.untilSpread();
      await stopFor(cluster, leases);
    }
    await expectGood(cluster);
  });

  test('keeps neither what may run twice nor what comes later, once another owns its shards', async () => {
    await using cluster = await startCluster('pause-idempotent');
    await cluster.join(['node-1', TARGET, 'node-3']);
    await cluster.untilSpread();
    const { ownerLog } = cluster;
    const mine = ownerLog.shardsOf(TARGET);
    const isMoved = (shard: number): boolean => (ownerLog.ownerOf(shard)?.id ?? TARGET) !== TARGET;
    const keys = cluster.keys(1, (shard) => mine.includes(shard));
    await Promise.all(keys.map((key) => send(cluster, key, LONG_MS, 0)));
    const readAll = (): Promise<EndedCall[]> =>
      Promise.all(cluster.clients.flatMap((client) => mine.map((shard) => read(cluster, shard, 0, client))));
    // From now on both clients know the owner that will stop.
    await readAll();
    // Half of them run when the process stops, the others are sent to a process that stands still.
    const reads = mine.filter((_, index) => index % 2 === 0).map((shard) => read(cluster, shard, WORK_MS));
    await pause(100);
    const stoppedMs = await cluster.pause(TARGET);
    expect(cluster.node(TARGET).processState()).toBe('T');
    reads.push(...mine.filter((_, index) => index % 2 === 1).map((shard) => read(cluster, shard, 0)));
    await ownerLog.until('its shards move', () => mine.every(isMoved), 10_000);
    const movedMs = Math.max(...mine.map((shard) => ownerLog.ownerOf(shard)!.at));
    const ended = await Promise.all(reads);
    // This client has sent them nothing since they moved, the other one nothing at all.
    await pause(movedMs + HEARD_MS - nowMs());
    const later = await readAll();
    expect(cluster.node(TARGET).processState()).toBe('T');
    cluster.continue(TARGET);
    const name = `SIGSTOP for good, ${mine.length} shards`;
    const afterMoveMs = ended.map(({ endedAt }) => endedAt - movedMs);
    figure(`${name}: they moved within ${(movedMs - stoppedMs).toFixed(0)} ms`);
    figure(
      `${name}: reads in flight ${describeErrors(ended)}; answered ${describeTimes(latencies(ended))} after they were sent, ` +
        `the last ${Math.max(...afterMoveMs).toFixed(0)} ms after the last shard moved`,
    );
    figure(
      `${name}: later reads ${describeErrors(later)}; answered after ${describeTimes(latencies(later))}`,
    );
    for (const { code } of [...ended, ...later]) expect(code).toBeUndefined();
    expectAtMost(`${name}: answered after the move`, Math.max(...afterMoveMs), HEARD_MS + WORK_MS);
    expectAtMost(`${name}: later reads answered after`, Math.max(...latencies(later)), DIRECT_MS);
    await expectGood(cluster);
  });
});

async function stopFor(cluster: ChaosCluster, leases: number): Promise<void> {
  const { ownerLog } = cluster;
  const target = cluster.node(TARGET);
  const mine = new Set(ownerLog.shardsOf(TARGET));
  const keys = cluster.keys(1, (shard) => mine.has(shard));
  // These run when the process stops: what they would answer afterwards may be over.
  const running = keys.slice(0, 5).map((key) => send(cluster, key, 15_000, 300));
  await pause(100);
  const stoppedMs = await cluster.pause(TARGET);
  expect(target.processState()).toBe('T');
  const queued = Array.from({ length: QUEUED }, (_, index) =>
    // Some give up while it stands still, the others wait for it.
    send(cluster, keys[index % keys.length]!, index % 2 === 0 ? 1_500 : 15_000, 0),
  );
  await pause(leases * LEASE_MS - (nowMs() - stoppedMs));
  const continuedMs = cluster.continue(TARGET);
  const moves = ownerLog.acquired.filter(
    ({ at, id }) => at > stoppedMs && at <= continuedMs && id !== TARGET,
  );
  await ownerLog.until(`${TARGET} owns shards`, () => ownerLog.shardsOf(TARGET).length > 0, 15_000);
  // Those it owns by its last word may be lost by now: it serves again when one of its handlers has run.
  const hasServed = (): boolean =>
    ownerLog.handlersStarted(TARGET, continuedMs).some(({ epoch, shard, at }) => {
      const newest = ownerLog.acquired.filter((move) => move.shard === shard && move.at <= at).at(-1);
      return newest?.id === TARGET && newest.epoch === epoch;
    });
  while (!hasServed()) {
    await Promise.all(ownerLog.shardsOf(TARGET).map((shard) => cluster.read(shard, 400)));
    if (nowMs() > continuedMs + 15_000) throw new Error(`${TARGET} serves nothing`);
  }
  const servedMs =
    Math.min(...ownerLog.handlersStarted(TARGET, continuedMs).map(({ at }) => at)) - continuedMs;
  const ended = await Promise.all(queued);
  const began = await Promise.all(running);
  const stale = ownerLog
    .handlersStarted(TARGET, continuedMs)
    .filter(({ at, shard, epoch }) =>
      ownerLog.acquired.some((move) => move.shard === shard && move.at < at && move.epoch > epoch),
    );
  const late = ended.filter(
    ({ code, endedAt, invokedAt, timeoutMs }) =>
      code === undefined && endedAt - invokedAt > timeoutMs + LATE_MS,
  );
  const name = `SIGSTOP for ${leases} leases`;
  figure(
    `${name}: ${moves.length} moves, ${stale.length} handlers under an old epoch, ${late.length} late replies`,
  );
  figure(`${name}: serves again ${servedMs.toFixed(0)} ms after SIGCONT, bound ${SERVES_AGAIN_MS} ms`);
  figure(
    `${name}: of ${QUEUED} queued ${describeErrors(ended)}; replies after ${describeTimes(latencies(ended))}`,
  );
  figure(`${name}: of those that ran ${describeErrors(began)}`);
  if (leases === 0.5) expectAtMost(`${name}: moves`, moves.length, 0);
  if (leases === 3) expect(new Set(moves.map(({ shard }) => shard))).toEqual(mine);
  if (moves.length > 0) expect(began.every(({ code }) => code !== undefined)).toBe(true);
  expect(stale).toEqual([]);
  expect(late).toEqual([]);
  expectAtMost(`${name}: serves again after`, servedMs, SERVES_AGAIN_MS);
  expect(cluster.node(TARGET)).toBe(target);
}

function send(cluster: ChaosCluster, key: string, timeoutMs: number, delayMs: number): Promise<EndedCall> {
  return cluster.recorder.call(cluster.client, { op: 'increment', key, timeoutMs, work: { delayMs } });
}

function read(
  cluster: ChaosCluster,
  shard: number,
  delayMs: number,
  client = cluster.client,
): Promise<EndedCall> {
  const [key] = cluster.keys(1, (one) => one === shard);
  return cluster.recorder.call(client, { op: 'get', key: key!, timeoutMs: LONG_MS, work: { delayMs } });
}

function latencies(calls: readonly EndedCall[]): number[] {
  return calls.filter(({ code }) => code === undefined).map(({ invokedAt, endedAt }) => endedAt - invokedAt);
}
