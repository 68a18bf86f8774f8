import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionEvent } from '@clstr/core';
import type { Subscription } from '@clstr/core/wire';
import { createClient, createNode } from '@clstr/core';
import { deferred, startTcpProxy } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import type { RecordedLogger } from '@clstr/testing/internal';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { connect } from 'nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { natsTransport } from '../src/index.ts';
import type { NatsTransport, NatsTransportOptions } from '../src/index.ts';
import { lastProtocolError } from '../src/nats-internals.ts';
import { startStubServer } from './stub-server.ts';
import { SELF, echo } from './wire.ts';

let logger: RecordedLogger;
let transport: NatsTransport | undefined;

beforeEach(() => {
  logger = recordLog();
  transport = undefined;
});
afterEach(() => transport?.close());

async function open(options: NatsTransportOptions): Promise<NatsTransport> {
  transport = await natsTransport({ reconnectWaitMs: 20, logger, ...options });
  return transport;
}

/** The next time that the transport is in this state. */
function next(from: NatsTransport, state: ConnectionEvent['state']): Promise<ConnectionEvent> {
  const { promise, resolve } = deferred<ConnectionEvent>();
  const stop = from.onConnection((event) => {
    if (event.state !== state) return;
    stop();
    resolve(event);
  });
  return promise;
}

describe.skipIf(!hasNatsServer())('a connection to real servers', () => {
  const servers: NatsServer[] = [];
  const start = async (config?: string): Promise<NatsServer> => {
    const server = await startNatsServer(config === undefined ? {} : { config });
    servers.push(server);
    return server;
  };
  afterEach(async () => {
    await transport?.close();
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  test('comes back after its authenticator has thrown, which is logged', async () => {
    const server = await start('authorization { token: t }');
    let isThrowing = false;
    let throws = 0;
    const threeThrows = deferred();
    const own = await open({
      servers: server.url,
      authenticator: () => {
        if (!isThrowing) return { auth_token: 't' };
        if (++throws === 3) threeThrows.resolve();
        throw new Error('the token file is away');
      },
    });
    await own.serve({ shard: 1 }, echo(), SELF);
    const lost = next(own, 'disconnected');
    isThrowing = true;
    await server.kill();
    await lost;
    await server.restart();
    await threeThrows.promise;
    const back = next(own, 'connected');
    isThrowing = false;
    await back;
    const client = createClient({ transport: own, numShards: 2 });
    await client.requestShard(1, 'Get');
    await client.close();
    expect(logger.lines.filter(({ message }) => message?.includes('the token file is away'))).toHaveLength(1);
    expect(logger.lines.filter(({ level }) => level === 'info').map(({ message }) => message)).toEqual([
      expect.stringMatching(/^the NATS connection is back after \d+ ms, to 127\.0\.0\.1:\d+$/),
    ]);
  });

  test('leaves a server that swallows everything, though much is on its way there', async () => {
    const [dark, well] = [await start(), await start()];
    const proxy = await startTcpProxy({ port: dark.port });
    const both = [`127.0.0.1:${proxy.port}`, `127.0.0.1:${well.port}`];
    // Until it takes the proxy first.
    for (let i = 0; i < 64; i++) {
      await open({ servers: both, pingIntervalMs: 500 });
      if (proxy.connections === 1) break;
      await transport!.close();
    }
    const lost = next(transport!, 'disconnected');
    const back = next(transport!, 'connected');
    proxy.setMode({ kind: 'black-hole' });
    const client = createClient({ transport: transport!, numShards: 2 });
    const calls = Array.from({ length: 200 }, () =>
      client.requestShard(1, 'Get', 'x'.repeat(50_000)).catch((error: unknown) => error),
    );
    expect((await lost).server).toBe(both[0]);
    expect((await back).server).toBe(both[1]);
    expect(logger.lines[0]!.message).toMatch(/was lost: the server answered no ping for \d+ ms$/);
    await client.close();
    await Promise.all(calls);
    await transport!.close();
    await proxy.close();
  });

  test('says which subscriptions are beyond the limit of the server, and serves the others', async () => {
    const server = await start('max_subscriptions: 100');
    const own = await open({ servers: server.url });
    const client = createClient({ transport: own, numShards: 300 });
    const shards = Array.from({ length: 300 }, (_, shard) => shard);
    const results = await Promise.allSettled(shards.map((shard) => own.serve({ shard }, echo(), SELF)));
    const refused = results.filter((result) => result.status === 'rejected');
    // One is the inbox of the client.
    expect(refused).toHaveLength(300 - 99);
    for (const { reason } of refused) {
      expect(reason).toMatchObject({ code: 'SUBSCRIPTION_LIMIT', details: { subscriptions: 100 } });
    }
    for (const shard of [0, 50, 98]) await client.requestShard(shard, 'Get');
    const beyond = client.requestShard(99, 'Get', undefined, { timeoutMs: 500 });
    await expect(beyond).rejects.toMatchObject({ code: 'NO_SUBSCRIBER' });
    await client.close();
  });

  test('ends the subscriptions that another server has no room for', async () => {
    const server = await start('max_subscriptions: 100');
    const own = await open({ servers: server.url });
    const subscriptions: Subscription[] = [];
    for (let shard = 0; shard < 20; shard++) subscriptions.push(await own.serve({ shard }, echo(), SELF));
    const back = next(own, 'connected');
    await server.kill();
    writeFileSync(join(server.folder, 'server.conf'), 'max_subscriptions: 15');
    await server.restart();
    const errors = await Promise.all(subscriptions.slice(15).map(({ ended }) => ended));
    expect(errors.map(({ code }) => code)).toEqual(Array(5).fill('SUBSCRIPTION_LIMIT'));
    await back;
    const client = createClient({ transport: own, numShards: 20 });
    await client.close();
    await Promise.all(subscriptions.map((subscription) => subscription.close()));
  });

  test('a node beyond the limit does not start', async () => {
    const server = await start('max_subscriptions: 10');
    const own = await open({ servers: server.url });
    const node = createNode({
      transport: own,
      numShards: 32,
      shards: Array.from(Array(32).keys()),
      handler: () => 1,
    });
    await expect(node.start()).rejects.toMatchObject({ code: 'SUBSCRIPTION_LIMIT' });
    await node.close();
  });

  test('the NATS client knows the last error of its server where we read it', async () => {
    const server = await start('max_subscriptions: 1');
    const nats = await connect({ servers: server.url });
    expect(lastProtocolError(nats)).toBeUndefined();
    for (const subject of ['a', 'b']) nats.subscribe(subject, { callback: () => undefined });
    await nats.flush();
    expect(lastProtocolError(nats)?.message).toMatch(/maximum subscriptions exceeded/);
    await nats.close();
  });
});

describe('a transport that is closed', () => {
  test('in the middle of a dial leaves no socket', async () => {
    await using stub = await startStubServer();
    const own = await open({ servers: stub.address, connectTimeoutMs: 600_000 });
    await stub.until(() => stub.open.size === 1);
    stub.mode = 'silent';
    stub.drop();
    await stub.until(() => stub.dials === 2);
    await own.close();
    await stub.until(() => stub.open.size === 0);
    expect(own.state).toBe('closed');
  });

  test('while its server stands still leaves no socket', async () => {
    await using stub = await startStubServer();
    const own = await open({ servers: stub.address, pingIntervalMs: 2 ** 31 - 1 });
    stub.mode = 'silent';
    await own.close();
    await stub.until(() => stub.open.size === 0);
  });
});
