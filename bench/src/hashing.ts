/** Measures the cost of hashing a key and of placing shards on nodes, without any message. */
import { performance } from 'node:perf_hooks';
import { createClient, createPlacement, shardFromString, shardsForNode } from '@clstr/core';
import { memoryTransport } from '@clstr/transport-memory';
import type { Figure } from './figure.ts';
import { KEY_COUNT } from './payload.ts';
import type { Spread } from './statistics.ts';
import { spreadOf } from './statistics.ts';

const NODES = 100;
const SHARDS = 4_096;
const ROUTING_SHARDS = 1_024;
const CACHED_ROUTES = 1_000_000;

export function measureHashing(runs: number): Figure[] {
  return [
    { what: 'shardFromString, any key', unit: 'ns', spread: coldShard(runs) },
    { what: 'key → shard, cached', unit: 'ns', spread: cachedShard(runs) },
    { what: `shardsForNode, ${NODES} nodes, ${SHARDS} shards`, unit: 'ms', spread: placeAll(runs) },
    { what: `adding a node to ${NODES}, ${SHARDS} shards`, unit: 'ms', spread: addOne(runs) },
  ];
}

function coldShard(runs: number): Spread {
  let run = 0;
  return timesOf(
    runs,
    () => {
      run += 1;
      for (let i = 0; i < KEY_COUNT; i += 1) use(shardFromString(`user-${run}-${i}`, ROUTING_SHARDS));
    },
    1e6 / KEY_COUNT,
  );
}

function cachedShard(runs: number): Spread {
  const client = createClient({ transport: memoryTransport(), numShards: ROUTING_SHARDS });
  const keys = Array.from({ length: KEY_COUNT }, (_, i) => `user-${i}`);
  return timesOf(
    runs,
    () => {
      for (let i = 0; i < CACHED_ROUTES; i += 1) use(client.shardOf(keys[i % KEY_COUNT]!));
    },
    1e6 / CACHED_ROUTES,
  );
}

function placeAll(runs: number): Spread {
  const nodes = nodeIds(NODES);
  return timesOf(Math.ceil(runs / 7), () => use(shardsForNode(nodes[0]!, nodes, SHARDS).length));
}

function addOne(runs: number): Spread {
  const placement = createPlacement({ numShards: SHARDS });
  for (const id of nodeIds(NODES)) placement.addNode(id);
  return timesOf(
    runs,
    (run) => placement.addNode(`joiner-${run}`),
    1,
    (run) => placement.removeNode(`joiner-${run}`),
  );
}

function nodeIds(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `node-${i}`);
}

/** Milliseconds of each run, times `scale`, without `undo`. The first runs warm up and do not count. */
function timesOf(
  runs: number,
  work: (run: number) => void,
  scale = 1,
  undo: (run: number) => void = () => undefined,
): Spread {
  const times: number[] = [];
  const warmUps = Math.ceil(runs / 5);
  for (let run = -warmUps; run < runs; run += 1) {
    const startedAt = performance.now();
    work(run);
    const elapsed = performance.now() - startedAt;
    undo(run);
    if (run >= 0) times.push(elapsed * scale);
  }
  return spreadOf(times);
}

/** Keeps a result alive, so that the engine cannot skip the work that made it. */
let sink = 0;
function use(value: number): void {
  sink = (sink + value) | 0;
}
