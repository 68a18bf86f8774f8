/** Bugs of calls over a real transport that were fixed, each under what went wrong. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type {
  Client,
  ClientOptions,
  Codec,
  Handler,
  Metrics,
  Node,
  NodeOptions,
  Transport,
} from '@clstr/core';
import { createClient, createNode, jsonCodec } from '@clstr/core';
import type { NatsServer } from '@clstr/testing/nats';
import { deferred, fakeClock } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { createMemoryBus, memoryTransport } from '@clstr/transport-memory';
import { natsTransport } from '@clstr/transport-nats';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

const NUM_SHARDS = 8;
/** Of the bus and of the server. */
const MAX_PAYLOAD = 33_554_432;
const WIRES = hasNatsServer() ? (['memory', 'nats native', 'nats json'] as const) : (['memory'] as const);

describe.each(WIRES)('over %s', (wire) => {
  let server: NatsServer | undefined;
  let toClose: { close(): Promise<void> }[];

  beforeAll(async () => {
    if (wire !== 'memory') server = await startNatsServer({ config: `max_payload: ${MAX_PAYLOAD}` });
  });

  afterAll(async () => {
    await server?.stop();
  });

  afterEach(async () => {
    for (const one of toClose) await one.close();
  });

  async function openTransports(): Promise<[clientSide: Transport, nodeSide: Transport]> {
    if (server === undefined) {
      const bus = createMemoryBus({ maxPayload: MAX_PAYLOAD });
      return [memoryTransport({ bus }), memoryTransport({ bus })];
    }
    const { url: servers } = server;
    const nodeSide = await natsTransport({ servers });
    return [await natsTransport({ servers, wire: wire === 'nats json' ? 'json' : 'native' }), nodeSide];
  }

  interface Setup {
    handler: Handler;
    client?: Partial<ClientOptions>;
    node?: Partial<NodeOptions>;
  }

  async function startCluster(setup: Setup): Promise<{ client: Client; node: Node; clientSide: Transport }> {
    const [clientSide, nodeSide] = await openTransports();
    const shards = Array.from({ length: NUM_SHARDS }, (_, shard) => shard);
    const { handler } = setup;
    const node = createNode({ transport: nodeSide, numShards: NUM_SHARDS, shards, handler, ...setup.node });
    await node.start();
    const client = createClient({ transport: clientSide, numShards: NUM_SHARDS, ...setup.client });
    toClose = [client, node, clientSide, nodeSide];
    return { client, node, clientSide };
  }

  test('metrics that threw left calls unsettled, the counts too high and later deadlines ignored', async () => {
    const broken = (): never => {
      throw new Error('the metrics are broken');
    };
    const metrics: Metrics = {
      requestEnded: broken,
      notifyEnded: broken,
      transportError: broken,
      handlerEnded: broken,
      nodeEvent: broken,
      watchNode: broken,
      watchTransport: broken,
    };
    const clock = fakeClock();
    const gate = deferred();
    const started = deferred();
    let running = 0;
    const { client, node } = await startCluster({
      handler({ type }) {
        if (type === 'Fail') throw new Error('the handler is broken');
        if (type !== 'Hang') return type;
        if (++running === 3) started.resolve();
        return gate.promise;
      },
      client: { metrics, clock, maxPending: 3 },
      node: { metrics, maxInFlight: 3 },
    });
    for (let i = 0; i < 5; i++) {
      expect(await client.requestKey('k', 'Echo')).toBe('Echo');
      await client.notifyKey('k', 'Echo');
      await expect(client.requestKey('k', 'Fail')).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    const hanging = Promise.allSettled([1, 2, 3].map((i) => client.requestKey(`k${i}`, 'Hang')));
    await started.promise;
    await clock.advance(6_000);
    for (const end of await hanging) expect(end).toMatchObject({ reason: { code: 'TIMEOUT' } });
    gate.resolve();
    await gate.promise;
    expect(await client.requestKey('k', 'Echo')).toBe('Echo');
    expect(node.inFlight).toBe(0);
  });

  describe('a text far over the largest message', () => {
    const UNITS = 400_000_000;
    // A rope of few bytes, as long as nobody reads it.
    const huge = 'x'.repeat(UNITS);
    const codec: Codec = {
      // As the other side: a client whose codec has another name is refused.
      name: 'json',
      encode: (value) => (value === 'huge' ? huge : jsonCodec.encode(value)),
      decode: jsonCodec.decode,
    };
    const refusal = { code: 'PAYLOAD_TOO_LARGE', details: { bytes: UNITS, maxPayload: MAX_PAYLOAD } };

    test('was encoded before its request was refused', async () => {
      const { client } = await startCluster({ handler: () => 'done', client: { codec } });
      const ends = await Promise.allSettled([
        client.requestKey('k', 'Small', 1),
        client.requestKey('k', 'Big', 'huge'),
        client.notifyKey('k', 'Big', 'huge'),
        client.requestKey('k', 'Small', 2),
      ]);
      const reason = expect.objectContaining({ ...refusal, outcome: 'not-executed' });
      expect(ends).toEqual([
        { status: 'fulfilled', value: 'done' },
        { status: 'rejected', reason },
        { status: 'rejected', reason },
        { status: 'fulfilled', value: 'done' },
      ]);
    });

    test('was encoded before its reply was refused', async () => {
      const { client, node } = await startCluster({ handler: ({ payload }) => payload, node: { codec } });
      const ends = await Promise.allSettled([
        client.requestKey('k', 'Small', 1),
        client.requestKey('k', 'Big', 'huge'),
        client.requestKey('k', 'Small', 2),
      ]);
      const reason = expect.objectContaining({ ...refusal, outcome: 'executed' });
      expect(ends).toEqual([
        { status: 'fulfilled', value: 1 },
        { status: 'rejected', reason },
        { status: 'fulfilled', value: 2 },
      ]);
      expect(node.inFlight).toBe(0);
    });
  });

  test('a refused request of 40 MB left its buffer of 60 MB behind', async () => {
    const { client } = await startCluster({ handler: () => 'done' });
    await client.requestKey('k', 'Next');
    const before = arrayBufferBytes();
    // Two bytes per unit: only writing it shows that it is too large.
    const text = 'é'.repeat(20_000_000);
    await expect(client.requestKey('k', 'Big', text)).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      outcome: 'not-executed',
    });
    expect(await client.requestKey('k', 'Next')).toBe('done');
    expect(arrayBufferBytes() - before).toBeLessThan(10_000_000);
  });

  describe('a codec that returns neither text nor bytes', () => {
    const codec: Codec = {
      name: 'json',
      encode(value) {
        if (value !== 'nothing' && value !== 'number') return jsonCodec.encode(value);
        return (value === 'nothing' ? undefined : 5) as unknown as string;
      },
      decode: jsonCodec.decode,
    };

    test.each(['nothing', 'number'])('broke the whole turn, making %s at the client', async (bad) => {
      const { client } = await startCluster({
        handler: ({ payload }) => payload,
        client: { codec, maxPending: 3 },
      });
      const ends = await Promise.allSettled(
        [1, bad, 3].map((payload) => client.requestKey('k', 'Echo', payload)),
      );
      expect(ends).toMatchObject([
        { value: 1 },
        { reason: { code: 'INVALID_ENVELOPE', outcome: 'not-executed' } },
        { value: 3 },
      ]);
      const again = [1, 2, 3].map((payload) => client.requestKey('k', 'Echo', payload));
      expect(await Promise.all(again)).toEqual([1, 2, 3]);
    });

    test.each(['nothing', 'number'])('left a call unanswered, making %s at the node', async (bad) => {
      const { client, node } = await startCluster({
        handler: ({ payload, type }) => (type === 'Later' ? Promise.resolve(payload) : payload),
        node: { codec, maxInFlight: 3 },
      });
      for (const type of ['Now', 'Later']) {
        const ends = await Promise.allSettled(
          [1, bad, 3].map((payload) => client.requestKey('k', type, payload)),
        );
        expect(ends).toMatchObject([
          { value: 1 },
          { reason: { code: 'INVALID_ENVELOPE', outcome: 'executed' } },
          { value: 3 },
        ]);
        expect(node.inFlight).toBe(0);
      }
    });
  });

  test('delivered notifies were reported as failed when their signal fired or their transport closed', async () => {
    const failures: unknown[] = [];
    const handled = deferred();
    let count = 0;
    const { client, clientSide } = await startCluster({
      handler: () => {
        if (++count === 10) handled.resolve();
      },
      client: { onNotifyFailed: (failure) => failures.push(failure) },
    });
    const controller = new AbortController();
    const { signal } = controller;
    for (let i = 0; i < 5; i++) await client.notifyKey('k', 'Aborted', i, { signal });
    for (let i = 0; i < 5; i++) await client.notifyKey('k', 'Closed', i);
    await handled.promise;
    controller.abort();
    await clientSide.close();
    await client.close();
    expect(failures).toEqual([]);
  });
});

function arrayBufferBytes(): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
  return process.memoryUsage().arrayBuffers;
}
