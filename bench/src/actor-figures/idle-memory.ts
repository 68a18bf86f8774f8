/**
 * Measures the memory of one of 100,000 idle actors: everything its node holds for it, less a plain Map of the same keys
 * and states. The first count is before the node exists, so that it includes all that the node reserves for actors; the
 * client is gone at the second count.
 */
import { setImmediate } from 'node:timers/promises';
import { actorHandler } from '@clstr/actors';
import { createClient } from '@clstr/core';
import type { Transport } from '@clstr/core';
import { oracle } from '../contenders/clstr-actors.ts';
import { memoryNode } from '../contenders/clstr-sides.ts';
import type { Figure } from '../figure.ts';
import { spreadOf } from '../statistics.ts';
import { askOracle, keyNumber, NUM_SHARDS } from './oracle-calls.ts';

const ACTORS = 100_000;
const WARM_UP_ACTORS = 5_000;

export async function measureIdleMemory(runs: number): Promise<Figure[]> {
  await bytesOfActors(WARM_UP_ACTORS);
  await bytesOfMap(WARM_UP_ACTORS);

  const actors: number[] = [];
  const map: number[] = [];
  // The figure hardly varies, and takes a second each time.
  for (let run = 0; run < Math.ceil(runs / 5); run += 1) {
    actors.push((await bytesOfActors(ACTORS)) / ACTORS);
    map.push((await bytesOfMap(ACTORS)) / ACTORS);
  }
  const figure = (what: string, bytes: number[]): Figure => ({
    what,
    unit: 'bytes',
    spread: spreadOf(bytes),
  });
  return [
    figure('an idle actor, of 100,000', actors),
    figure('its key and state in a plain Map', map),
    figure(
      'beyond key and state',
      actors.map((bytes, i) => bytes - map[i]!),
    ),
  ];
}

async function bytesOfActors(count: number): Promise<number> {
  const before = await bytesInUse();
  const node = await memoryNode(NUM_SHARDS, actorHandler([oracle], { cacheSize: count }));
  await activate(node.transport, count);
  const after = await bytesInUse();
  await node.close();
  return after - before;
}

async function activate(transport: Transport, count: number): Promise<void> {
  const client = createClient({ transport, numShards: NUM_SHARDS });
  await askOracle(client, count, keyNumber);
  await client.close();
}

async function bytesOfMap(count: number): Promise<number> {
  const before = await bytesInUse();
  const states = new Map<string, { asked: number }>();
  for (let n = 0; n < count; n += 1) states.set(keyNumber(n), { asked: 1 });
  const after = await bytesInUse();
  // This use keeps the map alive until it has been counted.
  states.clear();
  return after - before;
}

/** The bytes of the heap and its buffers after a full collection. */
async function bytesInUse(): Promise<number> {
  for (let i = 0; i < 5; i += 1) {
    await setImmediate();
    globalThis.gc!();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
