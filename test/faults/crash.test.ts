/** Nodes that are killed: their shards serve again elsewhere, and soon. */
import { describeErrors, describeTimes, percentile } from '@clstr-kit/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { describe, expect, test } from 'vitest';
import { IS_LONG, expectAtMost, expectGood, figure, killOldest, pause, startCluster } from './setting.ts';

const KILLS = IS_LONG ? 10 : 2;
/** Of the fast profile: expiry + heartbeat + 2 answers of the store. */
const FAILOVER_MS = 3_300;

describe.skipIf(!hasNatsServer())('a crash', { timeout: 30_000 + KILLS * 15_000 }, () => {
  test(`every shard of a killed node serves again within ${FAILOVER_MS} ms`, async () => {
    await using cluster = await startCluster('crash');
    await cluster.join(['node-1', 'node-2', 'node-3', 'node-4']);
    await cluster.untilSpread();
    const { ownerLog } = cluster;
    const keys = cluster.keys(1);
    const load = cluster.startLoad({ perSecond: 150, keys, timeoutMs: 5_000 });
    const served: number[] = [];
    const acquired: number[] = [];
    for (let kill = 1; kill <= KILLS; kill++) {
      await pause(Math.random() * 300);
      const { id, shards, killedAt, servedMs } = await killOldest(cluster);
      served.push(...servedMs);
      for (const shard of shards) {
        const owner = ownerLog.ownerOf(shard)!;
        expect(owner.id).not.toBe(id);
        acquired.push(owner.at - killedAt);
      }
      await cluster.join([`node-${4 + kill}`]);
      await cluster.untilSpread();
    }
    const calls = await load.stop();
    figure(`crash, ${KILLS} × SIGKILL: shards taken after ${describeTimes(acquired)}`);
    figure(
      `crash, ${KILLS} × SIGKILL: shards serve after ${describeTimes(served)}, bound p99 ${FAILOVER_MS} ms`,
    );
    figure(`crash: ${describeErrors(calls)}`);
    await expectGood(cluster);
    expectAtMost('crash: shards serve after, p99', percentile(served, 99), FAILOVER_MS);
  });
});
