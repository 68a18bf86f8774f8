import process from 'node:process';
import type { Metrics, Transport } from '@clstr/core';
import { shardFromString, shardsForNode } from '@clstr/core';
import { deferred, fakeClock } from '@clstr/testing';
import { createMemoryBus, memoryTransport } from '@clstr/transport-memory';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createApp } from '../src/app.ts';
import { Greeter, createGreeter } from './greeter.ts';
import type { GreeterUnderTest } from './greeter.ts';
import { altered, recordLog } from '@clstr/testing/internal';

const SIGNAL = 'SIGUSR2';
let greeter: GreeterUnderTest;
let listenersBefore: number;
beforeEach(() => {
  greeter = createGreeter();
  listenersBefore = process.listenerCount(SIGNAL);
});
afterEach(() => {
  expect(process.listenerCount(SIGNAL)).toBe(listenersBefore);
});

/** What a signal does, without asking the system for it. */
function raise(signal: NodeJS.Signals): void {
  process.emit(signal, signal);
}

describe('an app', () => {
  test('serves its actors, and reaches them by ref', async () => {
    await using app = await createApp({ transport: () => memoryTransport(), actors: [greeter.actor] });
    expect(await app.ref(Greeter, 'a').greet({ name: 'you' })).toBe('hello from a, you');
    expect(await app.client.requestKey('b', 'greeter.greet', { name: 'me' })).toBe('hello from b, me');
    expect(app.node.state).toBe('serving');
    expect(app.node.shards()).toHaveLength(1_024);
  });

  test('waits for a transport that takes its time', async () => {
    const made = deferred<Transport>();
    const starting = createApp({ transport: () => made.promise, actors: [greeter.actor] });
    made.resolve(memoryTransport());
    await using app = await starting;
    expect(await app.ref(Greeter, 'a').whereAreYou()).toMatch(/^node-.{6}$/);
  });

  test('gives its options to its parts', async () => {
    const logger = recordLog();
    const seen: string[] = [];
    const metrics: Metrics = {
      requestEnded: (type) => seen.push(`client ${type}`),
      handlerEnded: (type) => seen.push(`node ${type}`),
      watchActors: ({ types }) => seen.push(`actors ${types.join(', ')}`),
    };
    const tracing = {
      startCall: ({ type }: { type: string }) => void seen.push(`call ${type}`),
      startHandler: ({ type }: { type: string }) => void seen.push(`message ${type}`),
    };
    await using app = await createApp({
      transport: () => memoryTransport(),
      actors: [greeter.actor],
      nodeId: 'a-node',
      numShards: 8,
      seed: 'a seed',
      cacheSize: 1,
      signals: [],
      client: { headers: { from: 'the app' } },
      node: {
        interceptors: [
          (request, _context, next) => {
            seen.push(`from ${request.headers['from']}`);
            return next(request);
          },
        ],
      },
      clock: fakeClock(),
      metrics,
      tracing,
      logger,
    });
    expect(await app.ref(Greeter, 'a').whereAreYou()).toBe('a-node');
    expect(app.node.shards()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(app.client.shardOf('a')).toBe(shardFromString('a', 8, 'a seed'));
    expect(seen.sort()).toEqual([
      'actors greeter.greet, greeter.whereAreYou, greeter.askAnother, greeter.wait',
      'call greeter.whereAreYou',
      'client greeter.whereAreYou',
      'from the app',
      'message greeter.whereAreYou',
      'node greeter.whereAreYou',
    ]);
    expect(logger.lines).toContainEqual(expect.objectContaining({ message: 'node a-node serves 8 shards' }));
    await app.ref(Greeter, 'b').whereAreYou();
    expect(greeter.ends).toEqual(['a: evicted']);
  });

  test('answers with the text of the first of its metrics that has one', async () => {
    const started = (metrics: Metrics | readonly Metrics[] | undefined) =>
      createApp({ transport: () => memoryTransport(), actors: [greeter.actor], metrics });
    const silent: Metrics = { requestEnded: () => undefined };
    await using app = await started([silent, { text: async () => 'one' }, { text: async () => 'two' }]);
    expect(await app.metrics()).toBe('one');
    await using single = await started({ text: async () => 'three' });
    expect(await single.metrics()).toBe('three');
    for (const metrics of [undefined, [], silent, [silent]]) {
      await using other = await started(metrics);
      await expect(other.metrics()).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('prometheusMetrics()'),
      });
    }
  });

  test('lets a call of an actor to another one find it', async () => {
    await using app = await createApp({
      transport: () => memoryTransport(),
      actors: [greeter.actor],
      nodeId: 'n',
    });
    expect(await app.ref(Greeter, 'a').askAnother({ key: 'b' })).toBe('n');
  });
});

test('two apps on one bus share the shards, and each reaches what the other holds', async () => {
  const bus = createMemoryBus();
  const nodeIds = ['left', 'right'];
  const start = (nodeId: string) =>
    createApp({
      transport: () => memoryTransport({ bus }),
      actors: [createGreeter().actor],
      nodeId,
      nodeIds,
    });
  await using left = await start('left');
  await using right = await start('right');
  expect(left.node.shards()).toEqual(shardsForNode('left', nodeIds, 1_024));
  expect(right.node.shards()).toEqual(shardsForNode('right', nodeIds, 1_024));
  const homes = new Set<string>();
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const home = left.node.shards().includes(left.client.shardOf(key)) ? 'left' : 'right';
    expect(await left.ref(Greeter, key).whereAreYou()).toBe(home);
    expect(await right.ref(Greeter, key).whereAreYou()).toBe(home);
    expect(await right.ref(Greeter, 'asking').askAnother({ key })).toBe(home);
    homes.add(home);
  }
  expect(homes).toEqual(new Set(nodeIds));
});

describe('close', () => {
  test('answers what runs, passivates the actors and closes all parts, once', async () => {
    const transport = memoryTransport();
    const app = await createApp({ transport: () => transport, actors: [greeter.actor] });
    const answer = app.ref(Greeter, 'busy').wait();
    await greeter.waiting.promise;
    const closing = app.close();
    expect(app.close()).toBe(closing);
    expect(app[Symbol.asyncDispose]()).toBe(closing);
    greeter.gate.resolve('answered');
    expect(await answer).toBe('answered');
    await closing;
    expect(greeter.ends).toEqual(['busy: drain']);
    expect(app.node.state).toBe('closed');
    await expect(app.ref(Greeter, 'a').whereAreYou()).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
    expect(() => transport.openLink({ clientId: 1 })).toThrow(/closed/);
  });

  test('waits for drainMs, then ends what still runs', async () => {
    const clock = fakeClock();
    const app = await createApp({
      transport: () => memoryTransport({ bus: createMemoryBus({ clock }) }),
      actors: [greeter.actor],
      drainMs: 300,
      clock,
    });
    const answer = expect(app.ref(Greeter, 'busy').wait()).rejects.toMatchObject({ code: 'ABORTED' });
    const signal = await greeter.waiting.promise;
    const closing = app.close();
    await clock.advance(299);
    expect(signal.aborted).toBe(false);
    await clock.advance(1);
    expect(signal.aborted).toBe(true);
    await answer;
    greeter.gate.resolve('too late');
    await closing;
  });

  test('closes every part even when one fails, and reports the first failure', async () => {
    const transport = memoryTransport();
    const failing = altered(transport, { close: () => Promise.reject(new Error('cannot close')) });
    const app = await createApp({ transport: () => failing, actors: [greeter.actor] });
    await expect(app.close()).rejects.toThrow('cannot close');
    await expect(app.close()).rejects.toThrow('cannot close');
    expect(app.node.state).toBe('closed');
  });
});

describe('a signal', () => {
  test('drains the app; another one meanwhile changes nothing', async () => {
    const transport = memoryTransport();
    const app = await createApp({ transport: () => transport, actors: [greeter.actor], signals: [SIGNAL] });
    const answer = app.ref(Greeter, 'busy').wait();
    await greeter.waiting.promise;
    raise(SIGNAL);
    raise(SIGNAL);
    expect(app.node.state).toBe('draining');
    greeter.gate.resolve('answered');
    expect(await answer).toBe('answered');
    await app.close();
    expect(() => transport.openLink({ clientId: 1 })).toThrow(/closed/);
  });

  test('that ends in a failure is logged, and is a failure of the process', async () => {
    const logger = recordLog();
    const transport = memoryTransport();
    const app = await createApp({
      transport: () => altered(transport, { close: () => Promise.reject(new Error('stuck')) }),
      actors: [greeter.actor],
      signals: [SIGNAL],
      logger,
    });
    const exitCode = process.exitCode;
    try {
      raise(SIGNAL);
      await expect(app.close()).rejects.toThrow('stuck');
      await Promise.resolve();
      expect(process.exitCode).toBe(1);
    } finally {
      process.exitCode = exitCode;
    }
    expect(logger.lines).toContainEqual({
      level: 'error',
      fields: { event: 'app.close_failed', err: new Error('stuck'), signal: SIGNAL },
      message: `closing the app on ${SIGNAL} failed`,
    });
  });

  test('while the app starts closes what was started, and the start fails', async () => {
    const transport = memoryTransport();
    const starting = createApp({
      transport: () =>
        altered(transport, {
          serve: (...args) => {
            raise(SIGNAL);
            return transport.serve(...args);
          },
        }),
      actors: [greeter.actor],
      signals: [SIGNAL],
    });
    await expect(starting).rejects.toMatchObject({
      code: 'ABORTED',
      message: `createApp: ${SIGNAL} arrived while the app was starting`,
    });
    expect(() => transport.openLink({ clientId: 1 })).toThrow(/closed/);
  });
});

describe('a start that fails', () => {
  test('closes what was started, and fails with its reason', async () => {
    const transport = memoryTransport();
    const starting = createApp({
      transport: () => altered(transport, { serve: () => Promise.reject(new Error('no permission')) }),
      actors: [greeter.actor],
      signals: [SIGNAL],
    });
    await expect(starting).rejects.toThrow('no permission');
    expect(() => transport.openLink({ clientId: 1 })).toThrow(/closed/);
  });

  test('fails with its reason even when closing fails too, which is logged', async () => {
    const logger = recordLog();
    const transport = memoryTransport();
    const starting = createApp({
      transport: () =>
        altered(transport, {
          serve: () => Promise.reject(new Error('no permission')),
          close: () => Promise.reject(new Error('cannot close')),
        }),
      actors: [greeter.actor],
      logger,
    });
    await expect(starting).rejects.toThrow('no permission');
    expect(logger.lines).toContainEqual({
      level: 'error',
      fields: { event: 'app.close_failed', err: new Error('cannot close') },
      message: 'closing what had been started failed',
    });
  });

  test('fails with what the transport fails with', async () => {
    const starting = createApp({
      transport: () => Promise.reject(new Error('no server')),
      actors: [greeter.actor],
    });
    await expect(starting).rejects.toThrow('no server');
  });
});
