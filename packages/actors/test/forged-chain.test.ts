/** Anyone can write the chain of calls into a header: what it says must not harm those who did not write it. */
import { defineActor, request } from '@clstr/actors';
import type { LifecycleContext } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { actorNode, answerOf, watch } from './actor-node.ts';

const Db = defineActor('db', { get: request<void, number>({ readonly: true }) });
const Cart = defineActor('cart', { add: request<void, unknown>() });
const FORGED = { callChain: ['db/main'] };

async function carts(setup: (ctx: LifecycleContext) => unknown) {
  const db = Db.implement({ setup: () => null, handlers: { get: () => 7 } });
  let setups = 0;
  const cart = Cart.implement({
    mailbox: 10_000,
    setup: (ctx) => {
      setups++;
      return setup(ctx);
    },
    handlers: { add: (state) => state },
  });
  const node = await actorNode([db, cart]);
  const forged = () => answerOf(node.client.requestKey('alice', 'cart.add', undefined, FORGED));
  const honest = () => answerOf(node.ref(Cart, 'alice').add());
  return { node, forged, honest, setups: () => setups };
}

const cycle = {
  code: 'CALL_CYCLE',
  message: 'the call would wait for itself: db/main → cart/alice → db/main',
};

describe('a setup that fails because of the chain of the message it runs for', () => {
  const setups: [string, (ctx: LifecycleContext) => unknown][] = [
    ['with the error itself', (ctx) => ctx.ref(Db, 'main').get()],
    [
      'with an error of its own',
      (ctx) =>
        ctx
          .ref(Db, 'main')
          .get()
          .catch((cause: unknown) => {
            throw new Error('no database', { cause });
          }),
    ],
    [
      'by the state it makes without that call',
      (ctx) =>
        ctx
          .ref(Db, 'main')
          .get()
          .catch(() => 'the state of a call that never was'),
    ],
  ];

  test.each(setups)('%s refuses that message alone, and counts for no pause', async (_how, setup) => {
    const { node, forged, honest } = await carts(setup);
    for (let i = 0; i < 5; i++) expect(await forged()).toMatchObject(cycle);
    expect(await honest()).toEqual({ value: 7 });
    expect(node.lines).toEqual([]);
  });

  test('is followed by another for those who waited behind that message', async () => {
    const gate = deferred();
    const { node, forged, honest, setups } = await carts(async (ctx) => {
      await gate.promise;
      return ctx.ref(Db, 'main').get();
    });
    const answers = watch([forged(), honest(), forged(), honest()]);
    await node.settled();
    gate.resolve();
    await node.settled();
    expect(answers).toMatchObject([
      { value: cycle },
      { value: { value: 7 } },
      { value: { value: 7 } },
      { value: { value: 7 } },
    ]);
    expect(setups()).toBe(2);
  });

  test('is followed by as many as there are such messages, each in a turn of its own', async () => {
    const gate = deferred();
    let isFirst = true;
    const { node, forged, honest } = await carts((ctx) => {
      const call = ctx.ref(Db, 'main').get();
      call.catch(() => undefined);
      if (!isFirst) return 7;
      isFirst = false;
      return gate.promise;
    });
    const answers = watch([...Array.from({ length: 5_000 }, forged), honest()]);
    await node.settled();
    gate.resolve();
    await node.settled();
    expect(answers.at(-1)).toEqual({ value: { value: 7 } });
    expect(answers.slice(0, -1)).toEqual(
      Array.from({ length: 5_000 }, () => ({ value: expect.objectContaining(cycle) })),
    );
  });

  test('fails for all as usual when the order of arrival does not matter', async () => {
    const { honest, setups } = await carts((ctx) => ctx.ref(Cart, 'alice').add());
    for (let i = 0; i < 2; i++) expect(await honest()).toMatchObject({ code: 'CALL_CYCLE' });
    const third = watch([honest()]);
    await Promise.resolve();
    expect([third[0], setups()]).toEqual([undefined, 2]);
  });
});

describe('a node that drains', () => {
  async function draining() {
    const gate = deferred();
    const db = Db.implement({ setup: () => null, handlers: { get: () => 7 } });
    const cart = Cart.implement({
      setup: () => null,
      handlers: {
        add: async (_state, _input, ctx) => {
          await gate.promise;
          return ctx.ref(Db, 'main').get();
        },
      },
    });
    const node = await actorNode([db, cart]);
    const accepted = watch([node.ref(Cart, 'alice').add()]);
    await node.settled();
    const drained = node.drain();
    await node.settled();
    return { node, gate, accepted, drained };
  }

  test('admits the calls of what it has accepted', async () => {
    const { node, gate, accepted, drained } = await draining();
    gate.resolve();
    await node.settled();
    expect(accepted).toEqual([{ value: 7 }]);
    await drained;
  });

  test.each([[['x/y']], [[`~${'A'.repeat(16)}`, 'x/y']], [[]]])(
    'refuses a message whose sender wrote the chain %j',
    async (callChain) => {
      const { node, gate, drained } = await draining();
      expect(
        await answerOf(node.client.requestKey('main', 'db.get', undefined, { callChain })),
      ).toMatchObject({
        code: 'DRAINING',
        outcome: 'not-executed',
      });
      gate.resolve();
      await drained;
    },
  );
});
