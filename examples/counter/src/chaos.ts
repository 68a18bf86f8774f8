/** `--chaos`: five node processes under load; one is killed, one stopped, one joins, one leaves, nats-server restarts. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChaosCluster, countErrors, describeErrors, longestGapOfAKey, nowMs } from '@clstr-kit/chaos';
import type { ChaosResult, EndedCall } from '@clstr-kit/chaos';
import { TIMINGS } from '@clstr/core';
import type { EventRow } from './chaos-table.ts';
import { eventTable, nodeTable, startLiveTable } from './chaos-table.ts';
import { nodeRows } from './node-rows.ts';
import { whole } from './report.ts';

const NODES = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'];
const LATER = 'node-6';
const NUM_SHARDS = 64;
const CALLS_PER_SECOND = 320;
const TIMEOUT_MS = 2_000;
/** How long calls run undisturbed before the first event and after each event. */
const CALM_MS = 7_000;
const STOPPED_MS = 3 * TIMINGS.fast.leaseMs;
const OUTAGE_MS = 2_000;

interface ChaosEvent {
  readonly name: string;
  run(cluster: ChaosCluster): Promise<void>;
}

const EVENTS: readonly ChaosEvent[] = [
  { name: 'nothing', run: () => Promise.resolve() },
  {
    name: 'node-1 is killed',
    run: async (cluster) => {
      const shards = cluster.ownerLog.shardsOf('node-1');
      await cluster.kill('node-1');
      await Promise.all(shards.map((shard) => cluster.probe(shard)));
    },
  },
  {
    name: `node-2 is stopped for ${STOPPED_MS / 1000} s`,
    run: async (cluster) => {
      await cluster.pause('node-2');
      await sleep(STOPPED_MS);
      cluster.continue('node-2');
    },
  },
  {
    name: `${LATER} joins`,
    run: async (cluster) => {
      await cluster.join([LATER]);
    },
  },
  {
    name: 'node-3 leaves',
    run: async (cluster) => {
      const node = cluster.node('node-3');
      node.signal('SIGTERM');
      await node.exited;
    },
  },
  {
    name: `nats-server is down for ${OUTAGE_MS / 1000} s`,
    run: async ({ server }) => {
      await server.kill();
      await sleep(OUTAGE_MS);
      await server.restart();
    },
  },
];

/**
 * Resolves with true when every counter is linearizable, and no acknowledged increment was lost or counted twice.
 *
 * @throws the reason of `signal` when it was aborted
 */
export async function runChaos(signal: AbortSignal, output: NodeJS.WriteStream): Promise<boolean> {
  const historyFile = join(tmpdir(), `clstr-chaos-${process.pid}.jsonl`);
  const print = (text: string): void => void output.write(`${text}\n`);
  await using cluster = await ChaosCluster.start({ numShards: NUM_SHARDS, historyFile });
  print(
    `5 node processes over nats-server at ${cluster.server.url}, ${CALLS_PER_SECOND} calls/s to ${NUM_SHARDS} shards`,
  );
  const stopped = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
  signal.throwIfAborted();
  const { rows, result, calls } = await Promise.race([driveThroughEvents(cluster, output), stopped]);
  print(eventTable(rows));
  print(describeErrors(calls));
  printVerdict(result, historyFile, print);
  return result.isGood;
}

async function driveThroughEvents(
  cluster: ChaosCluster,
  output: NodeJS.WriteStream,
): Promise<{ rows: EventRow[]; result: ChaosResult; calls: readonly EndedCall[] }> {
  await cluster.join(NODES);
  await cluster.untilSpread();
  const keys = cluster.keys(1);
  const load = cluster.startLoad({
    perSecond: CALLS_PER_SECOND,
    keys,
    timeoutMs: TIMEOUT_MS,
    increments: 0.7,
  });
  const windows: { name: string; fromMs: number; toMs: number }[] = [];
  let current = '';
  const live = startLiveTable(output, () => nodeTable(nodeRows(cluster, [...NODES, LATER]), current));
  try {
    for (const { name, run } of EVENTS) {
      current = name;
      live.announce(name);
      const fromMs = nowMs();
      await run(cluster);
      await cluster.untilSpread(30_000);
      await sleep(CALM_MS);
      windows.push({ name, fromMs, toMs: nowMs() });
      live.refresh();
    }
  } finally {
    live.stop();
  }
  const calls = await load.stop();
  const rows = windows.map(({ name, fromMs, toMs }) => {
    const within = calls.filter(({ endedAt }) => endedAt >= fromMs && endedAt < toMs);
    const moved = cluster.ownerLog.acquired.filter(({ at }) => at >= fromMs && at < toMs);
    const failed = [...countErrors(within).values()].reduce((sum, count) => sum + count, 0);
    const gapMs = longestGapOfAKey(calls, fromMs, toMs);
    return { name, moves: moved.length, gapMs, calls: within.length, failed };
  });
  return { rows, calls, result: await cluster.finish() };
}

/** Prints the verdict on the recorder's file. */
export function printVerdict(result: ChaosResult, file: string, print: (text: string) => void): void {
  const { isGood, operations, acknowledged, uncertain, counters, handlers, acquisitions, problems } = result;
  print(
    `${whole(operations)} calls to ${counters} counters in ${file}: ${whole(acknowledged)} increments acknowledged, ` +
      `${whole(uncertain)} uncertain`,
  );
  print(`${whole(handlers)} handlers and ${whole(acquisitions)} take-overs, audited for two owners at once`);
  for (const problem of problems.slice(0, 20)) print(`  ${problem}`);
  if (isGood) print('every counter is linearizable: no acknowledged increment is lost or counted twice');
  else print(`${whole(problems.length)} problems`);
  print(`check it again: npm run check-history ${file}`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
