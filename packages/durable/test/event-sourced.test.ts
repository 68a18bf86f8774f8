import { defineActor, request } from '@clstr/actors';
import { isClstrError, shardFromString } from '@clstr/core';
import type { StateStore } from '@clstr/core/store';
import { eventSourced } from '@clstr/durable';
import { testActor } from '@clstr/testing';
import { memoryStateStore } from '@clstr/transport-memory';
import { describe, expect, expectTypeOf, it } from 'vitest';

const Cart = defineActor('cart', {
  add: request<{ item: string; count: number }, number>(),
  addAll: request<{ items: string[] }, number>(),
  count: request<void, number>({ readonly: true }),
  peek: request<void, number>({ readonly: true }),
  failAfter: request<{ item: string }, void>(),
  clear: request<void, void>(),
});

interface CartState {
  readonly items: Readonly<Record<string, number>>;
}

const total = ({ items }: CartState): number => Object.values(items).reduce((sum, count) => sum + count, 0);

const added = (state: CartState, { item, count }: { item: string; count: number }): CartState => ({
  items: { ...state.items, [item]: (state.items[item] ?? 0) + count },
});

function cartWith(snapshotEvery: number) {
  return Cart.implement({
    durable: eventSourced({
      initial: (): CartState => ({ items: {} }),
      events: { added },
      snapshotEvery,
    }),
    handlers: {
      add: (_state, input, ctx) => total(ctx.emit('added', input)),
      addAll: (state, { items }, ctx) => {
        for (const item of items) state = ctx.emit('added', { item, count: 1 });
        return total(state);
      },
      count: (state) => total(state),
      peek: (_state, _input, ctx) => total(ctx.emit('added', { item: 'x', count: 1 })),
      failAfter: (_state, { item }, ctx) => {
        ctx.emit('added', { item, count: 1 });
        throw new Error('after the event');
      },
      clear: (_state, _input, ctx) => {
        ctx.erase();
      },
    },
  });
}

const PLACE = { space: 'cart', keeps: 'all', shard: shardFromString('test', 1_024), key: 'test' } as const;

async function recordsOf(store: StateStore): Promise<{ isWhole: boolean; text: string }[]> {
  const { records } = await store.load(PLACE, 1_000);
  return records.map(({ bytes, isWhole }) => ({ isWhole, text: Buffer.from(bytes).toString() }));
}

describe('eventSourced', () => {
  it('is what its events add up to, after a crash too', async () => {
    const actor = testActor(Cart, cartWith(100));
    expect(await actor.call.add({ item: 'pen', count: 2 })).toBe(2);
    expect(await actor.call.addAll({ items: ['pen', 'ink'] })).toBe(4);
    actor.restart();
    expect(await actor.call.count()).toBe(4);
    expect(actor.state()).toEqual({ items: { pen: 3, ink: 1 } });
  });

  it('stores the events of a turn in one record', async () => {
    const stores = memoryStateStore();
    const actor = testActor(Cart, cartWith(100), { store: stores });
    await actor.call.addAll({ items: ['a', 'b', 'c'] });
    const [record, ...others] = await recordsOf(stores.connect());
    expect(others).toEqual([]);
    expect(record!.text.match(/"added"/g)).toHaveLength(3);
  });

  it('begins with the newest snapshot, and still has all events', async () => {
    const stores = memoryStateStore();
    const actor = testActor(Cart, cartWith(10), { store: stores });
    for (let n = 0; n < 25; n++) await actor.call.add({ item: `item-${n}`, count: 1 });
    const loaded = await recordsOf(stores.connect());
    expect(loaded.map(({ isWhole }) => isWhole)).toEqual([true, false, false, false, false, false]);
    actor.restart();
    expect(await actor.call.count()).toBe(25);
  });

  it('leaves no trace of a handler that throws after an event', async () => {
    const actor = testActor(Cart, cartWith(100));
    await actor.call.add({ item: 'pen', count: 2 });
    await expect(actor.call.failAfter({ item: 'ink' })).rejects.toThrow('after the event');
    expect(await actor.call.count()).toBe(2);
    actor.restart();
    expect(await actor.call.count()).toBe(2);
  });

  it('refuses events in a readonly method, and unknown ones', async () => {
    const actor = testActor(Cart, cartWith(100));
    await expect(actor.call.peek()).rejects.toThrow('a readonly method cannot change the state');
    const Pen = defineActor('pen', { add: request<void, void>() });
    const pen = Pen.implement({
      durable: eventSourced({ initial: (): CartState => ({ items: {} }), events: { added } }),
      handlers: {
        add: (_state, _input, ctx) => {
          ctx.emit('lost' as 'added', { item: '', count: 0 });
        },
      },
    });
    await expect(testActor(Pen, pen).call.add()).rejects.toThrow('there is no event "lost"');
  });

  it('erases events and state', async () => {
    const stores = memoryStateStore();
    const actor = testActor(Cart, cartWith(100), { store: stores });
    await actor.call.addAll({ items: ['secret', 'b', 'c'] });
    await actor.call.clear();
    expect(await actor.call.count()).toBe(0);
    const left = await recordsOf(stores.connect());
    expect(left).toHaveLength(1);
    expect(left[0]!.text).not.toContain('secret');
    actor.restart();
    expect(await actor.call.add({ item: 'pen', count: 2 })).toBe(2);
  });

  it('turns events and snapshots of earlier versions into those of today', async () => {
    const stores = memoryStateStore();
    const before = testActor(Cart, cartWith(2), { store: stores });
    for (const item of ['a', 'b', 'c']) await before.call.add({ item, count: 1 });
    const today = Cart.implement({
      durable: eventSourced({
        initial: (): { total: number } => ({ total: 0 }),
        events: {
          added: {
            version: 2,
            reduce: (state, { units }: { units: number }) => ({ total: state.total + units }),
            upcast: (data) => ({ units: (data as { count: number }).count }),
          },
        },
        version: 2,
        upcast: (state) => ({ total: total(state as CartState) }),
      }),
      handlers: {
        add: (_state, { count }, ctx) => ctx.emit('added', { units: count }).total,
        addAll: () => 0,
        count: ({ total }) => total,
        peek: () => 0,
        failAfter: () => undefined,
        clear: () => undefined,
      },
    });
    expect(await testActor(Cart, today, { store: stores }).call.count()).toBe(3);
  });

  it('leaves a key alone that it cannot read', async () => {
    const stores = memoryStateStore();
    const store = stores.connect();
    await store.append(PLACE, 0, { bytes: Buffer.from('{"v":1'), isWhole: true }, 1_000);
    const actor = testActor(Cart, cartWith(100), { store: stores });
    await expect(actor.call.add({ item: 'pen', count: 2 })).rejects.toSatisfy(
      (error) =>
        isClstrError(error, 'STATE_UNREADABLE') &&
        error.outcome === 'not-executed' &&
        error.message.includes('cart/test (revision 1)'),
    );
    expect((await recordsOf(store)).map(({ text }) => text)).toEqual(['{"v":1']);
  });

  it('knows the types of its events', () => {
    const Pen = defineActor('pen', { add: request<{ item: string; count: number }, number>() });
    Pen.implement({
      durable: eventSourced({ initial: (): CartState => ({ items: {} }), events: { added } }),
      handlers: {
        add: (state, _input, ctx) => {
          expectTypeOf(state).toEqualTypeOf<CartState>();
          expectTypeOf(ctx.emit).parameter(0).toEqualTypeOf<'added'>();
          expectTypeOf(ctx.emit<'added'>)
            .parameter(1)
            .toEqualTypeOf<{ item: string; count: number }>();
          // @ts-expect-error a timer in memory would not survive
          expectTypeOf(ctx.every).toBeFunction();
          return 0;
        },
      },
    });
  });
});
