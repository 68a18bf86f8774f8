/** Bugs of connections to NATS that were fixed, each under what went wrong. */
import { createClient, createNode, systemClock } from '@clstr/core';
import { nodeAddress } from '@clstr/core/wire';
import type { Clock, Client, ClientOptions, Node, Transport } from '@clstr/core';
import type { NatsServer } from '@clstr/testing/nats';
import { deferred, fakeClock } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsTransport, NatsTransportOptions } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import type { NatsConnection } from 'nats';
import { Events, connect } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const CLOSED = { name: 'ClstrError', code: 'TRANSPORT_CLOSED' };

describe.skipIf(!hasNatsServer())('over NATS', () => {
  let server: NatsServer;
  /** Closed after the test, the newest first. */
  let opened: { close(): Promise<void> }[];

  beforeAll(async () => {
    server = await startNatsServer();
  });

  afterAll(async () => {
    await server.stop();
  });

  beforeEach(() => {
    opened = [];
  });

  afterEach(async () => {
    for (const one of opened.reverse()) await one.close();
    if (server.pid === undefined) await server.restart();
  });

  async function open(options: NatsTransportOptions = {}): Promise<NatsTransport> {
    const borrowed = options.connection !== undefined;
    const transport = await natsTransport({
      ...(borrowed ? {} : { servers: server.url, reconnectWaitMs: 20 }),
      ...options,
    });
    opened.push(transport);
    return transport;
  }

  async function lend(): Promise<NatsConnection> {
    const connection = await connect({
      servers: server.url,
      reconnectTimeWait: 20,
      reconnectJitter: 0,
      maxReconnectAttempts: -1,
    });
    opened.push(connection);
    return connection;
  }

  function clientOf(transport: Transport, options: Partial<ClientOptions> = {}): Client {
    const client = createClient({ transport, numShards: 1, ...options });
    opened.push(client);
    return client;
  }

  function nodeOf(
    transport: Transport,
    handler: (type: string) => unknown = (type) => type,
    clock: Clock = systemClock,
  ): Node {
    const node = createNode({
      clock,
      transport,
      numShards: 1,
      shards: [0],
      handler: ({ type }) => handler(type),
    });
    opened.push(node);
    return node;
  }

  test('a listener that threw at a disconnect made an outage endless', async () => {
    const [clientSide, nodeSide] = [await open(), await open()];
    for (const transport of [clientSide, nodeSide]) {
      transport.onConnection(() => {
        throw new Error('the listener is broken');
      });
    }
    const client = clientOf(clientSide);
    await nodeOf(nodeSide).start();
    expect(await client.requestKey('k', 'Before')).toBe('Before');
    const gone = [nextState(clientSide, 'disconnected'), nextState(nodeSide, 'disconnected')];
    await server.kill();
    await Promise.all(gone);
    const back = [nextState(clientSide, 'connected'), nextState(nodeSide, 'connected')];
    await server.restart();
    await Promise.all(back);
    expect(await client.requestKey('k', 'After')).toBe('After');
  });

  test('a node that was closed while its start waited for the server never ended', async () => {
    const transport = await open();
    const node = nodeOf(transport);
    const gone = nextState(transport, 'disconnected');
    await server.kill();
    await gone;
    const started = expect(node.start()).rejects.toMatchObject(CLOSED);
    await node.close();
    await started;
    expect(node.state).toBe('closed');
  });

  test('a client made while the server was away gave up at the first NO_SUBSCRIBER after its return', async () => {
    const [clientSide, nodeSide] = [await open(), await open()];
    const gone = [nextState(clientSide, 'disconnected'), nextState(nodeSide, 'disconnected')];
    await server.kill();
    await Promise.all(gone);
    const early = clientOf(clientSide);
    const back = [nextState(clientSide, 'connected'), nextState(nodeSide, 'connected')];
    await server.restart();
    await Promise.all(back);
    const repeated = early.requestKey('k', 'Early');
    const ended = Promise.allSettled([repeated]);
    // For a client made after the return nothing is missing: the same refusal reaches it later, on the same wire.
    const late = clientOf(clientSide);
    await expect(late.requestKey('k', 'Late')).rejects.toMatchObject({ code: 'NO_SUBSCRIBER' });
    await nodeOf(nodeSide).start();
    expect(await ended).toEqual([{ status: 'fulfilled', value: 'Early' }]);
  });

  test('a transport never closed when the server had stalled', async () => {
    const clock = fakeClock();
    const transport = await open({ clock });
    const client = clientOf(transport, { clock });
    // On the clock of its transport, which says when a message arrived: on another one its time may seem to be over.
    await nodeOf(transport, undefined, clock).start();
    expect(await client.requestKey('k', 'Before')).toBe('Before');
    process.kill(server.pid!, 'SIGSTOP');
    try {
      const waiting = Promise.allSettled([client.requestKey('k', 'Waits')]);
      const closing = transport.close();
      await clock.advance(3_000);
      await closing;
      expect(await waiting).toMatchObject([{ reason: CLOSED }]);
      await clock.advance(3_000);
    } finally {
      process.kill(server.pid!, 'SIGCONT');
    }
  });

  describe('a borrowed connection', () => {
    test('that drained gave errors of its own', async () => {
      const connection = await lend();
      const transport = await open({ connection });
      const client = clientOf(transport);
      const node = nodeOf(transport);
      const drained = connection.drain();
      const ends = await Promise.allSettled([
        client.requestKey('k', 'Request'),
        node.start(),
        natsTransport({ connection }).then((other) => other.serve({ shard: 0 }, RECEIVER, SELF)),
      ]);
      for (const end of ends) expect(end).toMatchObject({ reason: CLOSED });
      expect(() => createClient({ transport })).toThrow(expect.objectContaining(CLOSED));
      await drained;
    });

    test('kept a status listener for every transport that had been closed', async () => {
      const connection = await lend();
      const { listeners } = connection as unknown as { listeners: unknown[] };
      const before = listeners.length;
      for (let i = 0; i < 100; i++) {
        const transport = await natsTransport({ connection });
        expect(listeners).toHaveLength(before + 1);
        await transport.close();
      }
      expect(listeners).toHaveLength(before);
      expect(connection.isClosed()).toBe(false);
    });

    test('that was reconnecting when it was lent lost the first messages', async () => {
      const connection = await lend();
      const nodeSide = await open();
      const handled = deferred();
      const seen: string[] = [];
      await nodeOf(nodeSide, (type) => {
        seen.push(type);
        if (seen.length === 2) handled.resolve();
        return type;
      }).start();
      const gone = [disconnected(connection), nextState(nodeSide, 'disconnected')];
      await server.kill();
      await Promise.all(gone);
      const clientSide = await open({ connection });
      const client = clientOf(clientSide);
      const request = client.requestKey('k', 'Request');
      const notify = client.notifyKey('k', 'Notify');
      const back = [nextState(clientSide, 'connected'), nextState(nodeSide, 'connected')];
      await server.restart();
      await Promise.all(back);
      expect(await request).toBe('Request');
      await Promise.all([notify, handled.promise]);
      expect(seen.sort()).toEqual(['Notify', 'Request']);
    });
  });

  test('a JSON reply with a hostile error code was a TypeError for its caller', async () => {
    const connection = await lend();
    connection.subscribe('clstr.shard.0', {
      callback: (_error, message) => {
        message.respond('{"err":"x","error":{"code":{"toString":null,"valueOf":null},"message":"hostile"}}');
      },
    });
    await connection.flush();
    const client = clientOf(await open({ wire: 'json' }));
    await expect(client.requestKey('k', 'Hostile')).rejects.toMatchObject({
      name: 'ClstrError',
      code: 'INTERNAL',
      message: 'hostile',
    });
  });
});

const SELF = nodeAddress('n', 'i')!;
const RECEIVER = { onEntry() {}, onCancel() {} };

function nextState(transport: Transport, state: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = transport.onConnection((event) => {
      if (event.state !== state) return;
      stop();
      resolve();
    });
  });
}

async function disconnected(connection: NatsConnection): Promise<void> {
  for await (const { type } of connection.status()) if (type === Events.Disconnect) return;
}
