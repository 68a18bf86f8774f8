/** Bugs of clients and nodes that were fixed, each under what went wrong; those of notifies are in a file of their own. */
import type { FakeClock } from '@clstr/testing';
import { deferred, fakeClock, testCluster } from '@clstr/testing';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { CallOptions } from '../src/client/options.ts';
import type { Codec } from '../src/wire/codec.ts';
import { jsonCodec } from '../src/wire/codec.ts';
import { errorFromRecord } from '../src/wire/error-record.ts';
import { createFrameWriter } from '../src/wire/frame-writer.ts';
import { AttemptWindow } from '../src/node/attempt-window.ts';
import type { Logger } from '../src/base/logger.ts';
import type { Metrics } from '../src/base/metrics.ts';
import { noMetrics } from '../src/base/metrics.ts';
import { createPlacement, shardsForNode } from '../src/placement/placement.ts';

const NUM_SHARDS = 8;

let clock: FakeClock;

beforeEach(() => {
  clock = fakeClock();
});

describe('observers', () => {
  const broken = (): never => {
    throw new Error('the observer is broken');
  };
  const brokenMetrics = Object.fromEntries(
    Object.keys(noMetrics).map((name) => [name, broken]),
  ) as unknown as Metrics;
  const brokenLogger: Logger = { debug: broken, info: broken, warn: broken, error: broken };

  test('that threw left calls unsettled, the counts too high and later deadlines ignored', async () => {
    const gate = deferred();
    await using cluster = await testCluster({
      nodes: 1,
      numShards: NUM_SHARDS,
      clock,
      handler: ({ type }) => {
        if (type === 'Fail') throw new Error('the handler is broken');
        return type === 'Hang' ? gate.promise : type;
      },
      client: { metrics: brokenMetrics, logger: brokenLogger, timeoutMs: 1_000, maxPending: 3 },
      node: { metrics: brokenMetrics, logger: brokenLogger, maxInFlight: 3 },
    });
    const { client, nodes } = cluster;
    for (let i = 0; i < 5; i++) {
      expect(await client.requestKey('k', 'Echo')).toBe('Echo');
      await client.notifyKey('k', 'Echo');
      await expect(client.requestKey('k', 'Fail')).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    const hanging = Promise.allSettled([1, 2, 3].map((i) => client.requestKey(`k${i}`, 'Hang')));
    await clock.advance(0);
    expect(nodes[0]!.inFlight).toBe(3);
    await clock.advance(1_100);
    for (const end of await hanging) expect(end).toMatchObject({ reason: { code: 'TIMEOUT' } });
    gate.resolve();
    await clock.advance(0);
    expect(nodes[0]!.inFlight).toBe(0);
    expect(await client.requestKey('k', 'Echo')).toBe('Echo');
  });
});

describe('a codec that returns neither text nor bytes', () => {
  const codec: Codec = {
    name: 'leaky',
    encode: (value) =>
      value === 'nothing' || value === 'number'
        ? ((value === 'nothing' ? undefined : 5) as unknown as string)
        : jsonCodec.encode(value),
    decode: jsonCodec.decode,
  };

  test.each(['nothing', 'number'])(
    'broke the other calls of its turn, making %s at the client',
    async (bad) => {
      await using cluster = await testCluster({
        nodes: 1,
        numShards: NUM_SHARDS,
        handler: ({ payload }) => payload,
        client: { codec, maxPending: 3 },
      });
      const ends = await Promise.allSettled(
        [1, bad, 3].map((payload) => cluster.client.requestKey('k', 'Echo', payload)),
      );
      expect(ends).toEqual([
        { status: 'fulfilled', value: 1 },
        {
          status: 'rejected',
          reason: expect.objectContaining({ code: 'INVALID_ENVELOPE', outcome: 'not-executed' }),
        },
        { status: 'fulfilled', value: 3 },
      ]);
      const again = [1, 2, 3].map((payload) => cluster.client.requestKey('k', 'Echo', payload));
      expect(await Promise.all(again)).toEqual([1, 2, 3]);
    },
  );

  test.each(['nothing', 'number'])('left its call unanswered, making %s at the node', async (bad) => {
    await using cluster = await testCluster({
      nodes: 1,
      numShards: NUM_SHARDS,
      clock,
      handler: ({ payload, type }) => (type === 'Later' ? Promise.resolve(payload) : payload),
      node: { codec },
    });
    for (const type of ['Now', 'Later']) {
      const ends = Promise.allSettled(
        [1, bad, 3].map((payload) => cluster.client.requestKey('k', type, payload)),
      );
      await clock.advance(10_000);
      expect(await ends).toEqual([
        { status: 'fulfilled', value: 1 },
        {
          status: 'rejected',
          reason: expect.objectContaining({ code: 'INVALID_ENVELOPE', outcome: 'executed' }),
        },
        { status: 'fulfilled', value: 3 },
      ]);
      expect(cluster.nodes[0]!.inFlight).toBe(0);
    }
  });
});

describe('handlers', () => {
  test('that hung in close() made the drain of their node hang', async () => {
    const handler = Object.assign(() => 1, { close: () => new Promise<void>(() => {}) });
    const errors: object[] = [];
    const logger: Logger = { debug() {}, info() {}, warn() {}, error: (fields) => errors.push(fields) };
    await using cluster = await testCluster({
      nodes: 1,
      numShards: NUM_SHARDS,
      clock,
      handler,
      node: { logger },
    });
    const [node] = cluster.nodes;
    const drained = node!.drain({ graceMs: 7_000 });
    await clock.advance(6_900);
    expect(node!.state).toBe('draining');
    await clock.advance(200);
    await drained;
    expect(node!.state).toBe('closed');
    expect(errors).toMatchObject([{ err: { code: 'HANDLER_TIMEOUT' } }]);
  });

  test.each([
    ['whose then cannot be read', () => Object.defineProperty({}, 'then', { get: fail })],
    ['whose then() throws', () => ({ then: fail })],
  ])(
    'that returned a promise %s were not answered, and counted as running for ever',
    async (_name, result) => {
      await using cluster = await testCluster({
        nodes: 1,
        numShards: NUM_SHARDS,
        clock,
        handler: ({ type }) => (type === 'Next' ? 'next' : result()),
        node: { maxInFlight: 1 },
      });
      await clock.advance(6_000);
      const timersAtRest = clock.timerCount;
      for (let i = 0; i < 3; i++) {
        const end = Promise.allSettled([cluster.client.requestKey('k', 'Broken')]);
        await clock.advance(6_000);
        expect(await end).toMatchObject([{ reason: { code: 'INTERNAL', outcome: 'executed' } }]);
        expect(cluster.nodes[0]!.inFlight).toBe(0);
      }
      expect(await cluster.client.requestKey('k', 'Next')).toBe('next');
      await clock.advance(100);
      expect(clock.timerCount).toBe(timersAtRest);
    },
  );

  function fail(): never {
    throw new Error('a broken promise');
  }
});

describe('call options', () => {
  const SIGNALS: unknown[] = [
    null,
    {},
    5,
    'x',
    { aborted: false },
    { addEventListener() {} },
    { aborted: false, addEventListener() {} },
  ];
  const OPTIONS = [null, 5, 'x', true, ...SIGNALS.map((signal) => ({ signal }))] as unknown as CallOptions[];

  test('that were refused kept a pending slot each', async () => {
    await using cluster = await testCluster({
      nodes: 1,
      numShards: NUM_SHARDS,
      clock,
      handler: () => 'done',
      client: { maxPending: 5 },
    });
    const { client } = cluster;
    for (const options of OPTIONS) {
      for (const call of [
        client.requestKey('k', 'Call', 1, options),
        client.notifyKey('k', 'Call', 1, options),
        client.shard(1).nodeInfo(options),
      ]) {
        await expect(call, JSON.stringify(options)).rejects.toMatchObject({
          code: 'INVALID_OPTION',
          outcome: 'not-executed',
        });
      }
    }
    const five = Array.from({ length: 5 }, () => client.requestKey('k', 'Call'));
    expect(await Promise.all(five)).toEqual(Array.from({ length: 5 }, () => 'done'));
  });
});

test('an error record with a hostile code was a TypeError', () => {
  for (const code of [
    { toString: null, valueOf: null },
    { toString: 1 },
    [[{ toString: 1 }]],
    Object.create(null),
  ]) {
    const error = errorFromRecord({ code, message: 'hostile' });
    expect(error).toMatchObject({ name: 'ClstrError', code: 'INTERNAL', message: 'hostile' });
  }
});

test('a large entry that was taken back left its slab behind', () => {
  const writer = createFrameWriter();
  writer.reply(1, 'x'.repeat(1_000_000), false);
  writer.rollback(0);
  writer.reply(2, 'x', false);
  expect(writer.take().buffer.byteLength).toBeLessThanOrEqual(65_536);
  writer.reply(3, 'x'.repeat(1_000_000), false);
  writer.take();
  writer.reply(4, 'x', false);
  expect(writer.take().buffer.byteLength).toBeLessThanOrEqual(65_536);
});

test('clients beyond those remembered cost a table of 64 KiB per message', () => {
  // Counted, not timed: a ratio of times says little on a busy machine.
  let bytes = 0;
  class CountedArray extends Uint32Array {
    constructor(length: number) {
      super(length);
      bytes += this.byteLength;
    }
  }
  vi.stubGlobal('Uint32Array', CountedArray);
  onTestFinished(() => {
    vi.unstubAllGlobals();
  });
  const window = new AttemptWindow();
  for (let attempt = 1; attempt <= 10; attempt++) {
    for (let client = 1; client <= 2_048; client++) {
      expect(window.admit(client, attempt, `inbox ${client}`, 0)).toBe(true);
    }
  }
  expect(bytes).toBe(1_024 * 2_056);
});

test('absurd shard counts made a placement of gigabytes', () => {
  const refused = expect.objectContaining({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('numShards'),
  });
  for (const numShards of [2 ** 24 + 1, 2 ** 32 - 1, 2 ** 32, Infinity, NaN, 0, -1, 1.5]) {
    expect(() => createPlacement({ numShards })).toThrow(refused);
    expect(() => shardsForNode('a', ['a'], numShards)).toThrow(refused);
  }
});

test('a second copy of a running attempt was answered OVERLOADED', async () => {
  const gate = deferred<string>();
  await using cluster = await testCluster({
    nodes: 1,
    numShards: NUM_SHARDS,
    clock,
    handler: ({ type }) => (type === 'Hang' ? gate.promise : 'next'),
    policy: () => [0, 0],
    node: { maxInFlight: 1 },
  });
  const call = cluster.client.requestKey('k', 'Hang');
  await clock.advance(0);
  expect(cluster.nodes[0]!.inFlight).toBe(1);
  gate.resolve('done');
  expect(await call).toBe('done');
  expect(await cluster.client.requestKey('k', 'Next')).toBe('next');
});
