/** Names, configurations and buckets: who may be a member, and what becomes of shards when all is lost. */
import { describeErrors, describeTimes, judgeHistory, nowMs, percentile } from '@clstr-kit/chaos';
import type { ChaosCluster, NodeFailure, NodeStart } from '@clstr-kit/chaos';
import { hasNatsServer } from '@clstr/testing/nats';
import { connect } from 'nats';
import { describe, expect, test } from 'vitest';
import { IS_LONG, expectAtMost, expectGood, figure, pause, startCluster } from './setting.ts';

const TWINS = IS_LONG ? 20 : 3;
const RETURN_MS = 2_000;

describe.skipIf(!hasNatsServer())('identity', { timeout: 60_000 + TWINS * 6_000 }, () => {
  test('a name is held once, and comes back after a crash, as does a whole cluster', async () => {
    await using cluster = await startCluster('identity');
    await cluster.join(['node-1', 'node-2', 'node-3']);
    await cluster.untilSpread();
    const load = cluster.startLoad({ perSecond: 50, keys: cluster.keys(1), timeoutMs: 5_000 });
    await refuseOthers(cluster);
    for (let round = 1; round <= TWINS; round++) await startTwins(cluster, `twin-${round}`);
    await crashAndReturn(cluster, ['node-2']);
    await crashAndReturn(cluster, ['node-1', 'node-2', 'node-3']);
    figure(`identity: ${describeErrors(await load.stop())}`);
    await expectGood(cluster);
  });

  test('an exclusive name serves again within 2 s of its start, although its lease would take 15 s', async () => {
    await using cluster = await startCluster('exclusive', { timing: 'default' });
    await cluster.join(['node-1', 'node-2', 'node-3']);
    await cluster.untilSpread(40_000);
    const load = cluster.startLoad({ perSecond: 50, keys: cluster.keys(1), timeoutMs: 10_000 });
    for (const ids of [['node-2'], ['node-1', 'node-2', 'node-3']]) {
      const shards = ids.flatMap((id) => cluster.ownerLog.shardsOf(id));
      await Promise.all(ids.map((id) => cluster.kill(id)));
      const startedMs = nowMs();
      const joined = cluster.join(ids, { identity: 'exclusive' }).then(() => nowMs() - startedMs);
      const served = await Promise.all(shards.map(async (shard) => (await cluster.probe(shard)) - startedMs));
      figure(
        `exclusive: ${ids.join(', ')} killed and started again: members after ${(await joined).toFixed(0)} ms, ` +
          `shards serve after ${describeTimes(served)}`,
      );
      expectAtMost('exclusive: serves again after, p99', percentile(served, 99), RETURN_MS);
      for (const shard of shards) expect(ids).toContain(cluster.ownerLog.ownerOf(shard)?.id);
    }
    figure(`exclusive: ${describeErrors(await load.stop())}`);
    await expectGood(cluster);
  });

  test('a stopped process whose exclusive name is used meanwhile takes back neither the name nor a write', async () => {
    await using cluster = await startCluster('usurped', { timing: 'datacenter' });
    await cluster.join(['node-1', 'node-2']);
    await cluster.untilSpread(20_000);
    const { ownerLog } = cluster;
    const mine = ownerLog.shardsOf('node-1');
    const load = cluster.startLoad({
      perSecond: 200,
      keys: cluster.keys(1, (shard) => mine.includes(shard)),
      timeoutMs: 5_000,
      increments: 1,
      maxDelayMs: 20,
    });
    await pause(500);
    const stopped = cluster.node('node-1');
    await cluster.pause('node-1');
    const [usurper] = await cluster.join(['node-1'], { identity: 'exclusive' });
    await Promise.all(mine.map((shard) => cluster.probe(shard)));
    const continuedMs = nowMs();
    stopped.signal('SIGCONT');
    const isFenced = (): boolean =>
      ownerLog.events('fenced', continuedMs).some(({ run }) => run === stopped.run);
    await ownerLog.until('the stopped process is fenced', isFenced, 5_000);
    figure(`usurped: fenced ${(nowMs() - continuedMs).toFixed(0)} ms after SIGCONT`);
    await pause(1_000);
    expect(ownerLog.events('fenced', continuedMs).map(({ run }) => run)).not.toContain(usurper!.run);
    for (const shard of mine) expect(ownerLog.ownerOf(shard)?.run).toBe(usurper!.run);
    stopped.signal('SIGTERM');
    await stopped.exited;
    const calls = await load.stop();
    figure(`usurped: ${describeErrors(calls)}`);
    // Both may have admitted work at a time, so that only what was acknowledged and stored is checked.
    await cluster.finish();
    expect(judgeHistory(cluster.recorder.file).problems).toEqual([]);
    expect(calls.some(({ code }) => code === undefined)).toBe(true);
  });

  test('a bucket that is deleted under load brings no second owner, and no epoch back', async () => {
    await using cluster = await startCluster('bucket-deleted');
    await cluster.join(['node-1', 'node-2', 'node-3']);
    await cluster.untilSpread();
    const { ownerLog } = cluster;
    const load = cluster.startLoad({ perSecond: 200, keys: cluster.keys(1), timeoutMs: 5_000 });
    await pause(500);
    const before = new Map(ownerLog.acquired.map(({ shard, epoch }) => [shard, epoch]));
    const nats = await connect({ servers: cluster.server.url });
    const deletedMs = nowMs();
    const manager = await nats.jetstreamManager();
    expect(await manager.streams.delete('KV_clstr')).toBe(true);
    await nats.close();
    await ownerLog.until('all are fenced', () => ownerLog.events('fenced', deletedMs).length >= 3, 10_000);
    await ownerLog.until('all join', () => ownerLog.events('joined', deletedMs).length >= 3, 10_000);
    const served = await Promise.all(
      [...before.keys()].map(async (shard) => (await cluster.probe(shard)) - deletedMs),
    );
    await cluster.untilSpread();
    const calls = await load.stop();
    figure(`bucket deleted: shards serve after ${describeTimes(served)}`);
    figure(`bucket deleted: ${describeErrors(calls)}`);
    for (const [shard, epoch] of before) expect(ownerLog.ownerOf(shard)!.epoch).toBeGreaterThan(epoch);
    await expectGood(cluster);
  });
});

async function refuseOthers(cluster: ChaosCluster): Promise<void> {
  const strangers = {
    numShards: { numShards: 32 },
    seed: { seed: 'other' },
    placement: { placement: 'bounded' },
  } as const satisfies Record<string, NodeStart>;
  await Promise.all(
    Object.entries(strangers).map(async ([difference, start]) => {
      const failure = await failureOf(cluster.fork(`stranger-${difference}`, start).ready);
      figure(`identity: ${failure?.code}: ${failure?.message}`);
      expect(failure).toMatchObject({
        code: 'CLUSTER_CONFIG_MISMATCH',
        message: expect.stringContaining(`${difference} is `),
        details: { [difference]: expect.anything() },
      });
    }),
  );
}

async function startTwins(cluster: ChaosCluster, id: string): Promise<void> {
  const startedMs = nowMs();
  const twins = [cluster.fork(id), cluster.fork(id)];
  const failures = await Promise.all(twins.map(({ ready }) => failureOf(ready)));
  const tookMs = (nowMs() - startedMs).toFixed(0);
  figure(
    `two processes named ${id}: ${failures.map((one) => one?.code ?? 'serves').join(', ')} after ${tookMs} ms`,
  );
  expect(failures.filter((failure) => failure === undefined)).toHaveLength(1);
  expect(failures.find((failure) => failure !== undefined)).toMatchObject({ code: 'NODE_ID_IN_USE' });
  const winner = twins[failures.indexOf(undefined)]!;
  const { ownerLog } = cluster;
  const isServing = (): boolean => ownerLog.acquired.some(({ run }) => run === winner.run);
  await ownerLog.until(`${id} serves`, isServing, 10_000);
  winner.signal('SIGTERM');
  expect(await winner.exited).toMatchObject({ code: 0 });
}

async function crashAndReturn(cluster: ChaosCluster, ids: readonly string[]): Promise<void> {
  const { ownerLog } = cluster;
  const shards = ids.flatMap((id) => ownerLog.shardsOf(id));
  const killedMs = nowMs();
  const exits = await Promise.all(ids.map((id) => cluster.kill(id)));
  expect(exits.every(({ signal }) => signal === 'SIGKILL')).toBe(true);
  await cluster.join(ids);
  const joinedMs = nowMs() - killedMs;
  const served = await Promise.all(shards.map(async (shard) => (await cluster.probe(shard)) - killedMs));
  await cluster.untilSpread();
  figure(
    `SIGKILL of ${ids.join(', ')} and started again at once: members after ${joinedMs.toFixed(0)} ms, ` +
      `shards serve after ${describeTimes(served)}`,
  );
  expect(cluster.ownedShards()).toHaveLength(cluster.numShards);
}

async function failureOf(ready: Promise<void>): Promise<NodeFailure | undefined> {
  try {
    await ready;
    return undefined;
  } catch (error) {
    return error as NodeFailure;
  }
}
