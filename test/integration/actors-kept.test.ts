/** A node that loses its bus for less than a lease keeps its shards, and with them its actors in memory. */
import { actorHandler, defineActor, request } from '@clstr/actors';
import { TIMINGS, createClient, createNode } from '@clstr/core';
import type { Node } from '@clstr/core';
import { startTcpProxy } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsMembership, natsTransport } from '@clstr/transport-nats';
import { describe, expect, test } from 'vitest';

const timing = 'datacenter';
const HALF_LEASE_MS = TIMINGS[timing].leaseMs / 2;
const NUM_SHARDS = 8;
const Counter = defineActor('counter', { add: request<void, number>() });

describe.skipIf(!hasNatsServer())('a node that is cut off for half a lease', { timeout: 60_000 }, () => {
  test.each([
    ['its bus', false],
    ['its bus and its store', true],
  ])('from %s keeps its actors in memory', async (_what, isAll) => {
    await using server = await startNatsServer({ args: ['-js'] });
    await using proxy = await startTcpProxy({ port: server.port });
    const viaProxy = `nats://${proxy.host}:${proxy.port}`;
    const setups: string[] = [];
    const start = async (id: string, bus: string, store: string) => {
      const transport = await natsTransport({ servers: bus, pingIntervalMs: 500 });
      const counter = Counter.implement({
        setup: ({ key }) => {
          setups.push(`${id} ${key}`);
          return { value: 0 };
        },
        handlers: { add: (state) => ++state.value },
      });
      const node = createNode({
        id,
        transport,
        numShards: NUM_SHARDS,
        handler: actorHandler([counter]),
        membership: natsMembership({ servers: store, timing }),
      });
      const left: string[] = [];
      node.onEvent((event) => {
        if (event.type === 'lost' || event.type === 'released' || event.type === 'unreachable')
          left.push(event.type);
      });
      await node.start();
      return { node, transport, left };
    };
    const cut = await start('cut', viaProxy, isAll ? viaProxy : server.url);
    const other = await start('other', server.url, server.url);
    const transport = await natsTransport({ servers: server.url });
    const client = createClient({ transport, numShards: NUM_SHARDS, routing: 'topology' });
    await owned([cut.node, other.node]);
    const keys = Array.from({ length: 64 }, (_, i) => `key-${i}`).filter((key) =>
      cut.node.owns(client.shardOf(key)),
    );
    const addAll = (): Promise<number[]> =>
      Promise.all(keys.map((key) => Counter.ref(client, key).add(undefined, { timeoutMs: 20_000 })));
    expect(await addAll()).toEqual(keys.map(() => 1));
    cut.left.length = 0;
    // What is sent before that is lost: the server still takes the dead connection for open.
    const isBack = new Promise<void>((resolve) => {
      cut.transport.onConnection(({ state }) => {
        if (state === 'connected') resolve();
      });
    });
    proxy.setMode({ kind: 'black-hole' });
    await new Promise((resolve) => void setTimeout(resolve, HALF_LEASE_MS));
    proxy.setMode({ kind: 'pass' });
    await isBack;
    expect(await addAll()).toEqual(keys.map(() => 2));
    expect(cut.left).toEqual([]);
    expect(setups.sort()).toEqual(keys.map((key) => `cut ${key}`).sort());
    await client.close();
    await Promise.all([cut.node.close(), other.node.close()]);
    await Promise.all([cut, other].map((one) => one.transport.close()));
    await transport.close();
  });
});

/** Resolves when each node owns some shards and together they own all; moves may still have been under way. */
async function owned(nodes: readonly Node[]): Promise<void> {
  const counts = (): number[] =>
    nodes.map((node) => node.shards().filter((shard) => node.owns(shard)).length);
  const isDone = (): boolean =>
    counts().every((count) => count > 0) && counts().reduce((a, b) => a + b) === NUM_SHARDS;
  if (isDone()) return;
  await new Promise<void>((resolve) => {
    const check = (): void => {
      if (isDone()) resolve();
    };
    for (const node of nodes) node.onEvent(check);
  });
}
