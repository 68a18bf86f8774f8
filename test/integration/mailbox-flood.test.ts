/** A key that gets far more messages than it can handle, and what the other keys notice of it. */
import { actorHandler, defineActor, request } from '@clstr/actors';
import type { Client } from '@clstr/core';
import { isClstrError } from '@clstr/core';
import { deferred, testCluster } from '@clstr/testing';
import { expect, test } from 'vitest';
import { heapAfterCollection } from './garbage.ts';

const FLOOD = 100_000;
const OTHER_KEYS = 1_000;
const PROBES = 5_000;
/** Few: a pause of the collector should be one slow call, not one for each that happens to wait. */
const PROBES_AT_ONCE = 4;
/** Each compares calm with flooded; the middle one counts, as this machine does other things too. */
const ROUNDS = 3;
/** How many messages of the flood leave in one turn of the event loop. */
const FLOOD_PER_TURN = 50;

const Worker = defineActor('worker', {
  probe: request<void, number>(),
  flood: request<void, number>(),
});

function worker(mailbox: number, flood: () => Promise<number>) {
  return Worker.implement({
    setup: () => ({ count: 0 }),
    handlers: {
      probe: async (state) => {
        await eventLoopTurn();
        return ++state.count;
      },
      flood,
    },
    mailbox,
  });
}

test('100,000 messages that wait for one key leave the others their latency', async () => {
  let gate = deferred<number>();
  const handler = actorHandler([worker(FLOOD, () => gate.promise)], { cacheSize: 2_000 });
  const cluster = await testCluster({
    nodes: 1,
    handler,
    client: { maxPending: 2 * FLOOD, timeoutMs: 300_000 },
    node: { maxInFlight: 2 * FLOOD, handlerTimeoutMs: 300_000 },
  });
  const { client } = cluster;
  await probe(client); // the code gets warm, and every actor its setup
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const calm = await probe(client);
    gate = deferred();
    const flood = Array.from({ length: FLOOD }, () => Worker.ref(client, 'hot').flood());
    await Worker.ref(client, 'behind the flood').probe();
    const flooded = await probe(client);
    gate.resolve(round);
    expect(new Set(await Promise.all(flood))).toEqual(new Set([round]));
    ratios.push(compare('100,000 wait', calm, flooded));
  }
  expect(median(ratios)).toBeLessThanOrEqual(2);
  await cluster.close();
}, 120_000);

test('100,000 messages sent to one key as fast as they go leave the others what they have when they are spread', async () => {
  const handler = actorHandler([worker(1_024, eventLoopTurn)], { cacheSize: 4_000 });
  const cluster = await testCluster({ nodes: 1, handler, client: { timeoutMs: 300_000 } });
  const { client } = cluster;
  await probe(client);
  const ratios: number[] = [];
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const spread = flood(client, (i) => `cold-${i % OTHER_KEYS}`);
    const calm = await probe(client, spread);
    const hot = flood(client, () => 'hot');
    const flooded = await probe(client, hot);
    expect(await spread).toBe(0);
    refused += await hot;
    ratios.push(compare('100,000 flow', calm, flooded));
  }
  expect(refused).toBeGreaterThan((ROUNDS * FLOOD) / 2);
  expect(median(ratios)).toBeLessThanOrEqual(2);
  await cluster.close();
}, 120_000);

/** How many were refused because the mailbox was full; the rest was answered. */
async function flood(client: Client, keyOf: (i: number) => string): Promise<number> {
  let refused = 0;
  const refuse = (error: unknown): void => {
    if (!isClstrError(error, 'OVERLOADED')) throw error;
    refused++;
  };
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < FLOOD; i++) {
    calls.push(Worker.ref(client, keyOf(i)).flood().catch(refuse));
    if (i % FLOOD_PER_TURN === 0) await eventLoopTurn();
  }
  await Promise.all(calls);
  return refused;
}

/** Calls other keys, some at once, until `work` has ended, and gives the times they took, in milliseconds. */
async function probe(client: Client, work?: Promise<unknown>): Promise<number[]> {
  heapAfterCollection();
  const times: number[] = [];
  const state = { isOver: false, sent: 0 };
  void work?.finally(() => (state.isOver = true));
  const one = async (): Promise<void> => {
    while (work === undefined ? state.sent < PROBES : !state.isOver) {
      const ref = Worker.ref(client, `key-${state.sent++ % OTHER_KEYS}`);
      const startMs = performance.now();
      await ref.probe();
      times.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: PROBES_AT_ONCE }, one));
  return times;
}

/** The p99 of `flooded` as a multiple of that of `calm`. */
function compare(what: string, calm: number[], flooded: number[]): number {
  const show = (times: number[]): string =>
    [50, 99].map((percent) => `p${percent} ${percentile(times, percent).toFixed(3)} ms`).join(', ');
  console.log(`${what}: calm ${show(calm)}; flooded ${show(flooded)} (${flooded.length} probes)`);
  return percentile(flooded, 99) / percentile(calm, 99);
}

function percentile(times: number[], percent: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length * percent) / 100)]!;
}

function median(values: number[]): number {
  return percentile(values, 50);
}

async function eventLoopTurn(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve));
  return 1;
}
