/** Connections that fail: each a typed error that names the server and keeps the secret. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { isClstrError } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import type { NatsTransportOptions } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import { afterEach, describe, expect, test } from 'vitest';
import { authorityFile, tlsConfig } from './certificates.ts';
import { createCredentials, createNkey } from './jwt.ts';

const SECRET = 's3cret-Passw0rd';

/** The error of a failed attempt to connect, which may show the secret nowhere. */
async function failureOf(options: NatsTransportOptions): Promise<unknown> {
  const transport = await natsTransport(options).catch((error: unknown) => ({ error }));
  if (!('error' in transport)) {
    await transport.close();
    throw new Error('expected no connection');
  }
  const { error } = transport;
  expect(isClstrError(error)).toBe(true);
  expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(SECRET);
  return error;
}

describe.skipIf(!hasNatsServer())('a nats-server that refuses', () => {
  let server: NatsServer;
  afterEach(() => server.stop());

  async function start(config: string): Promise<string> {
    server = await startNatsServer({ config });
    return `127.0.0.1:${server.port}`;
  }

  function expectAuthFailed(error: unknown, where: string): void {
    expect(error).toMatchObject({ code: 'AUTH_FAILED', outcome: 'not-executed', retryable: false });
    expect((error as Error).message).toContain(where);
  }

  test('a wrong token: AUTH_FAILED', async () => {
    const where = await start('authorization { token: right }');
    expectAuthFailed(await failureOf({ servers: where, token: SECRET }), where);
  });

  test('no credentials where it requires some: AUTH_FAILED', async () => {
    const where = await start('authorization { token: right }');
    expectAuthFailed(await failureOf({ servers: where }), where);
  });

  test('a wrong user or password: AUTH_FAILED', async () => {
    const where = await start('authorization { user: bob, password: right }');
    expectAuthFailed(await failureOf({ servers: where, user: 'bob', pass: SECRET }), where);
    expectAuthFailed(await failureOf({ servers: where, user: 'eve', pass: SECRET }), where);
  });

  test.each([
    ['a user and a password', `bob:${SECRET}`],
    ['a password that starts with a digit', `bob:4${SECRET}`],
    ['a password with signs in it', `bob:${SECRET}%40%2F:x`],
    ['an @ in the password', `bob:@${SECRET}`],
    ['a token', SECRET],
  ])('%s in the URL: AUTH_FAILED, without them', async (_, userinfo) => {
    const where = await start('authorization { user: bob, password: right }');
    expectAuthFailed(await failureOf({ servers: `nats://${userinfo}@${where}` }), where);
  });

  test('an unknown nkey: AUTH_FAILED', async () => {
    const where = await start(`authorization { users: [ { nkey: ${createNkey().publicKey} } ] }`);
    const { seed } = createNkey();
    const error = await failureOf({ servers: where, nkeySeed: seed });
    expectAuthFailed(error, where);
    expect(inspect(error, { depth: 20 })).not.toContain(seed);
  });

  test('credentials of a foreign operator: AUTH_FAILED', async () => {
    const where = await start(createCredentials().config);
    const { credentials } = createCredentials();
    const error = await failureOf({ servers: where, credentials });
    expectAuthFailed(error, where);
    expect(inspect(error, { depth: 20 })).not.toMatch(/SU[A-Z0-9]{56}/);
  });

  test('a certificate that has expired: CONNECT_FAILED', async () => {
    const where = await start(tlsConfig('expired'));
    const error = await failureOf({
      servers: `nats://bob:${SECRET}@${where}`,
      tls: { caFile: authorityFile },
    });
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', outcome: 'not-executed' });
    expect((error as Error).message).toContain(where);
    expect((error as Error).message).toContain('expired');
  });

  test('a certificate of an untrusted authority: CONNECT_FAILED', async () => {
    const where = await start(tlsConfig('server'));
    const error = await failureOf({ servers: where, tls: {} });
    expect(error).toMatchObject({ code: 'CONNECT_FAILED' });
    expect((error as Error).message).toContain(where);
  });

  test('TLS where the server has none: CONNECT_FAILED', async () => {
    const where = await start('');
    const error = await failureOf({ servers: where, tls: { caFile: authorityFile } });
    expect(error).toMatchObject({ code: 'CONNECT_FAILED' });
    expect((error as Error).message).toContain(where);
  });
});

describe('no nats-server', () => {
  test.each([
    ['differ from server to server', ['nats://a:1@h:1', `nats://b:${SECRET}@h:2`]],
    ['are there for one server only', ['nats://h:1', `nats://b:${SECRET}@h:2`]],
    ['are not percent-encoded', [`nats://b:%zz${SECRET}@h:2`]],
  ])('is asked with credentials in URLs that %s: INVALID_OPTION', async (_, servers) => {
    expect(await failureOf({ servers })).toMatchObject({ code: 'INVALID_OPTION' });
  });

  test('is asked with credentials in its URL and in an option: INVALID_OPTION', async () => {
    const servers = `nats://b:${SECRET}@h:2`;
    expect(await failureOf({ servers, token: 't' })).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await failureOf({ servers, user: 'u' })).toMatchObject({ code: 'INVALID_OPTION' });
  });

  test('behind an unknown host: CONNECT_FAILED', async () => {
    const error = await failureOf({ servers: `nats://bob:${SECRET}@no-such-host.invalid:4222` });
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', outcome: 'not-executed', retryable: true });
    expect((error as Error).message).toContain('no-such-host.invalid:4222');
  });

  test('behind a port that refuses: CONNECT_FAILED, naming every server that was tried', async () => {
    const ports = [await closedPort(), await closedPort()];
    const servers = ports.map((port) => `nats://bob:${SECRET}@127.0.0.1:${port}`);
    const error = await failureOf({ servers });
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', retryable: true });
    for (const port of ports) expect((error as Error).message).toContain(`127.0.0.1:${port}`);
  });

  test('but something that never speaks: CONNECT_FAILED within connectTimeoutMs', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const startMs = performance.now();
    const error = await failureOf({ servers: `127.0.0.1:${port}`, connectTimeoutMs: 100 });
    expect(error).toMatchObject({ code: 'CONNECT_FAILED' });
    expect(performance.now() - startMs).toBeLessThan(1_000);
    silent.close();
  });

  test('but something that speaks otherwise: CONNECT_FAILED', async () => {
    const web = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const { port } = web.address() as AddressInfo;
    expect(await failureOf({ servers: `127.0.0.1:${port}` })).toMatchObject({ code: 'CONNECT_FAILED' });
    web.close();
  });
});

/** A port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
