/** A node that is busy: one that cannot say a word, and one with far more to do than it has time for. */
import { describeErrors, describeTimes, nowMs, percentile } from '@clstr-kit/chaos';
import type { EndedCall } from '@clstr-kit/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { describe, expect, test } from 'vitest';
import { LEASE_MS, expectAtMost, expectGood, figure, pause, startCluster } from './setting.ts';

const TARGET = 'node-2';
const NODES = ['node-1', TARGET, 'node-3'];
const SERVES_AGAIN_MS = 5_000;
const QUEUED = 10_000;
/** How much longer than its deadline a call may take. */
const OVERRUN_MS = 100;

describe.skipIf(!hasNatsServer())('a busy node', { timeout: 60_000 }, () => {
  test('that blocks its event loop for two leases answers nothing it began, and serves again', async () => {
    await using cluster = await startCluster('blocked');
    await cluster.join(NODES);
    await cluster.untilSpread();
    const { ownerLog, recorder, client } = cluster;
    const target = cluster.node(TARGET);
    const mine = ownerLog.shardsOf(TARGET);
    const [key] = cluster.keys(1, (shard) => shard === mine[0]);
    cluster.expectBlocked(TARGET);
    const blockedMs = nowMs();
    const blockMs = 2 * LEASE_MS;
    const blocking = recorder.call(client, {
      op: 'increment',
      key: key!,
      timeoutMs: 10_000,
      work: { blockMs },
    });
    const isMoved = (shard: number): boolean => (ownerLog.ownerOf(shard)?.id ?? TARGET) !== TARGET;
    await ownerLog.until('its shards move', () => mine.every(isMoved), 10_000);
    const states = new Set(
      await Promise.all([0, 100, 200].map((ms) => pause(ms).then(() => target.processState()))),
    );
    const moved = mine.map((shard) => ownerLog.ownerOf(shard)!.at - blockedMs);
    const call = await blocking;
    const unblockedMs = nowMs();
    const isBack = (): boolean => ownerLog.acquired.some(({ at, id }) => id === TARGET && at > unblockedMs);
    await ownerLog.until(`${TARGET} owns shards again`, isBack, 15_000);
    await cluster.untilSpread();
    const [shard] = ownerLog.shardsOf(TARGET);
    await cluster.probe(shard!);
    const backMs =
      ownerLog.acquired.find(({ at, id }) => id === TARGET && at > unblockedMs)!.at - unblockedMs;
    figure(
      `event loop blocked for ${blockMs} ms (seen in state ${[...states].join()}): shards moved after ${describeTimes(moved)}`,
    );
    figure(
      `event loop blocked: its caller heard ${call.code}; the node owned shards again after ${backMs.toFixed(0)} ms, bound ${SERVES_AGAIN_MS} ms`,
    );
    expect(states).toEqual(new Set(['R']));
    expect(call.code).toBe('FENCED');
    expectAtMost('event loop blocked: the node owned shards again after', backMs, SERVES_AGAIN_MS);
    expect(cluster.node(TARGET)).toBe(target);
    const after = await recorder.call(client, { op: 'increment', key: key!, timeoutMs: 5_000 });
    expect(after.value).toBe(1);
    await expectGood(cluster);
  });

  test(`with ${QUEUED} requests queued to a slow actor keeps its lease, its other actors and all deadlines`, async () => {
    await using cluster = await startCluster('slow');
    await cluster.join(NODES);
    await cluster.untilSpread();
    const { ownerLog, recorder, client } = cluster;
    const [shard] = ownerLog.shardsOf(TARGET);
    const [slow] = cluster.keys(1, (one) => one === shard);
    const others = cluster.keys(1, (one) => one !== shard);
    const load = cluster.startLoad({ perSecond: 100, keys: others, timeoutMs: 5_000 });
    const startMs = nowMs();
    const queued: Promise<EndedCall>[] = [];
    while (queued.length < QUEUED) {
      for (let n = 0; n < 250; n++) {
        const work = { delayMs: 5 };
        queued.push(recorder.call(client, { op: 'increment', key: slow!, timeoutMs: 4_000, work }));
      }
      await pause(25);
    }
    const open = QUEUED - recorder.calls.filter(({ key }) => key === slow).length;
    const ended = await Promise.all(queued);
    const calls = await load.stop();
    const overruns = ended.map(({ invokedAt, endedAt, timeoutMs }) => endedAt - invokedAt - timeoutMs);
    const overrunMs = Math.max(...overruns);
    const moves = ownerLog.acquired.filter(({ at }) => at > startMs);
    const leaseTerm = ownerLog.events('lapsed', startMs);
    const latency = calls.map(({ invokedAt, endedAt }) => endedAt - invokedAt);
    figure(`slow actor: ${open} requests waited at once; ${describeErrors(ended)}`);
    figure(
      `slow actor: ends at most ${overrunMs.toFixed(0)} ms after the deadline (p99 ${percentile(overruns, 99).toFixed(0)}), bound ${OVERRUN_MS} ms`,
    );
    figure(
      `slow actor: ${leaseTerm.length} leaseTerm, ${moves.length} moves; other actors: ${describeErrors(calls)}, ${describeTimes(latency)}`,
    );
    expect(open).toBeGreaterThan(0.9 * QUEUED);
    expect(ended.filter(({ code }) => code === undefined).length).toBeGreaterThan(0);
    expectAtMost('slow actor: leaseTerm', leaseTerm.length, 0);
    expectAtMost('slow actor: moves', moves.length, 0);
    const failed = calls.filter(({ code }) => code !== undefined);
    expectAtMost('slow actor: failed calls to others', failed.length, 0);
    expectAtMost('slow actor: ends after its deadline', overrunMs, OVERRUN_MS);
    await expectGood(cluster);
  });
});
