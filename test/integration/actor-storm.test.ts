/**
 * Many more keys than fit into memory, called at random: actors come and go all the time, and no update is lost.
 * Over a memory transport and a node, so that every call takes the whole way. `STORM=full` runs a million calls.
 */
import { env } from 'node:process';
import { actorHandler, defineActor, request } from '@clstr/actors';
import type { WatchedActors, Metrics } from '@clstr/core';
import { testCluster } from '@clstr/testing';
import { expect, test } from 'vitest';
import { heapAfterCollection } from './garbage.ts';

const BYTES_PER_MIB = 1_048_576;

interface Storm {
  calls: number;
  keys: number;
  cacheSize: number;
  /** Calls at a time: each may hold one actor that is set up and one that passivates for it. */
  inFlight: number;
  /** Heap that may be in use afterwards on top of before, in MiB: what the oracle holds, and little more. */
  heapMiB: number;
  /** Of processor time: wall-clock time would measure the other processes of the machine. */
  limitMs: number;
}

const SMALL: Storm = {
  calls: 100_000,
  keys: 10_000,
  cacheSize: 1_000,
  inFlight: 256,
  heapMiB: 64,
  limitMs: 6_000,
};
const FULL: Storm = {
  calls: 1_000_000,
  keys: 100_000,
  cacheSize: 10_000,
  inFlight: 1_024,
  heapMiB: 128,
  limitMs: 60_000,
};

const storm = env['STORM'] === 'full' ? FULL : SMALL;
const { calls, keys, cacheSize, inFlight, heapMiB, limitMs } = storm;

test(`${calls} calls over ${keys} keys through a cache of ${cacheSize} lose no update`, async () => {
  const seed = Number(env['SEED'] ?? Math.trunc(Math.random() * 0x7fff_ffff));
  const random = mulberry32(seed);
  /** What `passivate` stores and `setup` loads. */
  const stored = new Map<string, number>();
  const acknowledged = new Map<string, number>();
  const alive = new Set<string>();
  const broken: string[] = [];
  let setups = 0;
  let mostAlive = 0;
  let mostActive = 0;

  const Counter = defineActor('counter', { add: request<number, number>() });
  const counter = Counter.implement({
    setup: ({ key }) => {
      mostActive = Math.max(mostActive, readings!.active().get('counter')!);
      if (alive.has(key)) broken.push(`${key} is alive twice`);
      alive.add(key);
      setups++;
      mostAlive = Math.max(mostAlive, alive.size);
      return inItsTime(key, () => ({ value: stored.get(key) ?? 0 }));
    },
    handlers: { add: (state, by) => (state.value += by) },
    passivate: (state, { key }) =>
      inItsTime(key, () => {
        stored.set(key, state.value);
        if (!alive.delete(key)) broken.push(`${key} passivated twice`);
      }),
  });
  let readings: WatchedActors | undefined;
  const metrics: Metrics = { watchActors: (actors) => void (readings = actors) };
  const cluster = await testCluster({ nodes: 1, handler: actorHandler([counter], { cacheSize, metrics }) });
  const heapBefore = heapAfterCollection();
  const cpuBefore = process.cpuUsage();
  let sent = 0;
  const worker = async (): Promise<void> => {
    while (sent++ < calls) {
      // Squared, so that some keys are hot: their calls meet, and wait for one another.
      const key = `key-${Math.floor(random() ** 2 * keys)}`;
      await Counter.ref(cluster.client, key).add(1);
      acknowledged.set(key, (acknowledged.get(key) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const cpu = process.cpuUsage(cpuBefore);
  const cpuMs = (cpu.user + cpu.system) / 1_000;
  await cluster.nodes[0]!.drain();
  const heapGrown = (heapAfterCollection() - heapBefore) / BYTES_PER_MIB;
  await cluster.close();

  console.log(
    `seed ${seed}: ${calls} calls in ${Math.round(cpuMs)} ms of processor time (${Math.round(calls / cpuMs)} k/s), ` +
      `${setups} setups, ${stored.size} keys used, at most ${mostActive} actors in memory, ` +
      `${mostAlive} of them set up, heap grew by ${heapGrown.toFixed(1)} MiB`,
  );
  expect(broken).toEqual([]);
  expect(stored).toEqual(acknowledged);
  expect(alive.size).toBe(0);
  expect(setups).toBeGreaterThan(calls / 4);
  expect(mostActive).toBeGreaterThanOrEqual(cacheSize);
  expect(mostActive).toBeLessThanOrEqual(2 * cacheSize);
  expect(heapGrown).toBeLessThan(heapMiB);
  expect(cpuMs).toBeLessThan(limitMs);
}, 300_000);

/** A store answers at once, a little later, or after other work had its turn, depending on the key. */
function inItsTime<T>(key: string, work: () => T): T | Promise<T> {
  const kind = key.charCodeAt(key.length - 1) % 4;
  if (kind === 0) return work();
  if (kind === 1) return new Promise((resolve) => setImmediate(resolve)).then(work);
  return Promise.resolve().then(work);
}

/** A small seeded generator of numbers from 0 to 1; good enough to choose keys. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
