import { systemClock } from '@clstr/core';
import { LateLogger } from '@clstr/core/internal';
import { describe, expect, test } from 'vitest';
import { defaults } from '../src/defaults.ts';
import { natsCluster } from '../src/nats-cluster.ts';
import { resolveNatsOptions } from '../src/nats-options.ts';
import { scriptedConnection } from './scripted-connection.ts';

const refusal = (message: string | RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

const resolve = (options: object) => resolveNatsOptions(options);

test('the defaults are frozen and used', () => {
  expect(Object.isFrozen(defaults)).toBe(true);
  expect(resolve({})).toEqual({
    connection: undefined,
    connect: {
      servers: ['127.0.0.1:4222'],
      timeout: 2_000,
      reconnectTimeWait: 250,
      pingInterval: 2_000,
      noAsyncTraces: true,
      pendingLimit: 262_144,
    },
    cluster: 'clstr',
    subjectPrefix: 'clstr',
    inboxPrefixes: ['_INBOX'],
    wire: 'native',
    maxWaiting: 16_384,
    maxWaitingBytes: 67_108_864,
    clock: systemClock,
    logger: expect.any(LateLogger) as unknown,
  });
});

test('what is given is used', () => {
  const tls = { caFile: 'ca.pem' };
  const options = resolve({
    servers: ['a:1', 'nats://b:2'],
    name: 'me',
    tls,
    user: 'u',
    pass: 'p',
    wire: 'json',
    connectTimeoutMs: 1,
    reconnectWaitMs: 2,
    pingIntervalMs: 3,
    maxWaiting: 0,
    maxWaitingBytes: 0,
    subjectPrefix: 'my.cluster',
    inboxPrefixes: ['my.inbox', '_INBOX'],
  });
  expect(options).toMatchObject({
    connect: {
      servers: ['a:1', 'nats://b:2'],
      name: 'me',
      tls,
      user: 'u',
      pass: 'p',
      timeout: 1,
      reconnectTimeWait: 2,
      pingInterval: 3,
    },
    cluster: undefined,
    subjectPrefix: 'my.cluster',
    inboxPrefixes: ['my.inbox', '_INBOX'],
    wire: 'json',
    maxWaiting: 0,
    maxWaitingBytes: 0,
  });
  expect(Object.isFrozen(options)).toBe(true);
});

test('the name of the cluster gives the subjects, unless a prefix is set', () => {
  expect(resolve({ cluster: 'shop' })).toMatchObject({ cluster: 'shop', subjectPrefix: 'shop' });
  expect(resolve({ cluster: 'shop', subjectPrefix: 'go.shop' })).toMatchObject({
    cluster: 'shop',
    subjectPrefix: 'go.shop',
  });
});

test.each(['', 'a.b', 'a*', 'x'.repeat(65)])('refuses the cluster %j', (cluster) => {
  expect(() => resolve({ cluster })).toThrow('natsTransport: cluster must be 1 to 64 of');
});

describe('credentials', () => {
  const SEED = 'SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY';

  test('of each kind reach the NATS client', () => {
    expect(resolve({ token: 't' }).connect).toMatchObject({ token: 't' });
    expect(resolve({ user: 'u' }).connect).toMatchObject({ user: 'u' });
    expect(resolve({ servers: 'nats://u:p@a' }).connect).toMatchObject({
      servers: ['nats://a'],
      user: 'u',
      pass: 'p',
    });
    const authenticators = (options: object) => resolve(options).connect.authenticator;
    expect(authenticators({ nkeySeed: SEED })).toEqual([expect.any(Function)]);
    expect(authenticators({ credentials: 'text' })).toEqual([expect.any(Function)]);
    expect(authenticators({ credentials: Uint8Array.of(1) })).toEqual([expect.any(Function)]);
    const [a, b] = [() => ({}), () => ({})];
    expect(authenticators({ authenticator: a })).toEqual([a]);
    expect(authenticators({ authenticator: [a, b] })).toEqual([a, b]);
    expect(authenticators({ authenticator: a, nkeySeed: SEED })).toHaveLength(2);
  });

  test.each([
    { token: 't', user: 'u' },
    { token: 't', nkeySeed: SEED },
    { nkeySeed: SEED, credentials: 'text' },
    { user: 'u', servers: 'nats://t@a' },
    { credentials: 'text', servers: 'nats://u:p@a' },
  ])('of two kinds are refused: %o', (options) => {
    expect(() => resolve(options)).toThrow(
      refusal('^natsTransport: give one of token, user, nkeySeed, credentials and a login in servers only$'),
    );
  });

  test('a password without a user is refused', () => {
    expect(() => resolve({ pass: 'p' })).toThrow(refusal('^natsTransport: pass is given without user$'));
  });

  test.each([
    ['token', 5, 'a non-empty string'],
    ['token', '', 'a non-empty string'],
    ['user', '', 'a non-empty string'],
    ['pass', {}, 'a non-empty string'],
    ['name', '', 'a non-empty string'],
    ['nkeySeed', 5, 'a string, got a number'],
    ['credentials', { secret: 1 }, 'the text or the bytes of a .creds file, got a object'],
    ['authenticator', 'secret', 'a function or a list of functions, got a string'],
    ['authenticator', ['secret'], 'a function or a list of functions, got a object'],
    ['tls', true, 'an object, got a boolean'],
  ])('the %s %o is refused without showing it', (name, value, why) => {
    const options = { user: name === 'pass' ? 'u' : undefined, [name]: value };
    expect(() => resolve(options)).toThrow(refusal(`^natsTransport: ${name} must be ${why}$`));
    expect(() => resolve(options)).not.toThrow(/secret/);
  });
});

describe('a server', () => {
  test.each([
    'nats://user:s3cret',
    'nats://127.0.0.1:4222?token=s3cret',
    'a:4222/s3cret',
    'a:4222#s3cret',
    'a:s3cret',
    'a b',
    's3cret\nx',
    'nats://',
    'u:s3cret@',
    'nats://u:s3cret@a:1,b:2',
    'a:123456',
    '[::1',
  ])('%j is refused without showing its text', (server) => {
    const options = { servers: ['good:4222', server] };
    expect(() => resolve(options)).toThrow(
      refusal(String.raw`^natsTransport: servers\[1\] must be host:port`),
    );
    expect(() => resolve(options)).not.toThrow(/s3cret/);
  });

  test.each([
    'a',
    'a:1',
    'nats://a',
    'nats://a-b.c_d:4222',
    'tls://a.example:4222',
    '127.0.0.1',
    '127.0.0.1:4222',
    '::1',
    '[::1]',
    '[::1]:4222',
    'nats://[fe80::1%eth0]:4222',
    'bücher.example:4222',
  ])('may be %s', (server) => {
    expect(resolve({ servers: server }).connect.servers).toEqual([server]);
  });

  test('may have spaces around it', () => {
    expect(resolve({ servers: ' a:1 ' }).connect.servers).toEqual(['a:1']);
  });
});

test.each([
  ['servers', [], 'a server or a list of servers, got an array'],
  ['servers', 5, 'a server or a list of servers, got 5'],
  ['servers', [''], 'host:port, got ""'],
  ['servers', ['a', 5], 'host:port, got 5'],
  ['wire', 'xml', "'native' or 'json', got \"xml\""],
  ['subjectPrefix', '', 'a NATS subject without wildcards, got ""'],
  ['subjectPrefix', 'a.*', 'got "a.\\*"'],
  ['subjectPrefix', 'a b', 'got "a b"'],
  ['subjectPrefix', 5, 'got 5'],
  ['subjectPrefix', 'x'.repeat(129), 'a NATS subject without wildcards'],
  ['inboxPrefixes', [], 'a list of at least one subject'],
  ['inboxPrefixes', '_INBOX', 'a list of at least one subject'],
  ['inboxPrefixes', ['_INBOX', '>'], 'got ">"'],
  ['connectTimeoutMs', 0, 'from 1 to 2147483647, got 0'],
  ['reconnectWaitMs', NaN, 'got NaN'],
  ['pingIntervalMs', 2 ** 31, 'got 2147483648'],
  ['maxWaiting', -1, 'from 0 to .*, got -1'],
  ['maxWaitingBytes', 1.5, 'from 0 to .*, got 1.5'],
  ['clock', { monoMs() {} }, 'wallMs'],
  ['logger', {}, 'debug'],
  ['connection', {}, 'a connection of the nats package, got a object'],
  ['connection', null, 'a connection of the nats package'],
])('the %s %o is refused', (name, value, why) => {
  expect(() => resolve({ [name]: value })).toThrow(refusal(`^natsTransport: ${name} must be .*${why}`));
});

test('an option that is not known is refused, naming those that are', () => {
  expect(() => resolve({ url: 'x' })).toThrow(
    refusal('^natsTransport: unknown option "url"; known: servers, '),
  );
});

describe('a borrowed connection', () => {
  test('is used as it is', () => {
    const { nats } = scriptedConnection();
    const options = resolve({ connection: nats });
    expect(options.connection).toBe(nats);
    expect(options.connect).toEqual({});
  });

  test.each(['servers', 'token', 'user', 'tls', 'name', 'pingIntervalMs'])(
    'refuses %s, which has to be set where it is opened',
    (name) => {
      const options = { connection: scriptedConnection().nats, [name]: 'x' };
      expect(() => resolve(options)).toThrow(
        refusal(`^natsTransport: ${name} has no effect on a borrowed connection; set it where`),
      );
    },
  );
});

test('a cluster says where its servers are, without their credentials', () => {
  const servers = ['nats://ada:secret@one:4222', 'ada:secret@two'];
  expect(natsCluster({ servers }).address).toBe('nats://one:4222, two');
  expect(natsCluster().address).toBe('127.0.0.1:4222');
});
