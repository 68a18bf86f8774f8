import { ActorError, ClstrError, createNode } from '@clstr/core';
import type {
  Address,
  EntryReceiver,
  Handler,
  InboundEntry,
  NodeAddress,
  ReplyPort,
  Transport,
} from '@clstr/core';
import { isNodeAddress } from '@clstr/core';
import { keyHandler, scopedHandler } from '@clstr/actors';
import type { KeyedHandler } from '@clstr/actors';
import { describe, expect, test, vi } from 'vitest';
import { contextOf, gate, outcomeOf, requestOf } from './handler-call.ts';

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
        message: `message "Add" on shard 3 needs a key, got ${key === '' ? '""' : 'undefined'}`,
      }),
    );
    expect(create).not.toHaveBeenCalled();
  });

  test('runs messages of one key concurrently', async () => {
    const gates = [gate<string>(), gate<string>()];
    const waiting = [...gates];
    const handler = keyHandler(() => () => waiting.shift()!.promise);
    const calls = [1, 2].map(() => outcomeOf(() => handler(requestOf('k'), contextOf())));
    gates[1]!.open('second');
    expect(await calls[1]).toEqual({ value: 'second' });
    gates[0]!.open('first');
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

/** What reaches the caller when a real node runs the handler: its dispatch decides about outcomes. */
describe('behind a node', () => {
  const reachCaller = async (
    handler: Handler,
    key: string | undefined = 'k',
  ): Promise<Record<string, unknown>> => {
    const bus = oneNodeBus();
    const node = createNode({ id: 'node-1', transport: bus.transport, numShards: 1, shards: [0], handler });
    await node.start();
    const answer = await bus.ask({ key });
    await node.close();
    return answer;
  };

  test('a message without a key is refused as not executed', async () => {
    const handler = keyHandler(() => () => undefined);
    const [scoped, keyed] = [scopedHandler({ extract: () => '', create: () => () => undefined }), handler];
    expect(await reachCaller(scoped)).toMatchObject({
      code: 'MISSING_KEY_HEADER',
      outcome: 'not-executed',
    });
    const bus = oneNodeBus();
    const node = createNode({ transport: bus.transport, numShards: 1, shards: [0], handler: keyed });
    await node.start();
    expect(await bus.ask({ key: undefined })).toMatchObject({
      code: 'MISSING_KEY_HEADER',
      outcome: 'not-executed',
    });
  });

  test('a full cache refuses as not executed and retryable', async () => {
    const bus = oneNodeBus();
    const handler = keyHandler(() => () => held.promise, { cacheSize: 1 });
    const held = gate();
    const node = createNode({ transport: bus.transport, numShards: 1, shards: [0], handler });
    await node.start();
    const first = bus.ask({ key: 'a' });
    expect(await bus.ask({ key: 'b' })).toMatchObject({
      code: 'OVERLOADED',
      outcome: 'not-executed',
      retryable: true,
    });
    held.open();
    await first;
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
    const handler = keyHandler(() => Promise.reject(error));
    expect(await reachCaller(handler)).toMatchObject(expected);
  });

  test('a create that returns no handler is an error that says so', async () => {
    const handler = keyHandler((() => 5) as unknown as () => KeyedHandler);
    const answer = await reachCaller(handler);
    expect(answer).toMatchObject({ code: 'HANDLER_ERROR', outcome: 'executed' });
    expect(answer['message']).toContain('what create returns must be a function');
  });

  test('draining disposes every instance after its last call', async () => {
    const bus = oneNodeBus();
    const events: string[] = [];
    const held = gate();
    const handler = keyHandler((key) => ({
      handle: async () => {
        if (key === 'slow') await held.promise;
        events.push(`handled ${key}`);
      },
      dispose: () => events.push(`disposed ${key}`),
    }));
    const node = createNode({ transport: bus.transport, numShards: 1, shards: [0], handler });
    await node.start();
    await bus.ask({ key: 'quick' });
    const slow = bus.ask({ key: 'slow' });
    const drained = node.drain();
    held.open();
    await slow;
    await drained;
    expect(events).toEqual(['handled quick', 'handled slow', 'disposed quick', 'disposed slow']);
  });

  test('closing disposes an instance whose call was cut short once that call has ended', async () => {
    const bus = oneNodeBus();
    const events: string[] = [];
    const started = gate();
    const handler = keyHandler(() => ({
      handle: async (_request, { signal }) => {
        started.open();
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve);
        });
        events.push('ended');
      },
      dispose: () => events.push('disposed'),
    }));
    const node = createNode({ transport: bus.transport, numShards: 1, shards: [0], handler });
    await node.start();
    const call = bus.ask({ key: 'k' });
    await started.promise;
    await node.close();
    expect(await call).toMatchObject({ code: 'ABORTED', outcome: 'unknown' });
    expect(events).toEqual(['ended', 'disposed']);
  });
});

/** The least of a bus that one node can be served on. */
function oneNodeBus(): {
  transport: Transport;
  ask(message: { key: string | undefined }): Promise<Record<string, unknown>>;
} {
  let receiver: EntryReceiver | undefined;
  const transport: Transport = {
    name: 'one node',
    openLink: () => {
      throw new Error('no clients here');
    },
    serve: (address: Address, served: EntryReceiver, _self: NodeAddress) => {
      if (!isNodeAddress(address)) receiver = served;
      return Promise.resolve({ close: () => Promise.resolve() });
    },
    onConnection: () => () => {},
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const ask = ({ key }: { key: string | undefined }): Promise<Record<string, unknown>> =>
    new Promise((resolve) => {
      const port: ReplyPort = {
        reply: (_entry, payload) => {
          resolve({ reply: payload });
        },
        fail: (_entry, { code, outcome, retryable, message }) => {
          resolve({ code, outcome, retryable, message });
        },
      };
      const entry: InboundEntry = {
        isNotify: false,
        session: 0,
        attempt: 0,
        shard: 0,
        type: 'Add',
        key,
        headers: undefined,
        payload: new Uint8Array(0),
        isRaw: false,
        ttlMs: undefined,
        receivedAtMs: 0,
      };
      receiver!.onEntry(entry, port);
    });
  return { transport, ask };
}
