/** Measures how long a node's event loop is blocked while it joins a large cluster over a nats-server, in real time. */
import { performance } from 'node:perf_hooks';
import { createNode } from '@clstr/core';
import type { ClusterStore } from '@clstr/core/store';
import { startNatsServer } from '@clstr/testing/nats';
import { memoryTransport } from '@clstr/transport-memory';
import { natsMembership, provisionCluster } from '@clstr/transport-nats';
import { nodeIds } from './memory-cluster.ts';

export interface JoinDelay {
  /** From `start` until the node is a member. */
  readonly joinedMs: number;
  /** The longest turn of its event loop until then. */
  readonly longestTurnMs: number;
  /** The most processor time in one turn, which leaves out what else the machine does. */
  readonly longestTurnCpuMs: number;
}

/** Measures several joins, one after the other, to a cluster with this many other nodes. */
export async function measureJoinDelays(
  numShards: number,
  others: number,
  joins: number,
): Promise<JoinDelay[]> {
  const server = await startNatsServer({ args: ['-js'] });
  try {
    const { url: servers } = server;
    await provisionCluster({ servers, numShards, isNew: true });
    const membership = natsMembership({ servers });
    const operator = await membership.open();
    await fill(operator, nodeIds(others), numShards);
    await operator.close();
    const delays: JoinDelay[] = [];
    for (let i = 0; i < joins; i++) delays.push(await join(`joiner-${i}`, numShards, membership));
    return delays;
  } finally {
    await server.stop();
  }
}

async function join(
  id: string,
  numShards: number,
  membership: ReturnType<typeof natsMembership>,
): Promise<JoinDelay> {
  const transport = memoryTransport();
  const node = createNode({ id, numShards, transport, membership, handler: () => undefined });
  const turns = new Turns();
  const startedAtMs = performance.now();
  await node.start();
  const joinedMs = performance.now() - startedAtMs;
  turns.stop();
  await node.close();
  await transport.close();
  return { joinedMs, longestTurnMs: turns.longestMs, longestTurnCpuMs: turns.longestCpuMs };
}

/** Writes records as if the nodes were members, and each owned its part of the shards. */
async function fill(store: ClusterStore, ids: readonly string[], numShards: number): Promise<void> {
  const entries = new Map((await store.list(LIMIT_MS)).map((entry) => [entry.key, entry]));
  const cluster = (JSON.parse(entries.get('cfg')!.value!) as { id: string }).id;
  const records: [key: string, record: object][] = [];
  for (const id of ids) {
    records.push([`h.${id}`, { inc: 'x', beat: 1, leaseMs: 15_000, isDead: false, nonce: id }]);
    records.push([`m.${id}`, { inc: 'x', state: 'up', nonce: id }]);
  }
  for (let shard = 0; shard < numShards; shard++) {
    const owner = ids[shard % ids.length]!;
    records.push([`s.${shard}`, { epoch: 1, owner, inc: 'x', state: 'owned', cluster, nonce: `${shard}` }]);
  }
  const work = async (): Promise<void> => {
    for (let next = records.pop(); next !== undefined; next = records.pop()) {
      await write(store, next[0], next[1], entries.get(next[0])?.revision ?? 0);
    }
  };
  await Promise.all(Array.from({ length: 64 }, work));
}

const LIMIT_MS = 10_000;

async function write(store: ClusterStore, key: string, record: object, revision: number): Promise<void> {
  const { kind } = await store.cas(key, revision, JSON.stringify(record), LIMIT_MS);
  if (kind !== 'acked') throw new Error(`the write of ${key} was ${kind}`);
}

/** Watches every turn of the event loop. */
class Turns {
  longestMs = 0;
  longestCpuMs = 0;
  #isStopped = false;

  constructor() {
    this.#watch(performance.now(), process.cpuUsage());
  }

  stop(): void {
    this.#isStopped = true;
  }

  #watch(beganMs: number, before: NodeJS.CpuUsage): void {
    setImmediate(() => {
      const endedMs = performance.now();
      const { user, system } = process.cpuUsage(before);
      this.longestMs = Math.max(this.longestMs, endedMs - beganMs);
      this.longestCpuMs = Math.max(this.longestCpuMs, (user + system) / 1_000);
      if (!this.#isStopped) this.#watch(performance.now(), process.cpuUsage());
    });
  }
}
