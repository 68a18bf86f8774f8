import { deferred, fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import type { Handler, NodeInterceptor } from '../../src/node/handler.ts';
import { createNode } from '../../src/node/node.ts';
import { TOPOLOGY_ADDRESS } from '../../src/wire/transport.ts';
import type { NodeOptions } from '../../src/index.ts';
import { shardFromString } from '../../src/placement/shard.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { recordLog } from '@clstr/testing/internal';
import { recordMetrics } from '../recorded-metrics.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const refusal = (message: string): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

function create(options: Partial<NodeOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const handler: Handler = () => 'reply';
  const node = createNode({
    id: 'n1',
    transport,
    clock,
    numShards: 16,
    shards: [3, 1],
    handler,
    ...options,
  });
  return { transport, clock, node, port: recordAnswers() };
}

/** A node that serves. */
async function start(options: Partial<NodeOptions> = {}) {
  const created = create(options);
  await created.node.start();
  const { receiver } = created.transport.served[0]!;
  return { ...created, receiver };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

async function endOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}

/** A handler whose one call stays open. */
function openHandler() {
  const gate = deferred<unknown>();
  const signals: AbortSignal[] = [];
  const handler: Handler = (_request, { signal }) => {
    signals.push(signal);
    return gate.promise;
  };
  return { gate, signals, handler };
}

describe('the options of createNode', () => {
  const transport = new ScriptedTransport();
  const handler: Handler = () => undefined;

  test.each([
    ['id', '', 'of \\[A-Za-z0-9_-\\]\\{1,64\\}, got ""'],
    ['id', 'a.b', 'got "a.b"'],
    ['id', 'x'.repeat(65), 'got "x+…"'],
    ['id', 5, 'got 5'],
    ['transport', undefined, 'got undefined'],
    ['transport', { openLink() {}, onConnection() {} }, 'serve'],
    ['numShards', 0, 'from 1 to 4294967295, got 0'],
    ['numShards', NaN, 'got NaN'],
    ['seed', 5, 'a string, got 5'],
    ['shards', undefined, 'a list of shard numbers, got undefined'],
    ['shards', 5, 'a list of shard numbers, got 5'],
    ['shards', [0, 1024], 'from 0 to 1023, got 1024'],
    ['shards', [-1], 'got -1'],
    ['shards', ['1'], 'got "1"'],
    ['handler', undefined, 'a function, got undefined'],
    ['handler', {}, 'a function, got an object'],
    ['interceptors', 5, 'a list of functions, got 5'],
    ['interceptors', [{}], 'a list of functions, got an array'],
    ['codec', { decode() {} }, 'encode'],
    ['handlerTimeoutMs', 0, 'got 0'],
    ['handlerTimeoutMs', 2 ** 31, 'from 1 to 2147483647, got 2147483648'],
    ['maxInFlight', 0, 'got 0'],
    ['maxInFlight', -1, 'got -1'],
    ['maxInFlightBytes', 0, 'got 0'],
    ['maxInFlightBytes', Infinity, 'got Infinity'],
    ['shedding', true, 'false or an object with targetMs and intervalMs, got true'],
    ['shedding', null, 'got null'],
    ['maxKeyBytes', 65_536, 'got 65536'],
    ['clock', { monoMs() {} }, 'wallMs'],
    ['random', {}, 'bytes'],
    ['metrics', { handlerEnd() {} }, 'at least one of requestEnded'],
    ['metrics', null, 'at least one of requestEnded'],
    ['logger', console.log, 'an object with a method'],
  ])('refuses the %s %o', (name, value, why) => {
    const options = { transport, handler, shards: [], [name]: value } as unknown as NodeOptions;
    expect(() => createNode(options)).toThrow(refusal(`^createNode: ${name} must be .*${why}`));
  });

  test.each([
    [{ targetMs: 0 }, 'targetMs must be a whole number from 1 to 2147483647, got 0'],
    [{ intervalMs: 2.5 }, 'intervalMs must be a whole number from 1 to 2147483647, got 2.5'],
    [{ target: 5 }, 'unknown option "target"; known: targetMs, intervalMs'],
  ])('refuses %o as shedding', (shedding, why) => {
    const options = { transport, handler, shards: [], shedding } as unknown as NodeOptions;
    expect(() => createNode(options)).toThrow(refusal(`^createNode: shedding: ${why}$`));
  });

  test('refuses an option that it does not know, naming those it knows', () => {
    const options = { transport, handler, shards: [], shard: 5 } as unknown as NodeOptions;
    expect(() => createNode(options)).toThrow(refusal('^createNode: unknown option "shard"; known: id, '));
  });

  test('an id is made up when none is given, each time another', () => {
    const ids = new Set([1, 2, 3].map(() => create({ id: undefined }).node.id));
    expect(ids.size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^node-[A-Za-z0-9_-]{6}$/);
    const random = { bytes: (count: number) => new Uint8Array(count) };
    expect(create({ id: undefined, random }).node.id).toBe(create({ id: undefined, random }).node.id);
  });

  test('shards are served once each, and listed in order', async () => {
    const { node, transport } = await start({ shards: [5, 1, 5, 11] });
    expect(node.shards()).toEqual([1, 5, 11]);
    const addresses = transport.served.map(({ address }) => address);
    expect(addresses).toEqual([
      expect.objectContaining({ nodeId: 'n1' }),
      { shard: 1 },
      { shard: 5 },
      { shard: 11 },
      TOPOLOGY_ADDRESS,
    ]);
  });

  test('numShards and seed say where a key belongs', async () => {
    const options = { numShards: 500, seed: 'mine', shards: Array.from({ length: 500 }, (_, i) => i) };
    const { receiver, port } = await start(options);
    receiver.onEntry(entryOf({ key: 'k', shard: shardFromString('k', 500, 'mine') }), port);
    expect(port.last).toMatchObject({ value: '"reply"' });
    receiver.onEntry(entryOf({ key: 'k', shard: shardFromString('k', 500, 'other') }), port);
    expect(port.last).toMatchObject({ error: { code: 'CLUSTER_CONFIG_MISMATCH' } });
  });

  test('maxKeyBytes bounds keys that arrive', async () => {
    const { receiver, port } = await start({ maxKeyBytes: 3 });
    receiver.onEntry(entryOf({ key: 'abcd' }), port);
    expect(port.last).toMatchObject({ error: { code: 'INVALID_ENVELOPE', outcome: 'not-executed' } });
  });

  test('codec, handlerTimeoutMs, maxInFlight and maxInFlightBytes reach the dispatch', async () => {
    const { handler, gate } = openHandler();
    const codec = {
      name: 'upper',
      encode: (value: unknown) => String(value).toUpperCase(),
      decode: () => 'in',
    };
    const { receiver, port, clock } = await start({
      codec,
      handler,
      handlerTimeoutMs: 50,
      maxInFlight: 2,
      maxInFlightBytes: 3,
    });
    receiver.onEntry(entryOf({ payload: new Uint8Array(4) }), port);
    expect(port.last).toMatchObject({ error: { code: 'OVERLOADED' } });
    for (let i = 0; i < 3; i++) receiver.onEntry(entryOf({ payload: new Uint8Array(1) }), port);
    expect(port.answers).toHaveLength(2);
    await clock.advance(70);
    expect(port.last).toMatchObject({ error: { code: 'HANDLER_TIMEOUT' } });
    receiver.onEntry(entryOf(), port);
    gate.resolve('out');
    await settle();
    expect(port.last).toMatchObject({ value: 'OUT' });
  });

  test('an error that metrics or the logger throws does not reach the node', async () => {
    const broken = (): never => {
      throw new Error('broken');
    };
    const metrics = { ...recordMetrics(), nodeEvent: broken, watchNode: broken, handlerEnded: broken };
    const logger = { debug: broken, info: broken, warn: broken, error: broken };
    const { node, receiver, port } = await start({ metrics, logger });
    receiver.onEntry(entryOf(), port);
    expect(port.last).toMatchObject({ value: '"reply"' });
    await node.close();
    expect(node.state).toBe('closed');
  });
});

describe('interceptors', () => {
  test('run around the handler, the first outermost', async () => {
    const named =
      (name: string): NodeInterceptor =>
      async (request, _context, next) =>
        `${name}(${String(await next(request))})`;
    const { receiver, port } = await start({ interceptors: [named('a'), named('b')] });
    receiver.onEntry(entryOf(), port);
    await settle();
    expect(port.last).toMatchObject({ value: '"a(b(reply))"' });
  });

  test('may change the handler’s input, and see its context', async () => {
    const seen: unknown[] = [];
    const interceptor: NodeInterceptor = (request, context, next) => {
      seen.push(context.nodeId, context.remainingMs());
      return next({ ...request, payload: 'changed' });
    };
    const { receiver, port } = await start({
      interceptors: [interceptor],
      handler: ({ payload }, { nodeId }) => [payload, nodeId],
    });
    receiver.onEntry(entryOf({ ttlMs: 500 }), port);
    expect(port.last).toMatchObject({ value: '["changed","n1"]' });
    expect(seen).toEqual(['n1', 500]);
  });

  test('that throw synchronously are answered like a handler that does', async () => {
    const { receiver, port } = await start({
      interceptors: [
        () => {
          throw new Error('broken');
        },
      ],
    });
    receiver.onEntry(entryOf(), port);
    expect(port.last).toMatchObject({ error: { code: 'INTERNAL', outcome: 'executed' } });
  });
});

describe('start', () => {
  test('serves its direct address first, then its shards, all as one run of the node', async () => {
    const { node, transport } = create();
    transport.confirmsAtOnce = false;
    const started = node.start();
    expect(node.state).toBe('starting');
    expect(transport.served).toHaveLength(1);
    const [direct] = transport.served;
    expect(direct!.address).toBe(direct!.self);
    expect(direct!.self).toMatchObject({ nodeId: 'n1', inc: expect.stringMatching(/^[A-Za-z0-9_-]{10}$/) });
    direct!.confirmed.resolve(undefined);
    await settle();
    expect(transport.served.map(({ self }) => self === direct!.self)).toEqual([true, true, true]);
    for (const served of transport.served) served.confirmed.resolve(undefined);
    await started;
    expect(node.state).toBe('serving');
  });

  test('twice is once', async () => {
    const { node, transport } = create();
    const [a, b] = [node.start(), node.start()];
    expect(a).toBe(b);
    await a;
    await node.start();
    expect(transport.served).toHaveLength(4);
  });

  test('lets metrics read its state, and logs how many shards it serves', async () => {
    const [metrics, logger] = [recordMetrics(), recordLog()];
    const { node } = await start({ metrics, logger });
    expect(metrics.calls).toEqual([]);
    const [readings] = metrics.nodes;
    expect(readings).toMatchObject({ id: 'n1', state: 'serving', inFlight: 0, unowned: 0 });
    expect([readings!.shards().length, readings!.leaseMarginMs]).toEqual([2, undefined]);
    expect(logger.lines).toEqual([
      {
        level: 'info',
        fields: { event: 'node.serving', nodeId: 'n1', shards: 2 },
        message: 'node n1 serves 2 shards',
      },
    ]);
    await node.close();
    expect(readings!.state).toBe('closed');
    expect(logger.lines.at(-1)?.message).toBe('node n1 is closed');
  });

  test('that fails half way leaves the bus, closes the handler, and fails with the first error', async () => {
    const handler: Handler = () => undefined;
    let closes = 0;
    handler.close = async () => {
      closes++;
    };
    const { node, transport } = create({ handler });
    transport.confirmsAtOnce = false;
    const started = endOf(node.start());
    transport.served[0]!.confirmed.resolve(undefined);
    await settle();
    const error = new ClstrError('NO_PERMISSION', 'forbidden');
    transport.served[2]!.confirmed.reject(error);
    await settle();
    expect(node.state).toBe('starting');
    transport.served[1]!.confirmed.resolve(undefined);
    expect(await started).toBe(error);
    await node.close();
    expect(node.state).toBe('closed');
    expect(transport.events).toEqual(['shard 1 closed', 'direct closed']);
    expect(closes).toBe(1);
  });

  test('after close is refused', async () => {
    const { node, transport } = create();
    await node.close();
    expect(await endOf(node.start())).toMatchObject({
      code: 'TRANSPORT_CLOSED',
      message: 'node n1 was closed; create another one to start again',
    });
    expect(transport.served).toEqual([]);
  });

  test('that is overtaken by close fails at once, and a late subscription is closed', async () => {
    const { node, transport } = create();
    transport.confirmsAtOnce = false;
    const started = endOf(node.start());
    transport.served[0]!.confirmed.resolve(undefined);
    await settle();
    transport.served[1]!.confirmed.resolve(undefined);
    await settle();
    const closed = node.close();
    expect(await started).toMatchObject({ code: 'TRANSPORT_CLOSED' });
    await closed;
    expect(node.state).toBe('closed');
    expect(transport.events).toEqual(['shard 1 closed', 'direct closed']);
    transport.served[2]!.confirmed.resolve(undefined);
    await settle();
    expect(transport.events.at(-1)).toBe('shard 3 closed');
    expect(node.state).toBe('closed');
  });
});

describe('drain', () => {
  test('waits for the replies that wait for the connection, within its grace', async () => {
    const { node, transport } = await start();
    const replies = deferred();
    const limits: number[] = [];
    Object.assign(transport, {
      settle: (limitMs: number) => {
        limits.push(limitMs);
        return replies.promise;
      },
    });
    const drained = node.drain({ graceMs: 300 });
    await settle();
    expect([limits, node.state]).toEqual([[300], 'draining']);
    replies.resolve();
    await drained;
    expect(node.state).toBe('closed');
  });

  test('refuses new messages, answers running ones, and only then leaves: shards before the direct address', async () => {
    const { handler, gate, signals } = openHandler();
    const { node, transport, receiver, port } = await start({ handler });
    receiver.onEntry(entryOf({ attempt: 700_001 }), port);
    expect(node.inFlight).toBe(1);
    const drained = node.drain();
    expect(node.state).toBe('draining');
    receiver.onEntry(entryOf(), port);
    expect(port.last).toMatchObject({ error: { code: 'DRAINING', outcome: 'not-executed' } });
    await settle();
    expect(transport.events).toEqual([]);
    gate.resolve('done');
    await drained;
    expect(port.last).toMatchObject({ attempt: 700_001, value: '"done"' });
    expect(signals[0]!.aborted).toBe(false);
    expect(transport.events).toEqual(['shard 1 closed', 'shard 3 closed', 'direct closed', 'direct closed']);
    expect(node).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  test('gives running handlers graceMs, then ends them as ABORTED, unknown', async () => {
    const { handler, signals } = openHandler();
    const { node, receiver, port, clock } = await start({ handler });
    receiver.onEntry(entryOf(), port);
    const drained = node.drain({ graceMs: 300 });
    await clock.advance(299);
    expect(port.answers).toEqual([]);
    await clock.advance(1);
    await drained;
    expect(port.last).toMatchObject({ error: { code: 'ABORTED', outcome: 'unknown' } });
    expect(signals[0]!.aborted).toBe(true);
  });

  test('gives ten seconds by default', async () => {
    const { handler } = openHandler();
    const { node, receiver, port, clock } = await start({ handler });
    receiver.onEntry(entryOf(), port);
    const drained = node.drain();
    await clock.advance(9_999);
    expect(port.answers).toEqual([]);
    await clock.advance(1);
    await drained;
    expect(port.last).toMatchObject({ error: { code: 'ABORTED' } });
  });

  test('leaves no timer behind', async () => {
    const { handler, gate } = openHandler();
    const { node, receiver, port, clock } = await start({ handler });
    receiver.onEntry(entryOf(), port);
    const drained = node.drain();
    gate.resolve(1);
    await drained;
    await clock.advance(50);
    expect(clock.timerCount).toBe(0);
  });

  test('that close overtakes ends at once', async () => {
    const { handler } = openHandler();
    const { node, receiver, port } = await start({ handler });
    receiver.onEntry(entryOf(), port);
    const drained = node.drain({ graceMs: 60_000 });
    await settle();
    expect(port.answers).toEqual([]);
    await node.close();
    await drained;
    expect(port.last).toMatchObject({ error: { code: 'ABORTED', outcome: 'unknown' } });
  });

  test('that close overtakes in the same turn ends at once', async () => {
    const { handler } = openHandler();
    const { node, receiver, port } = await start({ handler });
    receiver.onEntry(entryOf(), port);
    await Promise.all([node.drain(), node.close()]);
    expect(port.last).toMatchObject({ error: { code: 'ABORTED' } });
  });

  test('twice is once', async () => {
    const { node, transport } = await start();
    await Promise.all([node.drain(), node.drain({ graceMs: 5 }), node.close(), node[Symbol.asyncDispose]()]);
    expect(transport.events).toHaveLength(4);
  });

  test.each([
    [{ graceMs: -1 }, 'graceMs must be a whole number from 0 to 2147483647, got -1'],
    [{ graceMs: NaN }, 'got NaN'],
    [{ grace: 5 }, 'unknown option "grace"; known: graceMs'],
    [5, 'options must be an object, got 5'],
  ])('refuses the options %o and goes on serving', async (options, why) => {
    const { node } = await start();
    await expect(node.drain(options as never)).rejects.toThrow(refusal(`^drain: .*${why}`));
    expect(node.state).toBe('serving');
  });
});

describe('close', () => {
  test('ends running handlers at once', async () => {
    const { handler, signals } = openHandler();
    const { node, receiver, port } = await start({ handler });
    receiver.onEntry(entryOf(), port);
    await node.close();
    expect(port.last).toMatchObject({
      error: { code: 'ABORTED', outcome: 'unknown', message: 'node n1 closed before the handler ended' },
    });
    expect(signals[0]!.aborted).toBe(true);
  });

  test('of a node that never started closes its handler', async () => {
    const handler: Handler = () => undefined;
    let closes = 0;
    handler.close = async () => {
      closes++;
    };
    const { node, transport } = create({ handler });
    await node.close();
    await node.close();
    expect({ state: node.state, closes, events: transport.events }).toEqual({
      state: 'closed',
      closes: 1,
      events: [],
    });
  });

  test('survives a handler that fails to close', async () => {
    const err = new Error('disk full');
    const logger = recordLog();
    for (const close of [
      () => Promise.reject(err),
      () => {
        throw err;
      },
    ]) {
      const handler: Handler = () => undefined;
      handler.close = close;
      const { node } = await start({ handler, logger });
      await node.close();
      expect(node.state).toBe('closed');
    }
    const errors = logger.lines.filter(({ level }) => level === 'error');
    expect(errors).toMatchObject(
      Array(2).fill({ fields: { err, nodeId: 'n1' }, message: 'the handler failed to close' }),
    );
  });

  test('waits five seconds for a handler that does not close, and logs that', async () => {
    const logger = recordLog();
    const handler: Handler = () => undefined;
    handler.close = () => new Promise(() => undefined);
    const { node, clock } = await start({ handler, logger });
    const closed = node.close();
    await clock.advance(4_999);
    expect(node.state).toBe('draining');
    await clock.advance(1);
    await closed;
    expect(logger.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        fields: {
          event: 'handler.close_failed',
          err: expect.objectContaining({ code: 'HANDLER_TIMEOUT' }),
          nodeId: 'n1',
        },
      }),
    );
  });

  test('leaves the transport open', async () => {
    const { node, transport } = await start();
    await node.close();
    expect(transport.events).not.toContain('transport closed');
  });

  test('answers accepted messages before the handler closes', async () => {
    const order: string[] = [];
    const gate = deferred<string>();
    const handler: Handler = () => gate.promise;
    handler.close = async () => {
      order.push('handler closed');
    };
    const { node, receiver } = await start({ handler });
    receiver.onEntry(entryOf(), {
      reply: () => order.push('answered'),
      fail: () => order.push('failed'),
    });
    const drained = node.drain();
    gate.resolve('done');
    await drained;
    expect(order).toEqual(['answered', 'handler closed']);
  });

  test('goes on when a subscription fails to close, and logs it', async () => {
    const logger = recordLog();
    const { handler } = openHandler();
    let closes = 0;
    handler.close = async () => {
      closes++;
    };
    const { node, transport, port } = create({ handler, logger });
    const err = new Error('socket gone');
    const serve = transport.serve.bind(transport);
    transport.serve = async (...args) => {
      const subscription = await serve(...args);
      return 'shard' in args[0] ? { ...subscription, close: () => Promise.reject(err) } : subscription;
    };
    await node.start();
    transport.served[0]!.receiver.onEntry(entryOf(), port);
    await node.close();
    expect({ state: node.state, closes, events: transport.events }).toEqual({
      state: 'closed',
      closes: 1,
      events: ['direct closed', 'direct closed'],
    });
    expect(logger.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        fields: { event: 'node.subscription_not_closed', err, nodeId: 'n1' },
      }),
    );
  });
});
