import type { ConnectionEvent } from '@clstr/core';
import { createClient, createNode } from '@clstr/core';
import { deferred, fakeClock } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { Events, connect } from 'nats';
import { afterEach, describe, expect, test } from 'vitest';
import { natsTransport } from '../src/index.ts';
import type { NatsTransport } from '../src/index.ts';
import { scriptedConnection } from './scripted-connection.ts';
import { SELF, echo, microtasks, send } from './wire.ts';

/** The next time that the transport is in this state. */
function nextState(transport: NatsTransport, state: ConnectionEvent['state']): Promise<ConnectionEvent> {
  const { promise, resolve } = deferred<ConnectionEvent>();
  const stop = transport.onConnection((event) => {
    if (event.state !== state) return;
    stop();
    resolve(event);
  });
  return promise;
}

const CLOSED = { code: 'TRANSPORT_CLOSED', outcome: 'not-executed' };

describe('a borrowed connection', () => {
  test('is connected once the server has answered', async () => {
    const connection = scriptedConnection();
    const answered = deferred();
    connection.flush = () => answered.promise;
    const opening = natsTransport({ connection: connection.nats });
    answered.resolve();
    expect((await opening).state).toBe('connected');
  });

  test('that does not answer in time counts as disconnected, until it does', async () => {
    const connection = scriptedConnection();
    const clock = fakeClock();
    const answered = deferred();
    connection.flush = () => answered.promise;
    const opening = natsTransport({ connection: connection.nats, clock });
    await clock.advance(250);
    const transport = await opening;
    expect(transport.state).toBe('disconnected');
    const connected = nextState(transport, 'connected');
    const call = send(transport.openLink({ clientId: 1 }));
    await microtasks(5);
    expect(connection.published).toEqual([]);
    answered.resolve();
    expect(await connected).toEqual({ state: 'connected', server: 'nats://host:4222' });
    await call.left;
    expect(connection.published).toHaveLength(1);
  });

  test('is not closed with the transport, but no longer watched', async () => {
    const connection = scriptedConnection();
    const transport = await natsTransport({ connection: connection.nats });
    const events: string[] = [];
    transport.onConnection(({ state }) => events.push(state));
    await transport.close();
    await transport[Symbol.asyncDispose]();
    expect(connection.nats.isClosed()).toBe(false);
    connection.become(Events.Disconnect);
    await microtasks(20);
    expect(events).toEqual(['closed']);
    expect(transport.state).toBe('closed');
  });

  test('that is closed already is refused by everything', async () => {
    const connection = scriptedConnection();
    connection.end();
    const transport = await natsTransport({ connection: connection.nats });
    expect(transport.state).toBe('closed');
    expect(() => transport.openLink({ clientId: 1 })).toThrow(expect.objectContaining(CLOSED));
    await expect(transport.serve({ shard: 1 }, echo(), SELF)).rejects.toMatchObject(CLOSED);
    await transport.close();
  });

  test('that refuses a subscription says so as an error of ours', async () => {
    const connection = scriptedConnection();
    const transport = await natsTransport({ connection: connection.nats });
    connection.nats.subscribe = () => {
      throw Object.assign(new Error('draining'), { code: 'CONNECTION_DRAINING' });
    };
    expect(() => transport.openLink({ clientId: 1 })).toThrow(expect.objectContaining(CLOSED));
    await expect(transport.serve({ shard: 1 }, echo(), SELF)).rejects.toMatchObject(CLOSED);
  });

  test('that its owner closes fails what waits, tells listeners, and ends serving', async () => {
    const connection = scriptedConnection();
    const transport = await natsTransport({ connection: connection.nats });
    const closed = nextState(transport, 'closed');
    const subscription = await transport.serve({ shard: 1 }, echo(), SELF);
    const call = send(transport.openLink({ clientId: 1 }));
    await call.left;
    connection.end();
    expect(await closed).toMatchObject({ state: 'closed' });
    expect(call.effect).toEqual(['sent', 'error: TRANSPORT_CLOSED unknown']);
    await subscription.close();
    await transport.close();
  });
});

describe('listeners', () => {
  test('that throw are logged, and the others are still called', async () => {
    const connection = scriptedConnection();
    const err = new Error('listener');
    const logger = recordLog();
    const transport = await natsTransport({ connection: connection.nats, logger });
    transport.onConnection(() => {
      throw err;
    });
    const states: string[] = [];
    transport.onConnection(({ state }) => states.push(state));
    connection.become(Events.Disconnect);
    connection.become(Events.Disconnect);
    connection.become(Events.Reconnect);
    await microtasks(30);
    expect(states).toEqual(['disconnected', 'connected']);
    const message = 'a listener of the NATS connection threw';
    expect(logger.lines.filter(({ level }) => level === 'error')).toEqual(
      Array(2).fill({ level: 'error', fields: { event: 'connection.listener_threw', err }, message }),
    );
  });

  test('that stopped listening are not called', async () => {
    const connection = scriptedConnection();
    const transport = await natsTransport({ connection: connection.nats });
    const states: string[] = [];
    transport.onConnection(({ state }) => states.push(state))();
    connection.become(Events.Disconnect);
    await microtasks(20);
    expect(states).toEqual([]);
  });
});

describe('serving while the connection is away', () => {
  async function away() {
    const connection = scriptedConnection();
    const transport = await natsTransport({ connection: connection.nats });
    connection.become(Events.Disconnect);
    await microtasks(20);
    connection.flush = () => Promise.reject(Object.assign(new Error('gone'), { code: 'DISCONNECT' }));
    return { connection, transport };
  }

  test('is confirmed once it is back', async () => {
    const { connection, transport } = await away();
    let isServed = false;
    const serving = transport.serve({ shard: 1 }, echo(), SELF).then(() => (isServed = true));
    await microtasks(50);
    expect(isServed).toBe(false);
    connection.flush = undefined;
    connection.become(Events.Reconnect);
    expect(await serving).toBe(true);
  });

  test('asks again when it is back, but lost before the server confirmed', async () => {
    const { connection, transport } = await away();
    const serving = transport.serve({ shard: 1 }, echo(), SELF);
    await microtasks(50);
    let flushes = 0;
    connection.flush = () => (++flushes === 1 ? Promise.reject(new Error('lost again')) : Promise.resolve());
    connection.become(Events.Reconnect);
    await serving;
    expect(flushes).toBe(2);
  });

  test('fails when the connection closes instead', async () => {
    const { connection, transport } = await away();
    const serving = transport.serve({ shard: 1 }, echo(), SELF);
    const failure = expect(serving).rejects.toMatchObject(CLOSED);
    await microtasks(50);
    connection.end();
    await failure;
  });

  test('fails when the connection closed as it was asked', async () => {
    const { connection, transport } = await away();
    connection.flush = () => {
      connection.end();
      return Promise.reject(new Error('closed'));
    };
    await expect(transport.serve({ shard: 1 }, echo(), SELF)).rejects.toMatchObject(CLOSED);
  });

  test('ends without asking the server', async () => {
    const { connection, transport } = await away();
    connection.flush = undefined;
    connection.become(Events.Reconnect);
    await microtasks(20);
    const subscription = await transport.serve({ shard: 1 }, echo(), SELF);
    connection.become(Events.Disconnect);
    await microtasks(20);
    await subscription.close();
    expect(connection.subscriptions.has('clstr.shard.1')).toBe(false);
  });
});

test('a transport whose server does not answer at its end waits two seconds for it', async () => {
  const connection = scriptedConnection();
  const clock = fakeClock();
  const transport = await natsTransport({ connection: connection.nats, clock });
  connection.flush = () => new Promise(() => undefined);
  let isClosed = false;
  const closing = transport.close().then(() => (isClosed = true));
  await clock.advance(1_999);
  expect(isClosed).toBe(false);
  await clock.advance(1);
  expect(await closing).toBe(true);
});

describe.skipIf(!hasNatsServer())('with a real server', () => {
  let server: NatsServer;
  afterEach(() => server.stop());

  test('a borrowed connection that is closed under us ends calls and node alike', async () => {
    server = await startNatsServer();
    const nats = await connect({ servers: server.url });
    const transport = await natsTransport({ connection: nats });
    const arrived = deferred();
    const gate = deferred<string>();
    const node = createNode({
      transport,
      numShards: 2,
      shards: [0, 1],
      handler: () => {
        arrived.resolve();
        return gate.promise;
      },
    });
    await node.start();
    const client = createClient({ transport, numShards: 2 });
    const call = client.requestShard(0, 'Hang').catch((error: unknown) => error);
    await arrived.promise;
    const closed = nextState(transport, 'closed');
    await nats.close();
    await closed;
    expect(await call).toMatchObject({ code: 'TRANSPORT_CLOSED', outcome: 'unknown' });
    gate.resolve('late');
    await node.close();
    await expect(client.requestShard(0, 'Late')).rejects.toMatchObject(CLOSED);
    expect(transport.stats.lostReplies).toBe(1);
    await client.close();
    await transport.close();
  });

  test('a user that may not publish to nodes directly goes through the shard, each time', async () => {
    server = await startNatsServer({
      config: `authorization { users: [
        { user: node, password: p }
        { user: client, password: p, permissions: { publish: ["clstr.shard.>"], subscribe: ["_INBOX.>"] } }
      ] }`,
    });
    const nodeSide = await natsTransport({ servers: server.url, user: 'node', pass: 'p' });
    const clientSide = await natsTransport({ servers: server.url, user: 'client', pass: 'p' });
    const handled: string[] = [];
    const node = createNode({
      transport: nodeSide,
      numShards: 2,
      shards: [0, 1],
      handler: ({ type }) => {
        handled.push(type);
        return type;
      },
    });
    await node.start();
    const client = createClient({ transport: clientSide, numShards: 2 });
    for (const type of ['First', 'Second', 'Third']) expect(await client.requestShard(0, type)).toBe(type);
    expect(handled).toEqual(['First', 'Second', 'Third']);
    await client.close();
    await node.close();
    await Promise.all([clientSide.close(), nodeSide.close()]);
  });

  test('a user that may not publish to a shard learns so: NO_PERMISSION', async () => {
    server = await startNatsServer({
      config: 'authorization { users: [{ user: u, password: p, permissions: { publish: ["other.>"] } }] }',
    });
    for (const wire of ['native', 'json'] as const) {
      const transport = await natsTransport({ servers: server.url, user: 'u', pass: 'p', wire });
      const client = createClient({ transport, numShards: 2 });
      const error = await client.requestShard(0, 'Get').catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: 'NO_PERMISSION',
        outcome: 'not-executed',
        message: 'the NATS server forbids this user to publish to clstr.shard.*',
      });
      await client.close();
      await transport.close();
    }
  });
});
