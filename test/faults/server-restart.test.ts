/** nats-server goes and comes back: nobody loses a shard for it. */
import { describeErrors, nowMs, recoveryMs } from '@clstr-kit/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { describe, expect, test } from 'vitest';
import { IS_LONG, LEASE_MS, expectAtMost, expectGood, figure, pause, startCluster } from './setting.ts';

const OUTAGES_MS = IS_LONG ? [1_000, 2 * LEASE_MS, 30_000] : [1_000, 2 * LEASE_MS];
const RECOVERED_MS = 5_000;
const WATCHED_MS = 7_000;
const SUCCESS = 0.99;

describe.skipIf(!hasNatsServer())('a nats-server that is killed and restarted', { timeout: 180_000 }, () => {
  test('moves nothing, and calls work again soon after', async () => {
    await using cluster = await startCluster('server-restart');
    await cluster.join(['node-1', 'node-2', 'node-3']);
    await cluster.untilSpread();
    const { ownerLog, server } = cluster;
    for (const outageMs of OUTAGES_MS) {
      const load = cluster.startLoad({ perSecond: 200, keys: cluster.keys(1), timeoutMs: 2_000 });
      await pause(500);
      const { pid } = server;
      const killedMs = nowMs();
      await server.kill();
      expect(server.pid).toBeUndefined();
      expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
      const goneMs = nowMs();
      await pause(outageMs - (nowMs() - killedMs));
      const backMs = nowMs();
      await server.restart();
      const restartMs = nowMs() - backMs;
      await pause(WATCHED_MS);
      const calls = await load.stop();
      const during = calls.filter(({ code, endedAt }) => !code && endedAt > goneMs && endedAt < backMs);
      const moves = ownerLog.acquired.filter(({ at }) => at > killedMs);
      const recovery = recoveryMs(calls, backMs, backMs + WATCHED_MS, SUCCESS);
      const name = `nats-server gone for ${outageMs} ms`;
      figure(
        `${name}: ${moves.length} moves, ${ownerLog.events('fenced', killedMs).length} nodes fenced, ` +
          `${ownerLog.events('lapsed', killedMs).length} leaseTerm, ${during.length} replies meanwhile`,
      );
      figure(
        `${name}: ${SUCCESS * 100} % of calls succeed from ${recovery} ms after its start on, bound ${RECOVERED_MS} ms (it started in ${restartMs.toFixed(0)} ms)`,
      );
      figure(`${name}: ${describeErrors(calls)}`);
      expect(during).toEqual([]);
      expect(moves).toEqual([]);
      expectAtMost(`${name}: calls succeed from`, recovery, RECOVERED_MS);
    }
    await expectGood(cluster);
  });
});
