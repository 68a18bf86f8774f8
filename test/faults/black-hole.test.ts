/** A node whose connections swallow everything, FIN included: it must stop of its own accord before others take over. */
import { describeErrors, describeTimes, nowMs } from '@clstr-kit/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { describe, expect, test } from 'vitest';
import { LEASE_MS, expectAtMost, expectGood, figure, pause, startCluster } from './setting.ts';

const TARGET = 'node-2';

describe.skipIf(!hasNatsServer())('a black hole', { timeout: 60_000 }, () => {
  test('makes its node fence itself within the lease, and heals without a second owner', async () => {
    await using cluster = await startCluster('black-hole');
    const [, [target]] = await Promise.all([
      cluster.join(['node-1', 'node-3']),
      cluster.join([TARGET], { isProxied: true }),
    ]);
    await cluster.untilSpread();
    const { ownerLog } = cluster;
    const proxy = target!.proxy!;
    const load = cluster.startLoad({ perSecond: 200, keys: cluster.keys(1), timeoutMs: 3_000 });
    await pause(500);
    const mine = ownerLog.shardsOf(TARGET);
    const holeMs = nowMs();
    proxy.setMode({ kind: 'black-hole' });
    const lapsed = (): { at: number } | undefined => ownerLog.events('lapsed', holeMs, TARGET)[0];
    await ownerLog.until(`${TARGET} leaseTerm`, () => lapsed() !== undefined, 10_000);
    const isMoved = (shard: number): boolean => (ownerLog.ownerOf(shard)?.id ?? TARGET) !== TARGET;
    await ownerLog.until('its shards move', () => mine.every(isMoved), 10_000);
    const moved = mine.map((shard) => ownerLog.ownerOf(shard)!.at - holeMs);
    const served = await Promise.all(mine.map(async (shard) => (await cluster.probe(shard)) - holeMs));
    expect(proxy.bytesSwallowed).toBeGreaterThan(0);
    await pause(500);
    const { connections, bytesSwallowed } = proxy;
    const healedMs = nowMs();
    const worked = ownerLog.handlersStarted(TARGET, lapsed()!.at);
    proxy.setMode({ kind: 'pass' });
    await ownerLog.until(
      `${TARGET} owns shards again`,
      () => ownerLog.acquired.some(({ at, id }) => id === TARGET && at > healedMs),
      15_000,
    );
    const backMs = ownerLog.acquired.find(({ at, id }) => id === TARGET && at > healedMs)!.at - healedMs;
    await cluster.untilSpread();
    const calls = await load.stop();
    const expiryMs = lapsed()!.at - holeMs;
    figure(`black hole: ${bytesSwallowed} bytes swallowed on ${connections} connections`);
    figure(
      `black hole: the node lapsed after ${expiryMs.toFixed(0)} ms, bound ${LEASE_MS} ms; handlers from then on: ${worked.length}`,
    );
    figure(
      `black hole: its shards moved after ${describeTimes(moved)}, and served after ${describeTimes(served)}`,
    );
    figure(`black hole: it owned shards again ${backMs.toFixed(0)} ms after it healed`);
    figure(`black hole: ${describeErrors(calls)}`);
    expectAtMost('black hole: the node lapsed after', expiryMs, LEASE_MS);
    expect(Math.min(...moved)).toBeGreaterThan(expiryMs);
    expect(worked).toEqual([]);
    expect(cluster.node(TARGET)).toBe(target);
    await expectGood(cluster);
  });
});
