/** Every way to log in, what a user may not do, and connections that are only borrowed. */
import type { Client, Node } from '@clstr/core';
import { createClient, createNode } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsTransportOptions } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import { connect, nkeyAuthenticator } from 'nats';
import { afterEach, describe, expect, test } from 'vitest';
import { authorityFile, tlsConfig } from './certificates.ts';
import { createCredentials, createNkey } from './jwt.ts';

const NUM_SHARDS = 4;
const SHARDS = [0, 1, 2, 3];

describe.skipIf(!hasNatsServer())('over a nats-server that requires a login', () => {
  /** Ended in reverse order, after each test. */
  const started: { close(): Promise<unknown> }[] = [];
  afterEach(async () => {
    for (const one of started.splice(0).reverse()) await one.close();
  });

  async function startServer(config: string): Promise<string> {
    const server = await startNatsServer({ config });
    started.push({ close: () => server.stop() });
    return `127.0.0.1:${server.port}`;
  }
  async function startClient(options: NatsTransportOptions): Promise<Client> {
    const transport = await natsTransport(options);
    const client = createClient({ transport, numShards: NUM_SHARDS });
    started.push(transport, client);
    return client;
  }
  async function startNode(options: NatsTransportOptions): Promise<Node> {
    const transport = await natsTransport(options);
    const handler = ({ payload }: { payload: unknown }): unknown => payload;
    const node = createNode({ transport, numShards: NUM_SHARDS, shards: SHARDS, handler });
    started.push(transport, node);
    await node.start();
    return node;
  }
  async function expectRoundTrip(options: NatsTransportOptions): Promise<void> {
    await startNode(options);
    const client = await startClient(options);
    expect(await client.requestKey('k', 'Echo', 'hello')).toBe('hello');
  }

  test('requests go through with a token', async () => {
    const servers = await startServer('authorization { token: "to-ken" }');
    await expectRoundTrip({ servers, token: 'to-ken' });
  });

  test('requests go through with a user and a password', async () => {
    const servers = await startServer('authorization { user: bob, password: "p@ss:w/rd" }');
    await expectRoundTrip({ servers, user: 'bob', pass: 'p@ss:w/rd' });
  });

  test('requests go through with a user and a password in the URL', async () => {
    const where = await startServer('authorization { user: bob, password: "p@ss:w/rd" }');
    await expectRoundTrip({ servers: `nats://bob:p%40ss%3Aw%2Frd@${where}` });
  });

  test('requests go through with a token in the URL', async () => {
    const where = await startServer('authorization { token: "to-ken" }');
    await expectRoundTrip({ servers: [`nats://to-ken@${where}`] });
  });

  test('requests go through with an nkey', async () => {
    const { seed, publicKey } = createNkey();
    const servers = await startServer(`authorization { users: [ { nkey: ${publicKey} } ] }`);
    await expectRoundTrip({ servers, nkeySeed: seed });
  });

  test('requests go through with credentials, as text or as bytes', async () => {
    const { config, credentials } = createCredentials();
    const servers = await startServer(config);
    await startNode({ servers, credentials: new TextEncoder().encode(credentials) });
    const client = await startClient({ servers, credentials });
    expect(await client.requestKey('k', 'Echo', 'hello')).toBe('hello');
  });

  test('requests go through with an authenticator of the NATS client', async () => {
    const { seed, publicKey } = createNkey();
    const servers = await startServer(`authorization { users: [ { nkey: ${publicKey} } ] }`);
    await expectRoundTrip({ servers, authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) });
  });

  test('requests go through over TLS, by address and by name', async () => {
    const where = await startServer(tlsConfig('server'));
    const tls = { caFile: authorityFile };
    await startNode({ servers: where, tls });
    const client = await startClient({ servers: where.replace('127.0.0.1', 'localhost'), tls });
    expect(await client.requestKey('k', 'Echo', 'hello')).toBe('hello');
  });

  test('requests go through over TLS with a user and a password', async () => {
    const servers = await startServer(`${tlsConfig('server')}
      authorization { user: bob, password: right }`);
    await expectRoundTrip({ servers, user: 'bob', pass: 'right', tls: { caFile: authorityFile } });
  });

  test('a borrowed connection is used, and left open', async () => {
    const servers = await startServer('authorization { token: "to-ken" }');
    const connection = await connect({ servers, token: 'to-ken' });
    started.push(connection);
    const transport = await natsTransport({ connection });
    await using node = createNode({
      transport,
      shards: SHARDS,
      numShards: NUM_SHARDS,
      handler: () => 'here',
    });
    await node.start();
    const client = createClient({ transport, numShards: NUM_SHARDS });
    expect(await client.requestKey('k', 'Get')).toBe('here');
    await client.close();
    await transport.close();
    expect(connection.isClosed()).toBe(false);
    await expect(connection.request('clstr.shard.0', '', { timeout: 1_000 })).rejects.toThrow('503');
    await expect(client.requestKey('k', 'Get')).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
  });

  test('a borrowed connection that its owner closes ends what waits on it', async () => {
    const servers = await startServer('');
    const connection = await connect({ servers });
    await startNode({ servers });
    const transport = await natsTransport({ connection });
    const client = createClient({ transport, numShards: NUM_SHARDS });
    expect(await client.requestKey('k', 'Echo', 1)).toBe(1);
    await connection.close();
    await expect(client.requestKey('k', 'Echo', 1)).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
    await transport.close();
  });

  describe('with permissions', () => {
    const users = (permissions: string): string => `authorization { users: [
      { user: node, password: pass },
      { user: bob, password: pass, permissions: { ${permissions} } }
    ] }`;
    const bob = { user: 'bob', pass: 'pass' };

    test.each(['native', 'json'] as const)(
      'a forbidden shard is NO_PERMISSION for a %s request, and the others go on',
      async (wire) => {
        const servers = await startServer(users('publish: { deny: ["clstr.shard.2"] }'));
        await startNode({ servers, user: 'node', pass: 'pass' });
        const client = await startClient({ servers, ...bob, wire });
        const error = { code: 'NO_PERMISSION', outcome: 'not-executed', retryable: false };
        await expect(client.requestShard(2, 'Echo', 1)).rejects.toMatchObject(error);
        expect(await client.requestShard(1, 'Echo', 1)).toBe(1);
      },
    );

    test('a client that may not have an inbox gets NO_PERMISSION at once', async () => {
      const servers = await startServer(users('subscribe: { deny: ["_INBOX.>"] }'));
      await startNode({ servers, user: 'node', pass: 'pass' });
      const client = await startClient({ servers, ...bob });
      for (let i = 0; i < 2; i++) {
        const call = client.requestKey('k', 'Echo', 1, { timeoutMs: 4_000 });
        await expect(call).rejects.toMatchObject({ code: 'NO_PERMISSION', retryable: false });
      }
    });

    test('a client with an inbox prefix of its own needs no other', async () => {
      const servers = await startServer(users('subscribe: { allow: ["_INBOX_bob.>"] }'));
      const inboxPrefixes = ['_INBOX_bob', '_INBOX'];
      await startNode({ servers, user: 'node', pass: 'pass', inboxPrefixes });
      const client = await startClient({ servers, ...bob, inboxPrefixes });
      expect(await client.requestKey('k', 'Echo', 1)).toBe(1);
    });

    test('a node that may not serve a shard does not start: NO_PERMISSION, naming the subject', async () => {
      const servers = await startServer(users('subscribe: { deny: ["clstr.shard.3"] }'));
      await expect(startNode({ servers, ...bob })).rejects.toMatchObject({
        code: 'NO_PERMISSION',
        message: expect.stringContaining('clstr.shard.3') as string,
      });
      // Nothing of it is left to answer.
      const client = await startClient({ servers, user: 'node', pass: 'pass' });
      await expect(client.requestShard(1, 'Echo')).rejects.toMatchObject({ code: 'NO_SUBSCRIBER' });
    });
  });
});
