/** `npm run demo`: starts a cluster, sends it requests or serves HTTP from it, and stops it again. */
import { once } from 'node:events';
import { CommanderError } from 'commander';
import { runChaos } from './chaos.ts';
import { startMemoryCluster } from './cluster-memory.ts';
import { startNatsCluster } from './cluster-nats.ts';
import type { Cluster } from './cluster.ts';
import { startHttp } from './http.ts';
import type { Options } from './options.ts';
import { readOptions } from './options.ts';
import { runDemo } from './run.ts';
import { runWatch } from './watch.ts';

/** The exit codes: 0 success, 1 a failure or a difference, 2 a wrong option, 128 + n ended by signal n. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
/** How many counters each node keeps under --serve, where any caller may name a new one. */
const SERVED_COUNTERS = 100_000;

const options = readOptionsOrExplain();
if (options !== undefined) process.exitCode = await main(options);

function readOptionsOrExplain(): Options | undefined {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) {
      console.error(error.message);
      process.exitCode = 2;
    }
    return undefined;
  }
}

async function main(options: Options): Promise<number> {
  /** Aborted with the name of a signal, or with the error that ended the cluster. */
  const stop = new AbortController();
  for (const name of Object.keys(SIGNALS)) process.on(name, () => stop.abort(name));
  let cluster: Cluster | undefined;
  try {
    if (options.watch) return (await runWatch(stop.signal, process.stdout)) ? 0 : 1;
    if (options.chaos) return (await runChaos(stop.signal, process.stdout)) ? 0 : 1;
    cluster = await startCluster(options, (error) => stop.abort(error));
    stop.signal.throwIfAborted();
    if (options.serve) return await serve(cluster, options.port, stop.signal);
    return await drive(cluster, options, stop.signal);
  } catch (error) {
    const reason: unknown = stop.signal.aborted ? stop.signal.reason : error;
    console.error(reason instanceof Error ? `demo: ${reason.message}` : `demo: stopped by ${String(reason)}`);
    return reason instanceof Error ? 1 : SIGNALS[reason as keyof typeof SIGNALS];
  } finally {
    await cluster?.close();
  }
}

function startCluster(options: Options, onDeath: (error: Error) => void): Promise<Cluster> {
  const { nodes, natsUrl, transport, serve, keys } = options;
  const cacheSize = serve ? SERVED_COUNTERS : keys;
  return transport === 'nats'
    ? startNatsCluster({ nodes, cacheSize, natsUrl, onDeath })
    : startMemoryCluster({ nodes, cacheSize });
}

async function drive(cluster: Cluster, options: Options, signal: AbortSignal): Promise<number> {
  // Ends requests in flight at once.
  signal.addEventListener('abort', () => void cluster.client.close());
  return (await runDemo(cluster, options, signal, process.stdout)) ? 0 : 1;
}

async function serve(cluster: Cluster, port: number, signal: AbortSignal): Promise<number> {
  const http = await startHttp(cluster.client, port);
  console.log(`${cluster.title}, at ${http.url} until Ctrl-C`);
  console.log(`  curl -X POST ${http.url}/counter/apples/increment -d '{"amount":5}'`);
  console.log(`  curl ${http.url}/counter/apples`);
  if (!signal.aborted) await once(signal, 'abort');
  await http.close();
  if (signal.reason instanceof Error) throw signal.reason;
  await cluster.close();
  console.log('drained');
  return 0;
}
