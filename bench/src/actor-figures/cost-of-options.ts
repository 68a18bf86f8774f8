/**
 * What metrics, traces and calls that survive cost: processor time per call with them, over that without, in turns of a
 * few milliseconds within one process. Whatever else the machine does disturbs both alike, which rounds of two processes
 * cannot achieve.
 */
import { actorHandler } from '@clstr/actors';
import type { Client, ClientOptions } from '@clstr/core';
import { createClient } from '@clstr/core';
import { prometheusMetrics } from '@clstr/prometheus';
import { oracle } from '../contenders/clstr-actors.ts';
import { memoryNode } from '../contenders/clstr-sides.ts';
import type { NodeExtras, Observers } from '../contenders/clstr-sides.ts';
import { sampled } from '../contenders/clstr-traces.ts';
import type { Figure } from '../figure.ts';
import { KEY_COUNT } from '../payload.ts';
import { spreadOf } from '../statistics.ts';
import { askOracle, keyNumber, NUM_SHARDS } from './oracle-calls.ts';

interface Extras {
  readonly observers?: Observers;
  readonly client?: Partial<ClientOptions>;
  readonly node?: NodeExtras;
}

/** Made anew for each side that needs them. */
const EXTRAS: readonly (readonly [what: string, extras: () => Extras])[] = [
  ['nothing', () => ({})],
  ['metrics', () => ({ observers: { metrics: prometheusMetrics() } })],
  ['traces of 1 %', () => ({ observers: { tracing: sampled(0.01) } })],
  ['traces of all calls', () => ({ observers: { tracing: sampled(1) } })],
  ['retry and breaker', () => ({ client: { retry: 'standard', breaker: true } })],
  ['shedding', () => ({ node: { shedding: {} } })],
  [
    'retry, breaker and shedding',
    () => ({ client: { retry: 'standard', breaker: true }, node: { shedding: {} } }),
  ],
];

const CALLS = 3_072;
const TURNS_PER_RUN = 20;
const WARM_UP_TURNS = 150;

export async function measureCostOfOptions(runs: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [what, extras] of EXTRAS) figures.push(await costOf(what, extras(), runs));
  return figures;
}

async function costOf(what: string, extras: Extras, runs: number): Promise<Figure> {
  const [off, on] = [await start({}), await start(extras)];
  for (let turn = 0; turn < WARM_UP_TURNS; turn += 1) {
    await cpuOf(off.client);
    await cpuOf(on.client);
  }
  const ratios: number[] = [];
  for (let turn = 0; turn < runs * TURNS_PER_RUN; turn += 1) {
    // Each is first as often as last, and second as often as third: the order has an effect of its own.
    const [outer, inner] = turn % 2 === 0 ? [off, on] : [on, off];
    const outerCpu = await cpuOf(outer.client);
    const innerCpu = (await cpuOf(inner.client)) + (await cpuOf(inner.client));
    const ratio = (outerCpu + (await cpuOf(outer.client))) / innerCpu;
    ratios.push(outer === on ? ratio : 1 / ratio);
  }
  await Promise.all([off.close(), on.close()]);
  return { what: `${what}: processor time per call, on ÷ off`, unit: '×', spread: spreadOf(ratios) };
}

async function start({ observers = {}, client: own, node: ofNode }: Extras): Promise<{
  client: Client;
  close(): Promise<void>;
}> {
  const { metrics } = observers;
  const handler = actorHandler([oracle], metrics === undefined ? {} : { metrics });
  const node = await memoryNode(NUM_SHARDS, handler, { ...observers, ...ofNode });
  const client = createClient({ ...observers, ...own, transport: node.transport, numShards: NUM_SHARDS });
  return {
    client,
    close: async () => {
      await client.close();
      await node.close();
    },
  };
}

/** Processor time of one turn, in microseconds. */
async function cpuOf(client: Client): Promise<number> {
  const before = process.cpuUsage();
  await askOracle(client, CALLS, (n) => keyNumber(n % KEY_COUNT));
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
