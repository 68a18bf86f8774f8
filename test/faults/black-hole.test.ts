/** A node whose connections swallow everything, FIN included: it must stop of its own accord before others take over. */
import { describeErrors, describeTimes, nowMs } from '@clstr-examples/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { describe, expect, test } from 'vitest';
import { LEASE_MS, expectAtMost, expectGood, figure, pause, startCluster } from './setting.ts';

const VICTIM = 'node-2';

describe.skipIf(!hasNatsServer())('a black hole', { timeout: 60_000 }, () => {
  test('makes its node fence itself within the lease, and heals without a second owner', async () => {
    await using cluster = await startCluster('black-hole');
    const [, [victim]] = await Promise.all([
      cluster.join(['node-1', 'node-3']),
      cluster.join([VICTIM], { isProxied: true }),
    ]);
    await cluster.untilSpread();
    const { tenures } = cluster;
    const proxy = victim!.proxy!;
    const load = cluster.startLoad({ perSecond: 200, keys: cluster.keys(1), timeoutMs: 3_000 });
    await pause(500);
    const mine = tenures.shardsOf(VICTIM);
    const holeMs = nowMs();
    proxy.setMode({ kind: 'black-hole' });
    const lapsed = (): { at: number } | undefined => tenures.events('lapsed', holeMs, VICTIM)[0];
    await tenures.until(`${VICTIM} lapses`, () => lapsed() !== undefined, 10_000);
    const isMoved = (shard: number): boolean => (tenures.ownerOf(shard)?.id ?? VICTIM) !== VICTIM;
    await tenures.until('its shards move', () => mine.every(isMoved), 10_000);
    const moved = mine.map((shard) => tenures.ownerOf(shard)!.at - holeMs);
    const served = await Promise.all(mine.map(async (shard) => (await cluster.probe(shard)) - holeMs));
    expect(proxy.bytesSwallowed).toBeGreaterThan(0);
    await pause(500);
    const { connections, bytesSwallowed } = proxy;
    const healedMs = nowMs();
    const worked = tenures.handlersStarted(VICTIM, lapsed()!.at);
    proxy.setMode({ kind: 'pass' });
    await tenures.until(
      `${VICTIM} owns shards again`,
      () => tenures.acquired.some(({ at, id }) => id === VICTIM && at > healedMs),
      15_000,
    );
    const backMs = tenures.acquired.find(({ at, id }) => id === VICTIM && at > healedMs)!.at - healedMs;
    await cluster.untilSpread();
    const calls = await load.stop();
    const lapseMs = lapsed()!.at - holeMs;
    figure(`black hole: ${bytesSwallowed} bytes swallowed on ${connections} connections`);
    figure(
      `black hole: the node lapsed after ${lapseMs.toFixed(0)} ms, bound ${LEASE_MS} ms; handlers from then on: ${worked.length}`,
    );
    figure(
      `black hole: its shards moved after ${describeTimes(moved)}, and served after ${describeTimes(served)}`,
    );
    figure(`black hole: it owned shards again ${backMs.toFixed(0)} ms after it healed`);
    figure(`black hole: ${describeErrors(calls)}`);
    expectAtMost('black hole: the node lapsed after', lapseMs, LEASE_MS);
    expect(Math.min(...moved)).toBeGreaterThan(lapseMs);
    expect(worked).toEqual([]);
    expect(cluster.node(VICTIM)).toBe(victim);
    await expectGood(cluster);
  });
});
