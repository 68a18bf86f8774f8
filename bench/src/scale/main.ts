/** npm run scale: measures how costs grow with a cluster. The tables of docs/scale.md come from here. */
import { createPlacement } from '@clstr/core';
import { hasNatsServer } from '@clstr/testing/nats';
import { measureJoinDelays } from './join-delay.ts';
import type { JoinDelay } from './join-delay.ts';
import { MemoryCluster, nodeIds } from './memory-cluster.ts';
import type { Change } from './memory-cluster.ts';
import { NatsCluster } from './nats-cluster.ts';
import type { NatsChange } from './nats-cluster.ts';

const HELP = `Measures joins, leaves and heartbeats of clusters, over memory on virtual time and over a nats-server.

Usage: npm run scale -- [part…]      parts: start, moves, heartbeats, placement, join, nats; default: all, about five minutes`;

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  start,
  moves,
  heartbeats,
  placement,
  join,
  nats,
};

async function start(): Promise<void> {
  console.log('\nCold start of 5 nodes at once, memory, default timing');
  for (const numShards of [1_024, 4_096]) {
    const cluster = new MemoryCluster({ numShards });
    print(`${numShards} shards`, await cluster.join(...nodeIds(5)));
  }
}

async function moves(): Promise<void> {
  console.log('\nOne node joins, then leaves, memory, default timing');
  for (const numShards of [1_024, 4_096]) {
    for (const count of [3, 10, 50]) {
      const cluster = new MemoryCluster({ numShards });
      const [last, ...first] = nodeIds(count).reverse();
      print(`${numShards} shards, start ${count - 1}`, await cluster.join(...first));
      print(`${numShards} shards, ${count - 1} → ${count}`, await cluster.join(last!));
      print(`${numShards} shards, ${count} → ${count - 1}`, await cluster.leave(last!));
    }
  }
}

async function heartbeats(): Promise<void> {
  console.log('\nWhile nothing changes, memory, default timing, per second');
  for (const count of [10, 50, 200]) {
    const cluster = new MemoryCluster({ numShards: 16 });
    await cluster.join(...nodeIds(count));
    const { writes, lists, heartbeatDeliveries } = await cluster.countsPerSecond(60);
    const figures = { writes, lists, heartbeatDeliveries };
    const text = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(1)}`);
    console.log(`  ${String(count).padStart(4)} nodes: ${text.join(', ')}`);
  }
}

/** Measures the placement that a node computes in one go when it learns of this many others. */
async function placement(): Promise<void> {
  console.log('\nPlacement: one node learns of all others');
  for (const [numShards, count] of [
    [1_024, 50],
    [1_024, 1_000],
    [4_096, 200],
    [65_536, 50],
  ] as const) {
    const ids = nodeIds(count);
    const before = process.cpuUsage();
    const placed = createPlacement({ numShards });
    for (const id of ids) placed.addNode(id);
    const tookMs = process.cpuUsage(before).user / 1_000;
    const perHash = ((tookMs * 1_000) / (numShards * count)).toFixed(2);
    console.log(
      `  ${numShards} shards, ${count} nodes: ${Math.round(tookMs)} ms of CPU, ${perHash} µs per shard and node`,
    );
  }
  await Promise.resolve();
}

async function join(): Promise<void> {
  if (!hasNatsServer()) {
    console.log('\nno nats-server: put it on the PATH or set NATS_SERVER_BIN');
    return;
  }
  console.log('\nA node joins over nats-server: how long its event loop is blocked, at most in five joins');
  for (const [numShards, count] of [
    [1_024, 50],
    [4_096, 200],
    [1_024, 1_000],
  ] as const) {
    const joins = await measureJoinDelays(numShards, count, 5);
    const most = (of: keyof JoinDelay): number => Math.round(Math.max(...joins.map((each) => each[of])));
    console.log(
      `  ${numShards} shards, ${count} nodes: ${most('longestTurnMs')} ms in one turn, ` +
        `${most('longestTurnCpuMs')} ms of CPU in one; a member after ${most('joinedMs')} ms`,
    );
  }
}

async function nats(): Promise<void> {
  if (!hasNatsServer()) {
    console.log('\nno nats-server: put it on the PATH or set NATS_SERVER_BIN');
    return;
  }
  console.log('\n1,024 shards over nats-server, a process per node, default timing');
  const cluster = await NatsCluster.start(1_024);
  try {
    const [last, ...first] = nodeIds(6).reverse();
    printNats('start 5', await cluster.join(...first));
    printNats('5 → 6', await cluster.join(last!));
    printNats('6 → 5', await cluster.leave(last!));
  } finally {
    await cluster.close();
  }
}

function print(what: string, { settledMs, cpuMs, moves: total, mostMovesOfOneShard, counts }: Change): void {
  const { writes, reads, lists, shardDeliveries } = counts;
  console.log(
    `  ${what}: settled after ${seconds(settledMs)} s, ${total} moves, at most ${mostMovesOfOneShard} of a shard; ` +
      `writes ${writes}, reads ${reads}, lists ${lists}, shard deliveries ${shardDeliveries}; CPU ${seconds(cpuMs)} s`,
  );
}

function printNats(what: string, change: NatsChange): void {
  const { settledMs, cpuMs, moves: total, mostMovesOfOneShard, writes } = change;
  console.log(
    `  ${what}: settled after ${seconds(settledMs)} s, ${total} moves, at most ${mostMovesOfOneShard} of a shard; ` +
      `writes ${writes}; CPU ${seconds(cpuMs)} s`,
  );
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((part) => !Object.hasOwn(PARTS, part));
if (unknown !== undefined) console.log(unknown === '--help' ? HELP : `there is no part ${unknown}\n${HELP}`);
else
  for (const [name, run] of Object.entries(PARTS))
    if (wanted.length === 0 || wanted.includes(name)) await run();
if (unknown !== undefined && unknown !== '--help') process.exitCode = 1;
