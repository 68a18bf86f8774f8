/** The demo itself: it sends the load, checks the counters, drains the cluster and reports. */
import { auditCounters, auditNodes } from './audit.ts';
import type { Cluster } from './cluster.ts';
import type { Load } from './load.ts';
import { driveLoad } from './load.ts';
import { startProgress } from './progress.ts';
import { formatDifferences, formatErrors, formatTable, whole } from './report.ts';

/**
 * Closes the cluster. Resolves with true when every request succeeded and every counter is exact.
 *
 * @throws the reason of `signal` when it was aborted.
 */
export async function runDemo(
  cluster: Cluster,
  load: Load,
  signal: AbortSignal,
  output: NodeJS.WriteStream,
): Promise<boolean> {
  const print = (text: string): void => void output.write(`${text}\n`);
  const counters = `${whole(load.keys)} ${load.keys === 1 ? 'counter' : 'counters'}`;
  print(
    `${cluster.title}: ${whole(load.requests)} increments over ${counters}, ${load.concurrency} in flight`,
  );

  const progress = startProgress(load.requests, output);
  const result = await driveLoad(cluster, load, { signal, onProgress: progress.update }).finally(
    progress.stop,
  );
  const differences = result.isGivenUp
    ? []
    : await auditCounters(cluster.client, result.accounts, load.concurrency);
  signal.throwIfAborted();
  differences.push(...auditNodes(result, await cluster.close()));

  print(formatTable(result));
  if (result.errors.size > 0) print(formatErrors(result));
  if (differences.length > 0) print(`not exact:\n${formatDifferences(differences)}`);
  else if (result.errors.size === 0) print(`exact: ${counters}, every increment counted once`);
  else if (!result.isGivenUp) print('no acknowledged increment is lost');
  return differences.length === 0 && result.errors.size === 0;
}
