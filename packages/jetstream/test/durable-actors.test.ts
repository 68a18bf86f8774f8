/** Durable actors whose state is in JetStream: it outlives their app. */
import { defineActor, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import type { App } from '@clstr/app';
import { durableState, eventSourced } from '@clstr/durable';
import { hasNatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jetstreamStore } from '../src/index.ts';
import { Stage } from './stage.ts';

const Account = defineActor('account', {
  deposit: request<{ cents: number }, number>(),
  balance: request<void, number>({ readonly: true }),
});
const account = Account.implement({
  durable: durableState<{ cents: number }>({ initial: () => ({ cents: 0 }) }),
  handlers: { deposit: (state, { cents }) => (state.cents += cents), balance: ({ cents }) => cents },
});

const Cart = defineActor('cart', {
  add: request<{ item: string }, number>(),
  items: request<void, readonly string[]>({ readonly: true }),
  clear: request<void, void>(),
});
const cart = Cart.implement({
  durable: eventSourced({
    initial: (): { items: readonly string[] } => ({ items: [] }),
    events: { added: ({ items }, { item }: { item: string }) => ({ items: [...items, item] }) },
    snapshotEvery: 10,
  }),
  handlers: {
    add: (_state, { item }, ctx) => ctx.emit('added', { item }).items.length,
    items: ({ items }) => items,
    clear: (_state, _input, ctx) => {
      ctx.erase();
    },
  },
});

describe.skipIf(!hasNatsServer())('durable actors on JetStream', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
  });
  afterAll(() => stage.stop());

  const start = (cluster: string): Promise<App> =>
    createApp({
      transport: () => natsTransport({ servers: stage.server.url, cluster }),
      store: jetstreamStore(),
      actors: [account, cart],
    });

  test('have their state again when their app starts anew', async () => {
    const cluster = stage.nextCluster();
    const items = Array.from({ length: 25 }, (_, i) => `item ${i}`);
    const one = await start(cluster);
    expect(await one.ref(Account, 'a.17 > *').deposit({ cents: 500 })).toBe(500);
    for (const item of items) await one.ref(Cart, 'ä').add({ item });
    await one.close();

    const other = await start(cluster);
    expect(await other.ref(Account, 'a.17 > *').balance()).toBe(500);
    expect(await other.ref(Account, 'a.17 > *').deposit({ cents: 1 })).toBe(501);
    expect(await other.ref(Cart, 'ä').items()).toEqual(items);
    expect(await other.ref(Cart, 'ä').add({ item: 'last' })).toBe(26);
    await other.close();

    const third = await start(cluster);
    expect(await third.ref(Account, 'a.17 > *').balance()).toBe(501);
    expect(await third.ref(Cart, 'ä').items()).toEqual([...items, 'last']);
    await third.close();
  });

  test('keep no event of a state that was erased', async () => {
    const cluster = stage.nextCluster();
    const one = await start(cluster);
    for (let i = 0; i < 25; i++) await one.ref(Cart, 'a').add({ item: `item ${i}` });
    await one.ref(Cart, 'a').clear();
    expect((await stage.manager.streams.info(`CLSTR_LOG_${cluster}`)).state.messages).toBe(1);
    await one.close();

    const other = await start(cluster);
    expect(await other.ref(Cart, 'a').items()).toEqual([]);
    await other.close();
  });
});
