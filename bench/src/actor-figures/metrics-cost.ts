/**
 * What the metrics cost: processor time per call with them, over that without, in turns of a few milliseconds within one
 * process. Whatever else the machine does disturbs both alike, which rounds of two processes cannot achieve.
 */
import { actorHandler } from '@clstr/actors';
import type { Client, Metrics } from '@clstr/core';
import { createClient } from '@clstr/core';
import { prometheusMetrics } from '@clstr/prometheus';
import { oracle } from '../contenders/clstr-actors.ts';
import { memoryNode } from '../contenders/clstr-sides.ts';
import type { Figure } from '../figure.ts';
import { KEY_COUNT } from '../payload.ts';
import { spreadOf } from '../statistics.ts';
import { askOracle, keyNumber, NUM_SHARDS } from './oracle-calls.ts';

const CALLS = 3_072;
const TURNS_PER_RUN = 20;
const WARM_UP_TURNS = 150;

export async function measureMetricsCost(runs: number): Promise<Figure[]> {
  return [
    await costOf('metrics on ÷ off, processor time per call', prometheusMetrics(), runs),
    await costOf('the same with both off', undefined, runs),
  ];
}

async function costOf(what: string, metrics: Metrics | undefined, runs: number): Promise<Figure> {
  const [off, on] = [await start(undefined), await start(metrics)];
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
  return { what, unit: '×', spread: spreadOf(ratios) };
}

async function start(metrics: Metrics | undefined): Promise<{ client: Client; close(): Promise<void> }> {
  const handler = actorHandler([oracle], metrics === undefined ? {} : { metrics });
  const node = await memoryNode(NUM_SHARDS, handler, metrics);
  const client = createClient({ transport: node.transport, numShards: NUM_SHARDS, metrics });
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
