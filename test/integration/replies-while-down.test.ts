/** A node's own connection is down while its handlers end; its callers are connected, and still wait. */
import { ActorError, createClient, createNode, isClstrError } from '@clstr/core';
import type { Client, Node, Transport } from '@clstr/core';
import { deferred, startTcpProxy } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import type { TcpProxy } from '@clstr/testing';
import { natsTransport } from '@clstr/transport-nats';
import type { NatsTransport, Wire } from '@clstr/transport-nats';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

const NUM_SHARDS = 2;

describe.skipIf(!hasNatsServer())('an answer that is ready while the node is not connected', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server.stop());
  const endings: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
  });

  let prefixes = 0;
  async function start(wire: Wire = 'native') {
    const subjectPrefix = `down-${++prefixes}`;
    const proxy = await startTcpProxy({ port: server.port });
    const transport = await natsTransport({
      servers: `127.0.0.1:${proxy.port}`,
      subjectPrefix,
      reconnectWaitMs: 20,
    });
    const callers = await natsTransport({ servers: server.url, subjectPrefix, wire });
    const gate = deferred();
    const arrived = deferred();
    let running = 0;
    const node = createNode({
      transport,
      numShards: NUM_SHARDS,
      shards: [0, 1],
      handler: async ({ type, payload }) => {
        if (++running === CALLS.length) arrived.resolve();
        await gate.promise;
        if (type === 'Fail') throw new ActorError('NO', 'on purpose');
        return payload;
      },
    });
    await node.start();
    const client = createClient({ transport: callers, numShards: NUM_SHARDS });
    endings.push(
      () => proxy.close(),
      () => transport.close(),
      () => callers.close(),
      () => node.close(),
      () => client.close(),
    );
    return { proxy, transport, node, client, gate, arrived };
  }

  /** The handlers end while the connection is down. */
  async function answerWhileDown({ proxy, transport, client, gate, arrived }: Started, timeoutMs = 5_000) {
    const ends = Promise.all(CALLS.map(([type, value]) => endOf(client, type, value, timeoutMs)));
    await arrived.promise;
    const lost = nextState(transport, 'disconnected');
    proxy.setMode({ kind: 'reset' });
    await lost;
    gate.resolve();
    await turns();
    return ends;
  }

  test.each(['native', 'json'] as const)('reaches its caller when it is back (%s)', async (wire) => {
    const started = await start(wire);
    const ends = answerWhileDown(started);
    await nextState(started.transport, 'disconnected');
    const back = nextState(started.transport, 'connected');
    await turns();
    started.proxy.setMode({ kind: 'pass' });
    await back;
    expect(await ends).toEqual(['one', 'ACTOR_ERROR executed', 'three']);
    expect(started.transport.stats.lostReplies).toBe(0);
  });

  test('reaches its caller before the node has drained', async () => {
    const started = await start();
    const ends = answerWhileDown(started);
    await nextState(started.transport, 'disconnected');
    await turns();
    const drained = started.node.drain({ graceMs: 10_000 });
    await turns();
    started.proxy.setMode({ kind: 'pass' });
    await drained;
    expect(await ends).toEqual(['one', 'ACTOR_ERROR executed', 'three']);
  });

  test('reaches its caller before the transport has closed', async () => {
    const started = await start();
    const ends = answerWhileDown(started);
    await nextState(started.transport, 'disconnected');
    await turns();
    const closed = started.transport.close();
    started.proxy.setMode({ kind: 'pass' });
    await closed;
    expect(await ends).toEqual(['one', 'ACTOR_ERROR executed', 'three']);
  });

  test('is counted as lost when the transport closes and nobody waits any more', async () => {
    const started = await start();
    expect(await answerWhileDown(started, 300)).toEqual(CALLS.map(() => 'TIMEOUT unknown'));
    await started.transport.close();
    expect(started.transport.stats.lostReplies).toBe(CALLS.length);
  });

  test('is not sent when its caller has given up before the connection is back', async () => {
    const started = await start();
    expect(await answerWhileDown(started, 300)).toEqual(CALLS.map(() => 'TIMEOUT unknown'));
    const back = nextState(started.transport, 'connected');
    started.proxy.setMode({ kind: 'pass' });
    await back;
    expect(started.transport.stats.lostReplies).toBe(CALLS.length);
  });
});

const CALLS = [
  ['Echo', 'one'],
  ['Fail', 'two'],
  ['Echo', 'three'],
] as const;

interface Started {
  readonly proxy: TcpProxy;
  readonly transport: NatsTransport;
  readonly node: Node;
  readonly client: Client;
  readonly gate: { resolve(): void };
  readonly arrived: { readonly promise: Promise<unknown> };
}

async function endOf(client: Client, type: string, value: string, timeoutMs: number): Promise<unknown> {
  try {
    return await client.requestKey(value, type, value, { timeoutMs });
  } catch (error) {
    return isClstrError(error) ? `${error.code} ${error.outcome}` : error;
  }
}

function nextState(transport: Transport, state: string): Promise<void> {
  if (transport.state === state) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = transport.onConnection((event) => {
      if (event.state !== state) return;
      stop();
      resolve();
    });
  });
}

/** What is ready now has run. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}
