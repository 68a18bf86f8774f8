import { ActorError, ClstrError } from '@clstr/core';
import type { Handler } from '@clstr/core';
import { keyHandler, scopedHandler } from '@clstr/actors/keyed';
import type { KeyedHandler } from '@clstr/actors/keyed';
import { deferred, testCluster } from '@clstr/testing';
import type { TestCluster } from '@clstr/testing';
import { describe, expect, test, vi } from 'vitest';
import { contextOf, outcomeOf, requestOf } from './handler-call.ts';

describe('keyHandler', () => {
  test('gives each key its own handler, made once', async () => {
    const create = vi.fn((key: string) => {
      let count = 0;
      return () => `${key}:${++count}`;
    });
    const handler = keyHandler(create);
    const call = async (key: string): Promise<unknown> => handler(requestOf(key), contextOf());
    expect([await call('a'), await call('b'), await call('a')]).toEqual(['a:1', 'b:1', 'a:2']);
    expect(create.mock.calls.map(([key]) => key)).toEqual(['a', 'b']);
  });

  test('hands request and context on to a function and to the method of an object alike', async () => {
    const seen: unknown[][] = [];
    class Recorder {
      readonly seen = seen;
      handle(...args: unknown[]): void {
        this.seen.push(args);
      }
    }
    const request = requestOf('k');
    const context = contextOf();
    await keyHandler(() => new Recorder())(request, context);
    await keyHandler(
      () =>
        (...args) =>
          seen.push(args),
    )(request, context);
    expect(seen).toEqual([
      [request, context],
      [request, context],
    ]);
    for (const args of seen) expect(args[0]).toBe(request);
  });

  test('answers without a promise once the instance is there and its handler is synchronous', async () => {
    const handler = keyHandler(() => () => 7);
    await handler(requestOf('k'), contextOf());
    expect(handler(requestOf('k'), contextOf())).toBe(7);
  });

  test('tells create the node and its logger, not the message', async () => {
    const create = vi.fn(() => () => undefined);
    const context = contextOf();
    await keyHandler(create)(requestOf('k'), context);
    expect(create).toHaveBeenCalledWith('k', { nodeId: 'node-1', log: context.log });
  });

  test.each([undefined, ''])('refuses a message with the key %j, not executed', (key) => {
    const create = vi.fn(() => () => undefined);
    const handler = keyHandler(create);
    expect(() => handler(requestOf(key), contextOf())).toThrow(
      expect.objectContaining({
        code: 'MISSING_KEY_HEADER',
        outcome: 'not-executed',
        message: `message "Add" needs a key, got ${key === '' ? '""' : 'undefined'}`,
      }),
    );
    expect(create).not.toHaveBeenCalled();
  });

  test('runs messages of one key concurrently', async () => {
    const gates = [deferred<string>(), deferred<string>()];
    const waiting = [...gates];
    const handler = keyHandler(() => () => waiting.shift()!.promise);
    const calls = [1, 2].map(() => outcomeOf(() => handler(requestOf('k'), contextOf())));
    gates[1]!.resolve('second');
    expect(await calls[1]).toEqual({ value: 'second' });
    gates[0]!.resolve('first');
    expect(await calls[0]).toEqual({ value: 'first' });
  });
});

describe('scopedHandler', () => {
  test('takes the scope from whatever extract reads', async () => {
    const handler = scopedHandler({
      extract: (request) => request.headers['tenant'],
      create: (scope) => () => scope,
    });
    expect(await handler(requestOf('k', { headers: { tenant: 'acme' } }), contextOf())).toBe('acme');
  });

  test.each([[undefined], [''], [null], [5], [{}]])('refuses the scope %j, not executed', (scope) => {
    const handler = scopedHandler({ extract: () => scope as string, create: () => () => undefined });
    expect(() => handler(requestOf('k'), contextOf())).toThrow(
      expect.objectContaining({ code: 'MISSING_KEY_HEADER', outcome: 'not-executed' }),
    );
  });

  test('lets an error of extract through as it is', () => {
    const error = new Error('no tenant here');
    const handler = scopedHandler({
      extract: () => {
        throw error;
      },
      create: () => () => undefined,
    });
    expect(() => handler(requestOf('k'), contextOf())).toThrow(error);
  });

  test('disposes with await using', async () => {
    const dispose = vi.fn();
    const handler = keyHandler(() => ({ handle: () => 1, dispose }));
    await handler(requestOf('k'), contextOf());
    await handler[Symbol.asyncDispose]();
    expect(dispose).toHaveBeenCalledTimes(1);
  });
});

/** What reaches the caller through a real client, bus and node: its dispatch decides about outcomes. */
describe('behind a node', () => {
  const clusterWith = (handler: Handler): Promise<TestCluster> =>
    testCluster({ nodes: 1, numShards: 4, handler });
  const refused = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => expect.unreachable(),
      (error: unknown) => error,
    );

  test('a message without a key is refused as not executed', async () => {
    const cluster = await clusterWith(keyHandler(() => () => undefined));
    expect(await refused(cluster.client.requestShard(0, 'Add'))).toMatchObject({
      code: 'MISSING_KEY_HEADER',
      outcome: 'not-executed',
    });
    await cluster.close();
  });

  test('a message without a scope is refused as not executed', async () => {
    const cluster = await clusterWith(scopedHandler({ extract: () => '', create: () => () => undefined }));
    expect(await refused(cluster.client.requestKey('k', 'Add'))).toMatchObject({
      code: 'MISSING_KEY_HEADER',
      outcome: 'not-executed',
    });
    await cluster.close();
  });

  test('a full cache refuses as not executed and retryable', async () => {
    const [started, held] = [deferred(), deferred()];
    const handle = (): Promise<void> => {
      started.resolve();
      return held.promise;
    };
    const cluster = await clusterWith(keyHandler(() => handle, { cacheSize: 1 }));
    const first = cluster.client.requestKey('a', 'Add');
    await started.promise;
    expect(await refused(cluster.client.requestKey('b', 'Add'))).toMatchObject({
      code: 'OVERLOADED',
      outcome: 'not-executed',
      retryable: true,
    });
    held.resolve();
    await first;
    await cluster.close();
  });

  test.each([
    ['a plain error', new Error('secret'), { code: 'INTERNAL', outcome: 'executed' }],
    ['an ActorError', new ActorError('NO_SUCH_USER', 'gone'), { code: 'ACTOR_ERROR', outcome: 'executed' }],
    [
      'a framework error of a nested call',
      new ClstrError('OVERLOADED', 'elsewhere'),
      { code: 'HANDLER_ERROR', outcome: 'executed', retryable: false },
    ],
  ])('%s thrown by create is never not-executed', async (_name, error, expected) => {
    const cluster = await clusterWith(keyHandler(() => Promise.reject(error)));
    expect(await refused(cluster.client.requestKey('k', 'Add'))).toMatchObject(expected);
    await cluster.close();
  });

  test('a create that returns no handler is an error that says so', async () => {
    const cluster = await clusterWith(keyHandler((() => 5) as unknown as () => KeyedHandler));
    expect(await refused(cluster.client.requestKey('k', 'Add'))).toMatchObject({
      code: 'HANDLER_ERROR',
      outcome: 'executed',
      message: expect.stringContaining('what create returns must be a function'),
    });
    await cluster.close();
  });

  test('with maxRunning runs so many calls at once over all keys, and each key in order', async () => {
    const running = { now: 0, most: 0 };
    const byKey = new Map<string, unknown[]>();
    const handler = keyHandler((key) => async ({ payload }) => {
      byKey.set(key, [...(byKey.get(key) ?? []), payload]);
      running.most = Math.max(running.most, ++running.now);
      await new Promise((resolve) => setImmediate(resolve));
      running.now--;
      return payload;
    });
    await using cluster = await testCluster({ nodes: 1, handler, node: { maxRunning: 3 } });
    const numbers = Array.from({ length: 60 }, (_, i) => i);
    const calls = numbers.map((i) => cluster.client.requestKey(`k${i % 4}`, 'count', i));
    expect(await Promise.all(calls)).toEqual(numbers);
    expect(running).toEqual({ now: 0, most: 3 });
    for (let key = 0; key < 4; key++) {
      expect(byKey.get(`k${key}`)).toEqual(numbers.filter((i) => i % 4 === key));
    }
  });

  test('1,000 requests over 50 keys and 20 places count exactly, though instances come and go', async () => {
    const stored = new Map<string, number>();
    const handler = keyHandler(
      async (key) => {
        let value = stored.get(key) ?? 0;
        await Promise.resolve();
        return {
          handle: () => ++value,
          dispose: async () => {
            await Promise.resolve();
            stored.set(key, value);
          },
        };
      },
      { cacheSize: 20 },
    );
    const cluster = await clusterWith(handler);
    for (let round = 0; round < 100; round++) {
      const keys = Array.from({ length: 10 }, (_, i) => `key-${(round * 7 + i) % 50}`);
      await Promise.all(keys.map((key) => cluster.client.requestKey(key, 'Add')));
    }
    await cluster.close();
    expect([...stored.values()].reduce((sum, value) => sum + value)).toBe(1_000);
    expect(stored.size).toBe(50);
  });

  test('draining disposes every instance after its last call', async () => {
    const events: string[] = [];
    const [started, held] = [deferred(), deferred()];
    const handler = keyHandler((key) => ({
      handle: async () => {
        if (key === 'slow') {
          started.resolve();
          await held.promise;
        }
        events.push(`handled ${key}`);
      },
      dispose: () => events.push(`disposed ${key}`),
    }));
    const cluster = await clusterWith(handler);
    await cluster.client.requestKey('quick', 'Add');
    const slow = cluster.client.requestKey('slow', 'Add');
    await started.promise;
    const drained = cluster.nodes[0]!.drain();
    held.resolve();
    await slow;
    await drained;
    expect(events).toEqual(['handled quick', 'handled slow', 'disposed quick', 'disposed slow']);
    await cluster.close();
  });

  test('closing disposes an instance whose call was cut short once that call has ended', async () => {
    const events: string[] = [];
    const started = deferred();
    const handler = keyHandler(() => ({
      handle: async (_request, { signal }) => {
        started.resolve();
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve);
        });
        events.push('ended');
      },
      dispose: () => events.push('disposed'),
    }));
    const cluster = await clusterWith(handler);
    const call = refused(cluster.client.requestKey('k', 'Add'));
    await started.promise;
    await cluster.nodes[0]!.close();
    expect(await call).toMatchObject({ code: 'ABORTED', outcome: 'unknown' });
    expect(events).toEqual(['ended', 'disposed']);
    await cluster.close();
  });
});
