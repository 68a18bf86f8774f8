/** The public API as a service uses it, and what its types refuse. Compiled, never run. */
import type { Actor, ActorContext, Caller, InputOf, OutputOf } from '@clstr/actors';
import { actorHandler, defineActor, notify, request } from '@clstr/actors';
import { keyHandler, scopedHandler } from '@clstr/actors/keyed';
import { connectClient, createApp } from '@clstr/app';
import { transportConformance } from '@clstr/conformance';
import { ActorError, createClient, createNode, isClstrError, shardsForNode } from '@clstr/core';
import type { Client, Logger, Node, Transport } from '@clstr/core';
import { fakeClock, fakeRef, testActor, testCluster } from '@clstr/testing';
import { startNatsServer } from '@clstr/testing/nats';
import { createMemoryBus, memoryTransport } from '@clstr/transport-memory';
import { natsCluster } from '@clstr/transport-nats';
import { z } from 'zod';

const Cart = defineActor('cart', {
  add: request({ input: z.object({ item: z.string(), count: z.int() }), output: z.int() }),
  total: request<void, number>({ readonly: true }),
  clear: notify<{ reason: string }>(),
});

// Two contracts whose actors call each other, without an annotation.
const Ping = defineActor('ping', { hit: request<{ left: number }, string>() });
const Pong = defineActor('pong', { hit: request<{ left: number }, string>() });

const ping = Ping.implement({
  setup: () => ({ hits: 0 }),
  handlers: {
    hit: async (state, { left }, ctx) => {
      state.hits++;
      return left === 0 ? 'ping' : `ping ${await ctx.ref(Pong, ctx.key).hit({ left: left - 1 })}`;
    },
  },
});

const pong = Pong.implement({
  setup: () => ({ hits: 0 }),
  handlers: {
    hit: async (state, { left }, ctx) => {
      state.hits++;
      return left === 0 ? 'pong' : `pong ${await ctx.ref(Ping, ctx.key).hit({ left: left - 1 })}`;
    },
  },
});

const cart = Cart.implement({
  setup: async (ctx) => {
    ctx.every(1_000, ({ log }) => {
      log.info({});
    });
    return { items: new Map<string, number>(), openedBy: ctx.nodeId };
  },
  handlers: {
    async add(state, { item, count }, ctx) {
      if (count < 1) throw new ActorError('TOO_FEW', 'one at least', { count });
      const answer: string = await ctx.ref(Ping, item).hit({ left: 3 }, { timeoutMs: 50 });
      state.items.set(item, answer.length + count);
      return state.items.size;
    },
    total: ({ items }) => [...items.values()].reduce((sum, count) => sum + count, 0),
    clear(state, { reason }, ctx) {
      ctx.log.info({ reason }, 'cleared');
      state.items.clear();
    },
  },
  passivate: async (state, ctx) => {
    if (ctx.reason === 'drain') ctx.waitUntil(save(state.items));
  },
  discard: (state) => state.items.clear(),
  idleMs: 5_000,
  mailbox: 16,
  onError: 'restart',
});

declare function save(items: ReadonlyMap<string, number>): Promise<void>;
declare const client: Client;
declare const logger: Logger;

export async function call(): Promise<number> {
  const mine = Cart.ref(client, 'ada');
  const input: InputOf<typeof Cart.methods.add> = { item: 'tea', count: 2 };
  const size: OutputOf<typeof Cart.methods.add> = await mine.add(input, { headers: { a: 'b' } });
  const nothing: void = await mine.clear({ reason: 'sold' });
  const total = await mine.total(undefined, { timeoutMs: 5, signal: AbortSignal.timeout(5) });
  return nothing === undefined ? size + total : 0;
}

export async function refused(caller: Caller): Promise<void> {
  const mine = Cart.ref(caller, 'ada');
  // @ts-expect-error -- wrong input: a count is a number
  await mine.add({ item: 'tea', count: '2' });
  // @ts-expect-error -- wrong input: the count is missing
  await mine.add({ item: 'tea' });
  // @ts-expect-error -- the input is missing
  await mine.add();
  // @ts-expect-error -- unknown method
  await mine.remove({ item: 'tea' });
  // @ts-expect-error -- wrong output: a number comes back
  const text: string = await mine.total();
  // @ts-expect-error -- it is timeoutMs
  await mine.total(undefined, { timeout: 5 });
  // @ts-expect-error -- missing handler: `clear`
  Cart.implement({ setup: () => 0, handlers: { add: () => text.length, total: () => 0 } });
  // @ts-expect-error -- unknown handler
  Ping.implement({ setup: () => 0, handlers: { hit: () => 'ping', miss: () => 'pong' } });
  // @ts-expect-error -- wrong output type: text is wanted
  Ping.implement({ setup: () => 0, handlers: { hit: () => 5 } });
  // @ts-expect-error -- wrong output type, in a promise
  Ping.implement({ setup: () => 0, handlers: { hit: async () => 5 } });
  Ping.implement({
    setup: () => 0,
    handlers: {
      // @ts-expect-error -- the other actor wants `left`
      hit: (_state, _input, ctx) => ctx.ref(Pong, 'k').hit({ right: 1 }),
    },
  });
  // @ts-expect-error -- a contract is no actor
  actorHandler([Cart]);
  // @ts-expect-error -- unknown option
  actorHandler([cart], { cache: 5 });
}

export async function underTest(): Promise<void> {
  const clock = fakeClock();
  const t = testActor(Cart, cart, {
    key: 'ada',
    clock,
    refs: [fakeRef(Ping, { hit: ({ left }) => `${left}` })],
  });
  const size: number = await t.call.add({ item: 'tea', count: 2 });
  const items: ReadonlyMap<string, number> | undefined = t.state()?.items;
  await t.clock.advance(size + (items?.size ?? 0));
  // @ts-expect-error -- the state has no such member
  t.state()?.total;
  // @ts-expect-error -- there is no such answer
  fakeRef(Ping, { hit: () => 5 });

  await using cluster = await testCluster({ nodes: 2, actors: [cart, ping, pong], cacheSize: 50 });
  const total: number = await cluster.ref(Cart, 'ada').total();
  const owner: Node = cluster.nodeOf(`ada ${total}`);
  await owner.drain({ graceMs: 5 });
}

export function conforms(name: string): void {
  transportConformance(name, {
    async createBus({ clock }) {
      const bus = createMemoryBus({ clock });
      return { connect: async () => memoryTransport({ bus }) };
    },
    maxPayload: 1_048_576,
    largePayloadBytes: 900_000,
  });
}

export async function served(transport: Transport, ids: readonly string[]): Promise<void> {
  const shards = shardsForNode('node-1', ids, 1024);
  const actors: readonly Actor[] = [cart, ping, pong];
  const handler = actorHandler(actors, { client, logger, cacheSize: 10 });
  await using node = createNode({ id: 'node-1', transport, shards, handler });
  await node.start();
  createNode({ transport, shards, handler: keyHandler((key) => ({ handle: ({ type }) => key + type })) });
  createNode({
    transport,
    shards,
    handler: scopedHandler({ extract: ({ headers }) => headers['tenant'], create: async () => () => 'ok' }),
  });
}

export async function app(context: ActorContext): Promise<void> {
  const app = await createApp({
    transport: async () => memoryTransport(),
    actors: [cart, ping, pong],
    nodeId: 'node-1',
    nodeIds: ['node-1', 'node-2'],
    client: { timeoutMs: 500 },
    signals: ['SIGTERM'],
    logger,
  });
  await app.ref(Cart, context.key).clear({ reason: 'closed' });
  await app.close();
  const server = await startNatsServer();
  const raw = createClient({ transport: memoryTransport({ bus: createMemoryBus() }) });
  try {
    const user = await raw.key('ada').request<{ name: string }>('GetUser', { id: 1 });
    await raw.notifyKey(user.name, 'Seen');
  } catch (error) {
    if (isClstrError(error) && error.outcome === 'not-executed') return;
    throw error;
  }
  await server.stop();
}

/** The declarations of the NATS client do not compile under these settings: none of them stands in ours. */
export const overNats = (): Promise<unknown> =>
  connectClient({ cluster: natsCluster({ name: 'shop', tls: { caFile: 'ca.pem' }, timing: 'datacenter' }) });
