import type { Clock, HandlerContext } from '@clstr/core';
import { systemClock } from '@clstr/core';
import { keyHandler } from '@clstr/actors/keyed';
import type { KeyedHandler, KeyHandlerOptions, ScopedHandler } from '@clstr/actors/keyed';
import { deferred } from '@clstr/testing';
import type { Deferred } from '@clstr/testing';
import { describe, expect, test, vi } from 'vitest';
import { contextOf, microtasks, outcomeOf, requestOf } from './handler-call.ts';
import type { TestContext } from './handler-call.ts';

const call = (handler: ScopedHandler, key: string, context: HandlerContext = contextOf()) =>
  outcomeOf(() => handler(requestOf(key), context));

/** A handler whose every step waits for a gate, and what it did so far. */
function gated(options: KeyHandlerOptions = {}) {
  const events: string[] = [];
  const creating: Deferred<KeyedHandler>[] = [];
  const handling: Deferred<unknown>[] = [];
  const disposing: Deferred<void>[] = [];
  const instance = (key: string): KeyedHandler => ({
    handle() {
      events.push(`handle ${key}`);
      const held = deferred<unknown>();
      handling.push(held);
      return held.promise;
    },
    dispose() {
      events.push(`dispose ${key}`);
      const held = deferred();
      disposing.push(held);
      return held.promise;
    },
  });
  const handler = keyHandler((key) => {
    events.push(`create ${key}`);
    const held = deferred<KeyedHandler>();
    creating.push(held);
    return held.promise;
  }, options);
  return { handler, events, creating, handling, disposing, instance };
}

/** Serves every key at once; `disposed` tells which left the cache. */
function quick(options: KeyHandlerOptions = {}) {
  const created: string[] = [];
  const disposed: string[] = [];
  const handler = keyHandler((key) => {
    created.push(key);
    return { handle: () => key, dispose: () => disposed.push(key) };
  }, options);
  return { handler, created, disposed };
}

describe('creation', () => {
  test('happens once for 100 first messages that race', async () => {
    const { handler, events, creating, instance, handling } = gated();
    const calls = Array.from({ length: 100 }, () => call(handler, 'k'));
    await microtasks();
    expect(events).toEqual(['create k']);
    creating[0]!.resolve(instance('k'));
    await microtasks();
    expect(handling).toHaveLength(100);
    for (const [i, held] of handling.entries()) held.resolve(i);
    expect(await Promise.all(calls)).toEqual(handling.map((_, i) => ({ value: i })));
    expect(events.filter((event) => event.startsWith('create'))).toHaveLength(1);
  });

  test('that fails reaches every message that waited, and the next message tries again', async () => {
    const { handler, events, creating, instance, handling } = gated();
    const calls = Array.from({ length: 100 }, () => call(handler, 'k'));
    await microtasks();
    const error = new Error('no database');
    creating[0]!.reject(error);
    for (const result of await Promise.all(calls)) expect(result.error).toBe(error);
    const next = call(handler, 'k');
    await microtasks();
    creating[1]!.resolve(instance('k'));
    await microtasks();
    handling[0]!.resolve('fine');
    expect(await next).toEqual({ value: 'fine' });
    expect(events).toEqual(['create k', 'create k', 'handle k']);
  });

  test('that throws synchronously fails like one that rejects', async () => {
    let attempts = 0;
    const handler = keyHandler(() => {
      if (++attempts === 1) throw new Error('not yet');
      return () => 'fine';
    });
    expect(await call(handler, 'k')).toMatchObject({ error: { message: 'not yet' } });
    expect(await call(handler, 'k')).toEqual({ value: 'fine' });
  });

  test('that fails leaves its room to others', async () => {
    const handler = keyHandler(
      (key) => {
        if (key === 'bad') throw new Error('bad');
        return () => key;
      },
      { cacheSize: 1 },
    );
    await call(handler, 'bad');
    expect(await call(handler, 'good')).toEqual({ value: 'good' });
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['an object without handle()', { dispose() {} }],
    ['an object whose handle is not a method', { handle: 5 }],
  ])('that returns %s fails the message and is not kept', async (_name, value) => {
    const create = vi.fn(() => value as unknown as KeyedHandler);
    const handler = keyHandler(create);
    for (let i = 0; i < 2; i++) {
      expect(await call(handler, 'k')).toMatchObject({ error: { code: 'INVALID_OPTION' } });
    }
    expect(create).toHaveBeenCalledTimes(2);
  });

  test('of one key does not hold up another', async () => {
    const stuck = deferred<KeyedHandler>();
    const handler = keyHandler((key) => (key === 'stuck' ? stuck.promise : () => key));
    const waiting = call(handler, 'stuck');
    expect(await call(handler, 'other')).toEqual({ value: 'other' });
    stuck.resolve(() => 'at last');
    expect(await waiting).toEqual({ value: 'at last' });
  });
});

describe('a message whose caller gives up while its instance is created', () => {
  test('is not handled; the others are', async () => {
    const { handler, events, creating, instance, handling } = gated();
    const context = contextOf();
    const leaver = call(handler, 'k', context);
    const stayer = call(handler, 'k');
    await microtasks();
    const reason = new Error('gave up');
    context.abort(reason);
    expect((await leaver).error).toBe(reason);
    creating[0]!.resolve(instance('k'));
    await microtasks();
    handling[0]!.resolve('fine');
    expect(await stayer).toEqual({ value: 'fine' });
    expect(events).toEqual(['create k', 'handle k']);
  });

  test('is not handled when it had given up before', async () => {
    const handle = vi.fn();
    const handler = keyHandler(() => handle);
    const context = contextOf();
    context.abort(new Error('gave up'));
    expect(await call(handler, 'k', context)).toMatchObject({ error: { message: 'gave up' } });
    await microtasks();
    expect(handle).not.toHaveBeenCalled();
  });

  test('leaves no listener on the signal of those that stayed', async () => {
    const { handler, creating, instance, handling } = gated();
    const [ok, failed] = [contextOf(), contextOf()];
    const added = [ok, failed].map(({ signal }) => vi.spyOn(signal, 'addEventListener'));
    const removed = [ok, failed].map(({ signal }) => vi.spyOn(signal, 'removeEventListener'));
    const calls = [call(handler, 'ok', ok), call(handler, 'failed', failed)];
    await microtasks();
    creating[0]!.resolve(instance('ok'));
    creating[1]!.reject(new Error('failed'));
    await microtasks();
    handling[0]!.resolve(1);
    await Promise.all(calls);
    for (const i of [0, 1]) {
      expect(added[i]!).toHaveBeenCalledTimes(1);
      expect(removed[i]!.mock.calls[0]!.slice(0, 2)).toEqual(added[i]!.mock.calls[0]!.slice(0, 2));
    }
  });

  test('leaves the instance in the cache, idle', async () => {
    const { handler, events, creating, instance, handling } = gated({ cacheSize: 1 });
    const context = contextOf();
    const leaver = call(handler, 'k', context);
    await microtasks();
    context.abort(new Error('gave up'));
    await leaver;
    expect(await call(handler, 'other')).toMatchObject({ error: { code: 'OVERLOADED' } });
    creating[0]!.resolve(instance('k'));
    await microtasks();
    const next = call(handler, 'k');
    handling[0]!.resolve('kept');
    expect(await next).toEqual({ value: 'kept' });
    expect(events).toEqual(['create k', 'handle k']);
  });

  test('does not get the error of a creation that fails later, which is logged instead', async () => {
    const { handler, creating } = gated();
    const context = contextOf();
    const leaver = call(handler, 'k', context);
    await microtasks();
    context.abort(new Error('gave up'));
    await leaver;
    const err = new Error('no database');
    creating[0]!.reject(err);
    await microtasks();
    expect(context.lines).toEqual([
      { level: 'error', fields: { event: 'background.failed', err }, message: 'creating a handler failed' },
    ]);
  });
});

describe('eviction', () => {
  test('takes the instance that was idle for longest', async () => {
    const { handler, created, disposed } = quick({ cacheSize: 3 });
    for (const key of ['a', 'b', 'c', 'a', 'd', 'e']) await call(handler, key);
    await microtasks();
    expect(disposed).toEqual(['b', 'c']);
    expect(created).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('never takes an instance with work in flight', async () => {
    const held = deferred();
    const disposed: string[] = [];
    const handler = keyHandler(
      (key) => ({
        handle: () => (key === 'busy' ? held.promise : key),
        dispose: () => disposed.push(key),
      }),
      { cacheSize: 2 },
    );
    const busy = call(handler, 'busy');
    for (const key of ['a', 'b', 'c']) expect(await call(handler, key)).toEqual({ value: key });
    await microtasks();
    expect(disposed).toEqual(['a', 'b']);
    held.resolve();
    await busy;
    for (const key of ['d', 'e']) await call(handler, key);
    await microtasks();
    expect(disposed).toEqual(['a', 'b', 'c', 'busy']);
  });

  test('keeps an instance until the last of its calls has ended', async () => {
    const { handler, events, creating, handling, instance } = gated({ cacheSize: 1 });
    const [first, second] = [call(handler, 'k'), call(handler, 'k')];
    await microtasks();
    creating[0]!.resolve(instance('k'));
    await microtasks();
    handling[0]!.resolve(1);
    await first;
    expect(await call(handler, 'other')).toMatchObject({ error: { code: 'OVERLOADED' } });
    handling[1]!.resolve(2);
    await second;
    const other = call(handler, 'other');
    await microtasks();
    expect(events).toEqual(['create k', 'handle k', 'handle k', 'dispose k', 'create other']);
    creating[1]!.resolve(() => 'other');
    expect(await other).toEqual({ value: 'other' });
  });

  test.each([
    ['throws', () => Promise.resolve().then(() => Promise.reject(new Error('broken')))],
    [
      'throws synchronously',
      () => {
        throw new Error('broken');
      },
    ],
  ])('treats a call that %s as ended', async (_name, fail) => {
    const disposed: string[] = [];
    const handler = keyHandler((key) => ({ handle: fail, dispose: () => disposed.push(key) }), {
      cacheSize: 1,
    });
    for (const key of ['a', 'a', 'b']) {
      expect(await call(handler, key)).toMatchObject({ error: { message: 'broken' } });
    }
    await microtasks();
    expect(disposed).toEqual(['a']);
  });

  test('ends silently for handlers that have no dispose', async () => {
    const handler = keyHandler((key) => () => key, { cacheSize: 1 });
    for (const key of ['a', 'b', 'a']) expect(await call(handler, key)).toEqual({ value: key });
  });

  test('disposes a function that carries a dispose', async () => {
    const dispose = vi.fn();
    const handler = keyHandler((key) => Object.assign(() => key, { dispose }), { cacheSize: 1 });
    await call(handler, 'a');
    await call(handler, 'b');
    await microtasks();
    expect(dispose).toHaveBeenCalledTimes(1);
  });

  test('calls a lazy thenable once, as a query builder runs at each then()', async () => {
    let runs = 0;
    const lazy = {
      then(resolve: (value: number) => void) {
        resolve(++runs);
      },
    };
    const handler = keyHandler(() => () => lazy);
    expect([await call(handler, 'k'), await call(handler, 'k')]).toEqual([{ value: 1 }, { value: 2 }]);
  });
});

describe('a full cache', () => {
  test('of instances in use refuses new keys and serves those it has', async () => {
    const { handler, creating, handling, instance } = gated({ cacheSize: 1 });
    const first = call(handler, 'k');
    await microtasks();
    creating[0]!.resolve(instance('k'));
    await microtasks();
    expect(await call(handler, 'new')).toMatchObject({
      error: {
        code: 'OVERLOADED',
        outcome: 'not-executed',
        message: 'no room for "new": all 1 handlers are in use',
      },
    });
    const second = call(handler, 'k');
    handling[0]!.resolve(1);
    handling[1]!.resolve(2);
    expect([await first, await second]).toEqual([{ value: 1 }, { value: 2 }]);
  });

  test('counts creations in progress as in use', async () => {
    const { handler, events } = gated({ cacheSize: 2 });
    void call(handler, 'a');
    void call(handler, 'b');
    await microtasks();
    expect(await call(handler, 'c')).toMatchObject({ error: { code: 'OVERLOADED' } });
    expect(events).toEqual(['create a', 'create b']);
  });

  test('refuses when as many instances are still in their dispose: that has a bound too', async () => {
    const disposal = deferred();
    const handler = keyHandler((key) => ({ handle: () => key, dispose: () => disposal.promise }), {
      cacheSize: 2,
    });
    for (const key of ['a', 'b', 'c', 'd']) expect(await call(handler, key)).toEqual({ value: key });
    expect(await call(handler, 'e')).toMatchObject({
      error: { code: 'OVERLOADED', message: 'no room for "e": 2 handlers are still being disposed' },
    });
    expect(await call(handler, 'd')).toEqual({ value: 'd' });
    disposal.resolve();
    await microtasks();
    expect(await call(handler, 'e')).toEqual({ value: 'e' });
  });
});

describe('dispose', () => {
  test('ends before the next instance of its key is created', async () => {
    const { handler, events, creating, handling, disposing, instance } = gated({ cacheSize: 1 });
    const first = call(handler, 'a');
    await microtasks();
    creating[0]!.resolve(instance('a'));
    await microtasks();
    handling[0]!.resolve(1);
    await first;
    const evicting = call(handler, 'b');
    await microtasks();
    creating[1]!.reject(new Error('make room'));
    await evicting;
    const again = [call(handler, 'a'), call(handler, 'a')];
    await microtasks();
    expect(events).toEqual(['create a', 'handle a', 'dispose a', 'create b']);
    disposing[0]!.resolve();
    await microtasks();
    creating[2]!.resolve(() => 'new');
    expect(await Promise.all(again)).toEqual([{ value: 'new' }, { value: 'new' }]);
    expect(events).toEqual(['create a', 'handle a', 'dispose a', 'create b', 'create a']);
  });

  test.each([
    ['rejects', () => Promise.reject(new Error('disk full'))],
    [
      'throws',
      () => {
        throw new Error('disk full');
      },
    ],
  ])('that %s is logged and harms nobody', async (_name, dispose) => {
    const context: TestContext = contextOf();
    const handler = keyHandler((key) => ({ handle: () => key, dispose }), { cacheSize: 1 });
    await call(handler, 'a', context);
    expect(await call(handler, 'b')).toEqual({ value: 'b' });
    await microtasks();
    expect(context.lines).toEqual([
      {
        level: 'error',
        fields: {
          event: 'scope.dispose_failed',
          err: expect.objectContaining({ message: 'disk full' }),
          scope: 'a',
        },
        message: 'disposing a handler failed',
      },
    ]);
    expect(await call(handler, 'a')).toEqual({ value: 'a' });
  });

  test('that asks for its own key gets the next instance, after its own end', async () => {
    const events: string[] = [];
    let nested: Promise<unknown> | undefined;
    const handler: ScopedHandler = keyHandler(
      (key) => {
        events.push(`create ${key}`);
        return {
          handle: () => key,
          dispose: async () => {
            if (key === 'a') nested ??= call(handler, 'a');
            await microtasks();
            events.push(`disposed ${key}`);
          },
        };
      },
      { cacheSize: 2 },
    );
    for (const key of ['a', 'b', 'c']) await call(handler, key);
    await microtasks();
    await microtasks();
    expect(await nested).toEqual({ value: 'a' });
    expect(events.filter((event) => event.endsWith(' a'))).toEqual(['create a', 'disposed a', 'create a']);
  });
});

describe('close', () => {
  test('disposes everything once, however often it is called', async () => {
    const { handler, disposed } = quick();
    for (const key of ['a', 'b', 'c']) await call(handler, key);
    const closing = handler.close();
    expect(handler.close()).toBe(closing);
    await closing;
    await handler.close();
    expect(disposed.sort()).toEqual(['a', 'b', 'c']);
  });

  test('refuses new messages as DRAINING, for known keys too', async () => {
    const { handler } = quick();
    await call(handler, 'a');
    const closing = handler.close();
    for (const key of ['a', 'b']) {
      expect(await call(handler, key)).toMatchObject({
        error: { code: 'DRAINING', outcome: 'not-executed' },
      });
    }
    await closing;
  });

  test('waits for calls, creations and disposals in progress, and disposes after them', async () => {
    const { handler, events, creating, handling, disposing, instance } = gated();
    const calls = [call(handler, 'used'), call(handler, 'created')];
    await microtasks();
    creating[0]!.resolve(instance('used'));
    await microtasks();
    let isClosed = false;
    const closing = handler.close().then(() => {
      isClosed = true;
    });
    creating[1]!.resolve(instance('created'));
    await microtasks();
    for (const held of handling) held.resolve(1);
    expect(await Promise.all(calls)).toEqual([{ value: 1 }, { value: 1 }]);
    await microtasks();
    expect(events.slice(-2).sort()).toEqual(['dispose created', 'dispose used']);
    disposing[0]!.resolve();
    await microtasks();
    expect(isClosed).toBe(false);
    disposing[1]!.resolve();
    await closing;
  });

  test('waits for a creation that fails', async () => {
    const { handler, creating } = gated();
    const failing = call(handler, 'k');
    await microtasks();
    const closing = handler.close();
    creating[0]!.reject(new Error('failed'));
    await Promise.all([failing, closing]);
  });

  test('gives up after closeGraceMs, logs what is left, and disposes that when its calls end', async () => {
    let fire: (() => void) | undefined;
    const clock: Clock = {
      ...systemClock,
      timer: (fn) => {
        fire = fn;
        return () => {};
      },
    };
    const { handler, events, creating, handling, disposing, instance } = gated({ clock, closeGraceMs: 70 });
    const context = contextOf();
    const used = call(handler, 'used', context);
    await microtasks();
    creating[0]!.resolve(instance('used'));
    await microtasks();
    const closing = handler.close();
    await microtasks();
    fire!();
    await closing;
    expect(context.lines).toEqual([
      {
        level: 'warn',
        fields: { event: 'scope.not_closed', inUse: 1, disposing: 0 },
        message: 'closed before every handler ended, after 70 ms',
      },
    ]);
    handling[0]!.resolve(1);
    await used;
    await microtasks();
    expect(events).toEqual(['create used', 'handle used', 'dispose used']);
    disposing[0]!.resolve();
    await microtasks();
  });

  test('of a cache that was never used ends at once', async () => {
    await quick().handler.close();
  });
});
