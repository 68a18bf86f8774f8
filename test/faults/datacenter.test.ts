/** Nodes that are killed in a cluster with the profile `datacenter`: callers who may repeat notice nothing. */
import { describeErrors, describeTimes, percentile } from '@clstr-kit/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { describe, expect, test } from 'vitest';
import { IS_LONG, expectAtMost, expectGood, figure, killOldest, pause, startCluster } from './setting.ts';

const KILLS = IS_LONG ? 10 : 1;
/** Of the profile: expiry + heartbeat + 2 answers of the store. */
const FAILOVER_MS = 8_000;
const DEADLINE_MS = 10_000;

describe.skipIf(!hasNatsServer())('with the profile datacenter', { timeout: 60_000 + KILLS * 30_000 }, () => {
  test.each(IS_LONG ? ([1, 3] as const) : ([1] as const))(
    `every shard of a killed node serves within ${FAILOVER_MS} ms, and no idempotent call fails, on %i servers`,
    async (servers) => {
      const name = `datacenter-${servers}`;
      await using cluster = await startCluster(name, { timing: 'datacenter', servers });
      await cluster.join(['node-1', 'node-2', 'node-3', 'node-4']);
      await cluster.untilSpread(30_000);
      const { clients, recorder } = cluster;
      const keys = cluster.keys(1);
      // From now on all clients send to the owners: what went to a shard's own subject is not sent again to the next one.
      await Promise.all(
        clients.flatMap((client) =>
          keys.map((key) => recorder.call(client, { op: 'get', key, timeoutMs: DEADLINE_MS })),
        ),
      );
      const load = cluster.startLoad({ perSecond: 150, keys, timeoutMs: DEADLINE_MS, increments: 0.3 });
      const served: number[] = [];
      for (let kill = 1; kill <= KILLS; kill++) {
        await pause(Math.random() * 800);
        served.push(...(await killOldest(cluster)).servedMs);
        await cluster.join([`node-${4 + kill}`]);
        await cluster.untilSpread(30_000);
      }
      const calls = await load.stop();
      const idempotent = calls.filter(({ op }) => op === 'get');
      figure(
        `${name}, ${KILLS} × SIGKILL: shards serve after ${describeTimes(served)}, bound ${FAILOVER_MS} ms`,
      );
      figure(`${name}: ${describeErrors(calls)}; of idempotent ones ${describeErrors(idempotent)}, bound 0`);
      await expectGood(cluster);
      expectAtMost(`${name}: shards serve after, p99`, percentile(served, 99), FAILOVER_MS);
      expect(idempotent.filter(({ code }) => code !== undefined)).toEqual([]);
    },
  );
});
