/** Bugs of the memory bus and its transport that were fixed, each under what went wrong. */
import type { Clock, Codec } from '@clstr/core';
import { createClient, createNode, jsonCodec } from '@clstr/core';
import type { FakeClock } from '@clstr/testing';
import { deferred, fakeClock, testCluster } from '@clstr/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryBus } from '../src/memory-bus.ts';
import type { MemoryBus } from '../src/memory-bus.ts';
import { memoryTransport } from '../src/memory-transport.ts';
import type { Packet } from '../src/network-policy.ts';

const NUM_SHARDS = 8;

let clock: FakeClock;

beforeEach(() => {
  clock = fakeClock();
});

describe('a policy that threw', () => {
  let uncaught: unknown[];
  let catching: Clock;

  beforeEach(() => {
    uncaught = [];
    // What macrotasks throw is an uncaught error elsewhere.
    catching = {
      monoMs: () => clock.monoMs(),
      wallMs: () => clock.wallMs(),
      timer: (fn, delayMs) => clock.timer(fn, delayMs),
      macrotask(fn) {
        clock.macrotask(() => {
          try {
            fn();
          } catch (error) {
            uncaught.push(error);
          }
        });
      },
    };
  });

  async function startCluster(fails: (packet: Packet) => boolean) {
    const gate = deferred<string>();
    const cluster = await testCluster({
      nodes: 1,
      numShards: NUM_SHARDS,
      clock: catching,
      policy(packet) {
        if (fails(packet)) throw new Error('the policy is broken');
        return [0];
      },
      handler: ({ type }) => (type === 'Later' ? gate.promise : 'done'),
      client: { timeoutMs: 1_000, maxPending: 4 },
      node: { maxInFlight: 4 },
    });
    return { cluster, gate };
  }

  test('stopped the bus, so that no later message arrived', async () => {
    let isBroken = false;
    const { cluster } = await startCluster(({ from }) => isBroken && from.startsWith('client:'));
    isBroken = true;
    const lost = Promise.allSettled([1, 2, 3, 4].map((i) => cluster.client.requestKey(`k${i}`, 'Lost')));
    await clock.advance(1_100);
    for (const end of await lost) expect(end).toMatchObject({ reason: { code: 'TIMEOUT' } });
    // Each request, and the cancel at its deadline.
    expect(uncaught).toHaveLength(8);
    isBroken = false;
    const next = [1, 2, 3, 4].map((i) => cluster.client.requestKey(`k${i}`, 'Next'));
    expect(await Promise.all(next)).toEqual(['done', 'done', 'done', 'done']);
    await cluster.close();
  });

  test.each(['Now', 'Later'])(
    'on a reply left its handler (%s) counted as running for ever',
    async (type) => {
      let isBroken = false;
      const { cluster, gate } = await startCluster(({ from }) => isBroken && from.startsWith('node:'));
      isBroken = true;
      const lost = Promise.allSettled([1, 2, 3, 4].map((i) => cluster.client.requestKey(`k${i}`, type)));
      await clock.advance(0);
      gate.resolve('done');
      await clock.advance(0);
      expect(cluster.nodes[0]!.inFlight).toBe(0);
      await clock.advance(1_100);
      // The four replies share a frame.
      expect(uncaught).toHaveLength(1);
      isBroken = false;
      for (const end of await lost)
        expect(end).toMatchObject({ reason: { code: 'TIMEOUT', outcome: 'unknown' } });
      const next = [1, 2, 3, 4].map((i) => cluster.client.requestKey(`k${i}`, 'Next'));
      expect(await Promise.all(next)).toEqual(['done', 'done', 'done', 'done']);
      await cluster.close();
    },
  );
});

describe('a text far over maxPayload', () => {
  const UNITS = 400_000_000;
  // A rope of few bytes, as long as nobody reads it.
  const huge = 'x'.repeat(UNITS);
  const codec: Codec = {
    name: 'huge',
    encode: (value) => (value === 'huge' ? huge : jsonCodec.encode(value)),
    decode: jsonCodec.decode,
  };
  const refusal = { code: 'PAYLOAD_TOO_LARGE', details: { bytes: UNITS, maxPayload: 1_048_576 } };

  test('was encoded before its request was refused', async () => {
    await using cluster = await testCluster({
      nodes: 1,
      numShards: NUM_SHARDS,
      handler: () => 'done',
      client: { codec },
    });
    const ends = await Promise.allSettled([
      cluster.client.requestKey('k', 'Big', 'huge'),
      cluster.client.notifyKey('k', 'Big', 'huge'),
      cluster.client.requestKey('k', 'Small', 'small'),
    ]);
    const reason = expect.objectContaining({ ...refusal, outcome: 'not-executed' });
    expect(ends).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
      { status: 'fulfilled', value: 'done' },
    ]);
  });

  test('was encoded before its reply was refused', async () => {
    await using cluster = await testCluster({
      nodes: 1,
      numShards: NUM_SHARDS,
      handler: ({ payload }) => payload,
      node: { codec },
    });
    const ends = await Promise.allSettled([
      cluster.client.requestKey('k', 'Big', 'huge'),
      cluster.client.requestKey('k', 'Small', 'small'),
    ]);
    expect(ends).toEqual([
      { status: 'rejected', reason: expect.objectContaining({ ...refusal, outcome: 'executed' }) },
      { status: 'fulfilled', value: 'small' },
    ]);
    expect(cluster.nodes[0]!.inFlight).toBe(0);
  });
});

test('a transport that closed dropped what had been handed over in the same turn', async () => {
  const bus = createMemoryBus({ clock });
  const nodeSide = memoryTransport({ bus });
  const clientSide = memoryTransport({ bus });
  const handled: string[] = [];
  const node = createNode({
    transport: nodeSide,
    numShards: 1,
    shards: [0],
    clock,
    handler: ({ type }) => {
      handled.push(type);
    },
  });
  await node.start();
  const client = createClient({ transport: clientSide, numShards: 1, clock });
  const ends = Promise.allSettled([client.notifyKey('k', 'Notify'), client.requestKey('k', 'Request')]);
  await clientSide.close();
  expect(handled).toEqual(['Notify', 'Request']);
  expect((await ends)[0]).toMatchObject({ status: 'fulfilled' });
  await client.close();
  await node.close();
  await nodeSide.close();
});

describe('options', () => {
  const METHODS = ['monoMs', 'wallMs', 'timer', 'macrotask'];

  test.each(METHODS)('of a bus took a clock without %s()', (missing) => {
    const methods = METHODS.filter((name) => name !== missing).map((name) => [name, () => 0] as const);
    const incomplete = Object.fromEntries(methods) as unknown as Clock;
    expect(() => createMemoryBus({ clock: incomplete })).toThrow(refusedAs('clock'));
  });

  test.each([{}, 5, null, 'x'] as unknown as Clock[])('of a bus took %j as a clock', (value) => {
    expect(() => createMemoryBus({ clock: value })).toThrow(refusedAs('clock'));
  });

  test.each([{}, 5, 'x', { enqueue() {} }] as unknown as MemoryBus[])(
    'of a transport took %j as a bus',
    (bus) => {
      expect(() => memoryTransport({ bus })).toThrow(refusedAs('bus'));
    },
  );

  function refusedAs(name: string): Error {
    return expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(name),
    }) as Error;
  }
});
