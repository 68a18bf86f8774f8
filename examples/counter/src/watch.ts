/** `--watch`: three node processes under load, for a reader to kill and stop by hand; dead ones are restarted. */
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChaosCluster } from '@clstr-kit/chaos';
import { nodeTable, startLiveTable } from './chaos-table.ts';
import { printVerdict } from './chaos.ts';
import { nodeRows } from './node-rows.ts';

const NODES = ['node-1', 'node-2', 'node-3'];
const NUM_SHARDS = 64;
const CALLS_PER_SECOND = 150;
const TIMEOUT_MS = 2_000;
const BACK_AFTER_MS = 5_000;

/** Resolves with true when every counter is right at the end; runs until `signal`. */
export async function runWatch(signal: AbortSignal, output: NodeJS.WriteStream): Promise<boolean> {
  const historyFile = join(tmpdir(), `clstr-watch-${process.pid}.jsonl`);
  const print = (text: string): void => void output.write(`${text}\n`);
  await using cluster = await ChaosCluster.start({ numShards: NUM_SHARDS, historyFile });
  await cluster.join(NODES);
  for (const id of NODES) bringBack(cluster, id, signal, print);
  await cluster.untilSpread();
  const load = cluster.startLoad({
    perSecond: CALLS_PER_SECOND,
    keys: cluster.keys(1),
    timeoutMs: TIMEOUT_MS,
    increments: 0.7,
  });
  print(
    `3 node processes over nats-server at ${cluster.server.url}, ${CALLS_PER_SECOND} calls/s, until Ctrl-C`,
  );
  print('  kill -9 <pid>      other nodes serve its shards within 3.3 s; it restarts after 5 s');
  print('  kill -TERM <pid>   it hands its shards over first, and no call fails');
  print('  kill -STOP <pid>   its lease expires after 2 s; kill -CONT <pid> lets it rejoin');
  const live = startLiveTable(output, () => nodeTable(nodeRows(cluster, NODES), 'by hand'));
  if (!signal.aborted) await once(signal, 'abort');
  live.stop();
  await load.stop();
  const result = await cluster.finish();
  printVerdict(result, historyFile, print);
  return result.isGood;
}

/** Restarts the node some time after its process has gone. */
function bringBack(
  cluster: ChaosCluster,
  id: string,
  signal: AbortSignal,
  print: (text: string) => void,
): void {
  void cluster.node(id).exited.then(() => {
    const timer = setTimeout(() => {
      cluster.join([id]).then(
        () => bringBack(cluster, id, signal, print),
        (error: unknown) => print(`${id} could not join: ${String(error)}`),
      );
    }, BACK_AFTER_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
  });
}
