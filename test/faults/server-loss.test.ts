/**
 * A server, or one connection, is lost in a way that no FIN tells of: how long calls to any key fail. Of three servers with
 * three replicas, and of one. `npm run faults -- --long server-loss` tries every loss and prints a table.
 */
import { describeErrors, longestGapOfAKey, nowMs } from '@clstr-kit/chaos';
import type { ChaosCluster } from '@clstr-kit/chaos';
import { TIMINGS } from '@clstr/core';
import { hasNatsServer } from '@clstr/testing/nats';
import { connect } from 'nats';
import { describe, expect, test } from 'vitest';
import { IS_LONG, expectAtMost, expectGood, figure, pause, startCluster } from './setting.ts';

/** The server that is lost, and the node whose connections go to it. */
const TARGET = 0;
const NODE = 'node-1';
const PING_MS = 500;
const STREAM = 'KV_clstr';
/** Calls: each key is called this often, and a call that meets the loss is repeated within its deadline. */
const PER_SECOND = 256;
const NUM_SHARDS = 64;
const SAMPLE_MS = (1_000 * NUM_SHARDS) / PER_SECOND;
/** For a dial, a holdQueue and a busy machine. */
const RECONNECT_MS = 2_500;
/** Two pings that are not answered, and another connection. */
const REROUTED_MS = 2 * PING_MS + RECONNECT_MS + SAMPLE_MS;

interface Loss {
  readonly name: string;
  readonly servers: 1 | 3;
  /** Whether the target leads the bucket: then its members also wait for an election. */
  readonly isLeader?: boolean;
  /** The node's connection for requests is lost, and no other. */
  readonly isDataOnly?: boolean;
  /** Without the recovery, which begins after `lastsMs`. */
  readonly begin: (cluster: ChaosCluster) => Promise<unknown> | void;
  readonly end?: (cluster: ChaosCluster) => Promise<unknown> | void;
  readonly lastsMs: number;
  readonly boundMs: number;
  /** In the short run too. */
  readonly isShort?: boolean;
}

const targetPid = ({ set }: ChaosCluster): number => set.servers[TARGET]!.pid!;
const stop = (cluster: ChaosCluster): void => void process.kill(targetPid(cluster), 'SIGSTOP');
const goOn = (cluster: ChaosCluster): void => void process.kill(targetPid(cluster), 'SIGCONT');
const kill = ({ set }: ChaosCluster): Promise<void> => set.servers[TARGET]!.kill();
const restart = ({ set }: ChaosCluster): Promise<void> => set.servers[TARGET]!.restart();
type Cut = 'black-hole' | 'half-open' | 'mute' | 'pass';
const server = (kind: Cut) => (cluster: ChaosCluster) => {
  cluster.set.proxies[TARGET]!.setMode({ kind });
};
const data = (kind: Cut) => (cluster: ChaosCluster) => {
  cluster.node(NODE).proxy!.setMode({ kind });
};

const { leaseMs, heartbeatMs, ackTimeoutMs } = TIMINGS.fast;
/** The node has no other server: it is found to be out of reach, and its shards are handed over. */
const UNREACHED_MS = leaseMs + 2 * heartbeatMs + 2 * ackTimeoutMs + RECONNECT_MS + SAMPLE_MS;
const LOST_MS = IS_LONG ? 20_000 : 8_000;
/** One server: nobody can be asked until it is back. */
const OUTAGE_MS = IS_LONG ? 10_000 : 4_000;

const LOSSES: readonly Loss[] = [
  {
    name: 'a server of three is stopped',
    servers: 3,
    begin: stop,
    end: goOn,
    lastsMs: LOST_MS,
    boundMs: REROUTED_MS,
    isShort: true,
  },
  {
    name: 'a server of three is killed',
    servers: 3,
    begin: kill,
    end: restart,
    lastsMs: LOST_MS,
    boundMs: REROUTED_MS,
  },
  ...(['black-hole', 'half-open', 'mute'] as const).flatMap((kind): Loss[] => [
    {
      name: `a server of three, ${kind}`,
      servers: 3,
      begin: server(kind),
      end: server('pass'),
      lastsMs: LOST_MS,
      boundMs: REROUTED_MS,
    },
    {
      name: `one data connection of three servers, ${kind}`,
      servers: 3,
      isDataOnly: true,
      begin: data(kind),
      end: data('pass'),
      lastsMs: LOST_MS,
      boundMs: REROUTED_MS,
    },
    {
      name: `one data connection of one server, ${kind}`,
      servers: 1,
      isDataOnly: true,
      begin: data(kind),
      end: data('pass'),
      lastsMs: LOST_MS,
      boundMs: UNREACHED_MS,
      isShort: kind === 'half-open',
    },
  ]),
  {
    name: 'the only server is stopped',
    servers: 1,
    begin: stop,
    end: goOn,
    lastsMs: OUTAGE_MS,
    boundMs: OUTAGE_MS + REROUTED_MS,
  },
  {
    name: 'the only server is killed',
    servers: 1,
    begin: kill,
    end: restart,
    lastsMs: OUTAGE_MS,
    boundMs: OUTAGE_MS + REROUTED_MS,
  },
];

describe.skipIf(!hasNatsServer())('the loss of a server or of a connection', { timeout: 120_000 }, () => {
  const wanted = LOSSES.filter(({ isShort }) => IS_LONG || isShort);
  test.each(wanted)('$name: no key fails for longer than its bound', async (loss) => {
    await using cluster = await startCluster(`loss-${LOSSES.indexOf(loss)}`, {
      numShards: NUM_SHARDS,
      servers: loss.servers,
      pingIntervalMs: PING_MS,
      // The callers' own connections are not what is lost, where there is another server.
      ...(loss.servers === 3 ? { clientServers: [1, 2] } : {}),
    });
    await joinAround(cluster, loss);
    const keys = cluster.keys(1);
    const load = cluster.startLoad({ perSecond: PER_SECOND, keys, timeoutMs: 5_000, maxDelayMs: 5 });
    await pause(1_000);
    const startMs = nowMs();
    await loss.begin(cluster);
    await pause(loss.lastsMs);
    const endMs = nowMs();
    await loss.end?.(cluster);
    await pause(4_000);
    const untilMs = nowMs();
    const calls = await load.stop();
    const longestMs = longestGapOfAKey(calls, startMs - SAMPLE_MS, untilMs);
    const moves = cluster.ownerLog.acquired.filter(({ at }) => at > startMs && at < endMs).length;
    figure(
      `| ${loss.name} | ${(loss.lastsMs / 1_000).toFixed(0)} s | ${longestMs.toFixed(0)} ms | ` +
        `bound ${loss.boundMs.toFixed(0)} ms | ${describeErrors(calls)} | ${moves} moves |`,
    );
    await expectGood(cluster);
    expect(calls.length).toBeGreaterThan(keys.length);
    expectAtMost(`${loss.name}: the longest time a key failed`, longestMs, loss.boundMs);
  });
});

/** `node-1` on the target, the others anywhere; the bucket is led by another server. */
async function joinAround(cluster: ChaosCluster, { servers, isDataOnly = false }: Loss): Promise<void> {
  const { set } = cluster;
  if (servers === 3) {
    await leadElsewhere(cluster);
    for (const index of [1, 2]) set.proxies[index]!.setMode({ kind: 'reset' });
  }
  const start = isDataOnly ? { dataProxiedTo: TARGET } : { isBehindServerProxies: true };
  await cluster.join([NODE], start);
  if (servers === 3) for (const index of [1, 2]) set.proxies[index]!.setMode({ kind: 'pass' });
  await cluster.join(['node-2', 'node-3'], { isBehindServerProxies: true });
  await cluster.untilSpread(30_000);
}

/** An election takes longer than the lease of the fast profile, and is not what is measured. */
async function leadElsewhere({ set }: ChaosCluster): Promise<void> {
  const nats = await connect({ servers: set.servers[1]!.url });
  const endMs = nowMs() + 30_000;
  for (;;) {
    const answer = await nats.request(`$JS.API.STREAM.INFO.${STREAM}`, '', { timeout: 5_000 });
    const { cluster } = answer.json<{ cluster?: { leader?: string } }>();
    if (cluster?.leader !== undefined && cluster.leader !== `s${TARGET + 1}`) break;
    if (nowMs() > endMs) throw new Error('the bucket is led by the target all the same');
    await nats.request(`$JS.API.STREAM.LEADER.STEPDOWN.${STREAM}`, '', { timeout: 5_000 });
    await pause(500);
  }
  await nats.close();
}
