import { AsyncLocalStorage } from 'node:async_hooks';
import { defineActor, request } from '@clstr/actors';
import { scopedHandler } from '@clstr/actors/keyed';
import type { PassivateContext } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { actorNode, watch } from './actor-node.ts';
import { contextOf, microtasks, requestOf } from './handler-call.ts';

const store = new AsyncLocalStorage<string>();
const look = (): string => store.getStore() ?? 'none';

const Room = defineActor('room', {
  enter: request<string, string>(),
  look: request<void, string>(),
  peek: request<void, string>({ readonly: true }),
  hold: request<string, string>(),
  remind: request<number, void>(),
  leave: request<void, void>(),
  fail: request<void, void>(),
});

function room() {
  const seen: Record<string, string> = {};
  const gate = deferred();
  const note = (what: string) => (): void => {
    seen[what] = look();
    store.enterWith(what);
  };
  const actor = Room.implement({
    onError: 'restart',
    idleMs: 1_000,
    setup: (ctx) => {
      note('setup')();
      ctx.signal.addEventListener('abort', note('life'));
      return {};
    },
    handlers: {
      enter: (_state, who) => {
        store.enterWith(who);
        return look();
      },
      look,
      peek: look,
      hold: async (_state, who) => {
        store.enterWith(who);
        await gate.promise;
        return look();
      },
      remind: (_state, ms, ctx) => {
        ctx.after(ms, note('after'));
        ctx.every(ms, note('every'));
      },
      leave: (_state, _input, ctx) => {
        ctx.waitUntil(Promise.resolve());
        ctx.passivate();
      },
      fail: () => {
        throw new Error('on purpose');
      },
    },
    passivate: (_state, ctx: PassivateContext) => {
      note('passivate')();
      ctx.waitUntil(Promise.resolve());
    },
    discard: note('discard'),
  });
  return { actor, seen, gate };
}

describe('the async context of an actor', () => {
  test('is empty in setup, timers, passivate and at the end of its life, whoever made the call', async () => {
    const { actor, seen } = room();
    const node = await actorNode([actor]);
    const ref = node.ref(Room, 'k');
    await store.run('caller', async () => {
      await ref.remind(10);
      await node.clock.advance(10);
      await ref.leave();
      await node.settled();
    });
    await node.clock.advance(2_000);
    expect(seen).toEqual({ setup: 'none', after: 'none', every: 'none', passivate: 'none', life: 'none' });
  });

  test('is empty in discard', async () => {
    const { actor, seen } = room();
    const node = await actorNode([actor]);
    const calls = store.run('caller', () => watch([node.ref(Room, 'k').fail()]));
    await node.settled();
    expect([calls[0], seen['discard']]).toMatchObject([{ code: 'INTERNAL' }, 'none']);
  });

  test('is empty for a message that waited behind one which entered a store', async () => {
    const { actor, gate } = room();
    const node = await actorNode([actor]);
    const ref = node.ref(Room, 'k');
    await ref.look();
    const answers = watch([
      ref.hold('bob'),
      ref.look(),
      ref.enter('eve'),
      ref.peek(),
      ref.peek(),
      ref.look(),
    ]);
    await node.settled();
    gate.resolve();
    await node.settled();
    expect(answers.map((answer) => (answer as { value: unknown }).value)).toEqual([
      'bob',
      'none',
      'eve',
      'none',
      'none',
      'none',
    ]);
  });

  test('has what an interceptor put there, whether the message waits or not', async () => {
    const { actor, gate } = room();
    const node = await actorNode([actor], {
      node: {
        interceptors: [
          (message, _context, next) => store.run(message.headers['tenant'] ?? 'none', () => next(message)),
        ],
      },
    });
    const ref = node.ref(Room, 'k');
    const as = (tenant: string) => ({ headers: { tenant } });
    const answers = watch([
      ref.hold('bob', as('first')),
      ref.look(undefined, as('second')),
      ref.look(undefined, as('third')),
    ]);
    await node.settled();
    gate.resolve();
    await node.settled();
    expect(answers).toMatchObject([{ value: 'bob' }, { value: 'second' }, { value: 'third' }]);
    expect(await ref.look(undefined, as('fourth'))).toBe('fourth');
  });
});

test('a scoped handler is made and disposed of in an empty context, and handles in that of its message', async () => {
  const seen: string[] = [];
  const handler = scopedHandler({
    cacheSize: 1,
    extract: ({ key }) => key,
    create: (scope) => {
      seen.push(`create ${scope} ${look()}`);
      return { handle: look, dispose: () => seen.push(`dispose ${scope} ${look()}`) };
    },
  });
  const call = (key: string): unknown =>
    store.run(`message ${key}`, () => handler(requestOf(key), contextOf()));
  expect([await call('a'), await call('a')]).toEqual(['message a', 'message a']);
  expect(await call('b')).toBe('message b');
  await microtasks();
  expect(seen).toEqual(['create a none', 'dispose a none', 'create b none']);
  await handler.close();
});
