/** The three ways to a shard: each reaches the owner, follows a move, and does so on the first hop. */
import { defineActor, request } from '@clstr/actors';
import { connectClient, createApp } from '@clstr/app';
import type { App } from '@clstr/app';
import type { ClstrError, Cluster, Metrics, Route } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { memoryCluster } from '@clstr/transport-memory';
import { natsCluster } from '@clstr/transport-nats';
import { describe, expect, test } from 'vitest';

const Counter = defineActor('counter', {
  add: request<number, number>(),
  where: request<void, string>({ readonly: true }),
});
const counter = Counter.implement({
  setup: () => ({ total: 0 }),
  handlers: { add: (state, count) => (state.total += count), where: (_state, _input, { nodeId }) => nodeId },
});

const NUM_SHARDS = 64;
/** How a call ends that a silent node kept until its deadline. */
const IN_VAIN = new Set(['TIMEOUT', 'ENVELOPE_EXPIRED']);
/** One key per shard would do; these reach all of them. */
const KEYS = Array.from({ length: 1_000 }, (_, i) => `key-${i}`);

const clusters: Record<string, (url: string) => Cluster> = {
  memory: () => memoryCluster({ numShards: NUM_SHARDS, timing: 'datacenter' }),
  NATS: (servers) => natsCluster({ servers, name: 'routes', numShards: NUM_SHARDS, timing: 'datacenter' }),
};
const routes: Route[] = ['hybrid', 'owner', 'shard'];
const cases = Object.keys(clusters).flatMap((bus) => routes.map((route) => [bus, route] as const));

/** Every node has shards, and every shard one node. */
const isPlaced = (apps: readonly App[]): boolean => {
  const owned = apps.map(({ node }) => node.shards());
  const all = owned.flat();
  return (
    owned.every(({ length }) => length > 0) && all.length === NUM_SHARDS && new Set(all).size === NUM_SHARDS
  );
};

describe.each(cases)('over %s, with route %s', (bus, route) => {
  const onNats = bus === 'NATS';

  test.skipIf(onNats && !hasNatsServer())(
    'calls reach their owner at the first hop, and a second after a node has come or gone again',
    { timeout: 120_000 },
    async () => {
      await using server = onNats ? await startNatsServer({ args: ['-js'] }) : undefined;
      const cluster = clusters[bus]!(server?.url ?? '');
      const start = (nodeId: string): Promise<App> =>
        createApp({ cluster, actors: [counter], nodeId, signals: [], logger: false });
      const apps = [await start('n1'), await start('n2'), await start('n3')];
      let repeats = 0;
      const metrics: Metrics = {
        callRepeated: () => {
          repeats++;
        },
      };
      const client = await connectClient({ cluster, route, metrics, logger: false });

      /**
       * Calls all keys once; returns how many calls did not go to the owner of their shard at first. On the subject of a
       * shard that moves, the owner before it is silent, so that calls are lost there.
       */
      const round = async (): Promise<number> => {
        const before = repeats;
        const options = route === 'shard' ? { timeoutMs: 500 } : {};
        const calls = KEYS.map((key) => Counter.ref(client, key).add(1, options));
        const ends = await Promise.allSettled(calls);
        const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as ClstrError] : []));
        expect(errors.filter(({ code }) => route !== 'shard' || !IN_VAIN.has(code))).toEqual([]);
        return repeats - before + errors.length;
      };
      /** Goes on until no call takes a second hop any more; returns when the last of them was sent. */
      const settleMs = async (): Promise<number> => {
        const sinceMs = performance.now();
        let lastMs = sinceMs;
        for (let quiet = 0; quiet < 20;) {
          const sentMs = performance.now();
          const isQuiet = (await round()) === 0;
          quiet = isQuiet ? quiet + 1 : 0;
          if (!isQuiet) lastMs = sentMs;
        }
        return lastMs - sinceMs;
      };

      const homes = async (): Promise<string[]> =>
        [...new Set(await Promise.all(KEYS.map((key) => Counter.ref(client, key).where())))].sort();

      while (!isPlaced(apps)) await round();
      await settleMs();
      const calls = route === 'hybrid' ? 100_000 : 20_000;
      let secondHops = 0;
      for (let sent = 0; sent < calls; sent += KEYS.length) secondHops += await round();
      expect(secondHops).toBeLessThanOrEqual(0.0001 * calls);

      apps.push(await start('n4'));
      while (!isPlaced(apps)) await round();
      expect(await settleMs()).toBeLessThan(1_000);
      expect(await homes()).toEqual(['n1', 'n2', 'n3', 'n4']);

      await apps.shift()!.close();
      while (!isPlaced(apps)) await round();
      expect(await settleMs()).toBeLessThan(1_000);
      expect(await homes()).toEqual(['n2', 'n3', 'n4']);

      await client.close();
      for (const app of apps) await app.close();
    },
  );
});
