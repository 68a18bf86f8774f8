import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import type { Client, ClientInterceptor, ClientOptions, NotifyFailure } from '../../src/index.ts';
import type { Clock } from '../../src/base/clock.ts';
import { ActorError, ClstrError } from '../../src/base/errors.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import { shardFromString } from '../../src/placement/shard.ts';
import { recordLog } from '@clstr/testing/internal';
import { ManualClock } from '../manual-clock.ts';
import { recordMetrics } from '../recorded-metrics.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const refusal = (message: string | RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

function start(options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const client = createClient({ transport, clock, numShards: 16, routing: 'static', ...options });
  return { transport, clock, client };
}

/** The code and outcome of a failure, or the value. */
async function endOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => {
    if (!(error instanceof ClstrError)) throw error;
    return { code: error.code, outcome: error.outcome, message: error.message };
  });
}

describe('the options of createClient', () => {
  const transport = new ScriptedTransport();

  test.each([
    ['transport', undefined, 'got undefined'],
    ['transport', {}, 'openLink'],
    ['transport', { openLink() {}, serve() {} }, 'onConnection'],
    ['numShards', 0, 'from 1 to 4294967295, got 0'],
    ['numShards', 2 ** 32, 'got 4294967296'],
    ['numShards', NaN, 'got NaN'],
    ['seed', 5, 'a string, got 5'],
    ['codec', { encode() {} }, 'decode'],
    ['headers', 'a=b', 'an object of strings, got "a=b"'],
    ['headers', null, 'an object of strings, got null'],
    ['timeoutMs', 0, 'from 1 to 2147483647, got 0'],
    ['timeoutMs', -1, 'got -1'],
    ['timeoutMs', 1.5, 'got 1.5'],
    ['timeoutMs', 2 ** 31, 'got 2147483648'],
    ['maxKeyBytes', 0, 'from 1 to 65535, got 0'],
    ['maxKeyBytes', 65_536, 'got 65536'],
    ['maxPending', 0, 'got 0'],
    ['maxPending', NaN, 'got NaN'],
    ['interceptors', () => undefined, 'a list of functions, got a function'],
    ['interceptors', [5], 'a list of functions, got an array'],
    ['onNotifyFailed', 'log', 'a function, got "log"'],
    ['clock', { monoMs() {}, wallMs() {}, timer() {} }, 'macrotask'],
    ['random', Math.random, 'bytes'],
    ['metrics', { requestEnd() {}, transportErrors() {} }, 'at least one of requestEnded'],
    ['metrics', [{ requestEnded() {} }, {}], 'at least one of requestEnded'],
    ['logger', { debug() {}, info() {}, warn() {} }, 'error'],
  ])('refuses the %s %o', (name, value, why) => {
    const options = { transport, [name]: value } as unknown as ClientOptions;
    expect(() => createClient(options)).toThrow(refusal(`^createClient: ${name} must be .*${why}`));
  });

  test('refuses an option that it does not know, naming those it knows', () => {
    const options = { transport, timeout: 5 } as unknown as ClientOptions;
    expect(() => createClient(options)).toThrow(
      refusal('^createClient: unknown option "timeout"; known: transport, numShards'),
    );
    expect(() => createClient(undefined as never)).toThrow(refusal('options must be an object'));
  });

  test('refuses headers that no message could carry', () => {
    expect(() => createClient({ transport, headers: { 'X-Clstr-Ttl': '5' } })).toThrow(
      expect.objectContaining({ code: 'RESERVED_HEADER' }),
    );
    expect(() => createClient({ transport, headers: ['a'] as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_ENVELOPE' }),
    );
  });

  test('numShards and seed decide the shard of a key', () => {
    const { client } = start({ numShards: 999, seed: 'my-seed' });
    expect(client.shardOf('key')).toBe(shardFromString('key', 999, 'my-seed'));
    expect(client.shardOf('key')).not.toBe(start({ numShards: 999 }).client.shardOf('key'));
  });

  test('are 1024 shards, no seed, 5 seconds and JSON when not given', async () => {
    const transport = new ScriptedTransport();
    const clock = fakeClock();
    const client = createClient({ transport, clock });
    expect(client.shardOf('key')).toBe(shardFromString('key', 1024));
    const call = endOf(client.requestKey('key', 'Get', { a: 1 }));
    expect(transport.last.entry.payload).toBe('{"a":1}');
    expect(transport.last.entry.remainingMs()).toBe(5_000);
    transport.last.leave();
    await clock.advance(5_020);
    expect(await call).toMatchObject({ code: 'TIMEOUT' });
  });

  test('codec encodes payloads and decodes replies', async () => {
    const codec = {
      name: 'reversed',
      encode: (value: unknown) => (value as string).split('').reverse().join(''),
      decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes).split('').reverse().join(''),
    };
    const { client, transport } = start({ codec });
    const call = client.requestKey('key', 'Get', 'abc');
    expect(transport.last.entry).toMatchObject({ payload: 'cba', isRaw: false });
    transport.last.replyEncoded('zyx');
    expect(await call).toBe('xyz');
  });

  test('maxKeyBytes bounds the key in bytes of UTF-8', async () => {
    const { client } = start({ maxKeyBytes: 4 });
    expect(await endOf(client.requestKey('üüa', 'Get'))).toMatchObject({ code: 'INVALID_ENVELOPE' });
    expect(() => client.shardOf('abcde')).toThrow(expect.objectContaining({ code: 'INVALID_ENVELOPE' }));
    expect(client.shardOf('üü')).toBe(shardFromString('üü', 16));
  });

  test('maxPending bounds the calls that wait, and the notifies that have not left', async () => {
    const { client, transport } = start({ maxPending: 2 });
    const first = client.requestKey('a', 'Get');
    const notify = client.notifyKey('b', 'Poke');
    expect(await endOf(client.requestKey('c', 'Get'))).toEqual({
      code: 'OVERLOADED',
      outcome: 'not-executed',
      message: '2 calls of this client are pending (maxPending)',
    });
    expect(transport.sent).toHaveLength(2);
    transport.sent[0]!.reply(1);
    await first;
    transport.sent[1]!.leave();
    await notify;
    void client.requestKey('d', 'Get').catch(() => undefined);
    const third = client.requestKey('c', 'Get');
    transport.last.reply(3);
    expect(await third).toBe(3);
  });

  test('random gives the client id of the link', () => {
    const random = { bytes: (count: number) => new Uint8Array(count).fill(1) };
    const { transport } = start({ random });
    expect(transport.clientIds).toEqual([0x01_0101 * 2 ** 32 + 0x0101_0101]);
  });

  test('two clients have different client ids', () => {
    expect(start().transport.clientIds).not.toEqual(start().transport.clientIds);
  });
});

describe('a call', () => {
  test('carries key, shard, type, payload and the rest of its time', async () => {
    const { client, transport, clock } = start();
    const call = client.requestKey('key', 'Get', { a: 1 }, { timeoutMs: 100, headers: { tenant: 'x' } });
    const { entry, to } = transport.last;
    const shard = client.shardOf('key');
    expect(to).toEqual({ shard });
    expect(entry).toMatchObject({ isNotify: false, shard, key: 'key', type: 'Get', payload: '{"a":1}' });
    expect({ ...entry.headers }).toEqual({ tenant: 'x' });
    expect(entry.remainingMs()).toBe(100);
    await clock.advance(40);
    expect(entry.remainingMs()).toBe(60);
    transport.last.reply({ b: 2 });
    expect(await call).toEqual({ b: 2 });
  });

  test('numbers its attempts from 1, each once', () => {
    const { client, transport } = start();
    for (let i = 0; i < 3; i++) void client.requestKey('key', 'Get').catch(() => undefined);
    expect(transport.sent.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  test('to a shard carries no key', () => {
    const { client, transport } = start();
    void client.requestShard(3, 'Get').catch(() => undefined);
    expect(transport.last.entry).toMatchObject({ shard: 3, key: undefined, isNotify: false });
    void client.notifyShard(15, 'Poke').catch(() => undefined);
    expect(transport.last.entry).toMatchObject({ shard: 15, key: undefined, isNotify: true });
  });

  test.each([-1, 16, 1.5, NaN, '3', undefined])('to the shard %s of 16 is refused', async (shard) => {
    const { client, transport } = start();
    const wrong = { code: 'INVALID_ENVELOPE', message: expect.stringContaining('from 0 to 15, got') };
    expect(await endOf(client.requestShard(shard as number, 'Get'))).toMatchObject(wrong);
    expect(await endOf(client.notifyShard(shard as number, 'Get'))).toMatchObject(wrong);
    expect(() => client.shard(shard as number)).toThrow(expect.objectContaining(wrong));
    expect(transport.sent).toEqual([]);
  });

  test.each(['', undefined, 5, '\ud800'])('with the key %j is refused', async (key) => {
    const { client, transport } = start();
    expect(await endOf(client.requestKey(key as string, 'Get'))).toMatchObject({ code: 'KEY_REQUIRED' });
    expect(await endOf(client.notifyKey(key as string, 'Get'))).toMatchObject({ code: 'KEY_REQUIRED' });
    expect(() => client.key(key as string)).toThrow(expect.objectContaining({ code: 'KEY_REQUIRED' }));
    expect(transport.sent).toEqual([]);
  });

  test.each(['', 'clstr.node.info', 'a\nb', 'x'.repeat(256)])('of the type %j is refused', async (type) => {
    const { client, transport } = start();
    expect(await endOf(client.requestKey('key', type))).toMatchObject({ code: 'INVALID_ENVELOPE' });
    expect(await endOf(client.requestKey('key', type))).toMatchObject({ code: 'INVALID_ENVELOPE' });
    expect(transport.sent).toEqual([]);
  });

  test('of more types than the client remembers still has its type checked', async () => {
    const { client, transport } = start();
    for (let i = 0; i <= 1_024; i++) void client.requestKey('key', `Type${i}`).catch(() => undefined);
    expect(transport.last.entry.type).toBe('Type1024');
    expect(await endOf(client.requestKey('key', 'clstr.secret'))).toMatchObject({ code: 'INVALID_ENVELOPE' });
  });

  test.each([0, -5, 1.5, NaN, '5', 2 ** 31])('with the timeoutMs %s is refused', async (timeoutMs) => {
    const { client, transport } = start();
    expect(await endOf(client.requestKey('key', 'Get', 1, { timeoutMs: timeoutMs as number }))).toMatchObject(
      { code: 'INVALID_OPTION', message: expect.stringContaining('timeoutMs must be') },
    );
    expect(transport.sent).toEqual([]);
  });

  test.each([
    [
      { timeout: 5 },
      'unknown option "timeout"; known: timeoutMs, headers, signal, idempotent, idempotencyKey, critical, callChain, isNested',
    ],
    [{ isNested: 1 }, 'isNested must be true or false, got 1'],
    [5, 'options must be an object, got 5'],
    [null, 'options must be an object, got null'],
    [{ signal: 'stop' }, 'signal must be an AbortSignal, got "stop"'],
    [{ signal: null }, 'signal must be an AbortSignal, got null'],
    [{ signal: new AbortController() }, 'signal must be an AbortSignal, got an object'],
  ])('with the options %o is refused', async (options, why) => {
    const { client, transport } = start();
    const call = client.requestKey('key', 'Get', 1, options as never);
    expect(await endOf(call)).toMatchObject({ code: 'INVALID_OPTION', message: `call: ${why}` });
    expect(transport.sent).toEqual([]);
  });

  test('whose payload has no encoded form says why, and was not executed', async () => {
    const { client, transport } = start();
    expect(await endOf(client.requestKey('key', 'Get', { items: [{ at: new Map() }] }))).toMatchObject({
      code: 'INVALID_ENVELOPE',
      outcome: 'not-executed',
      message:
        'the payload of "Get" cannot be encoded as json: items[0].at is a Map, which JSON turns into {}: ' +
        'send an array of its entries, or use a codec that carries it',
    });
    expect(transport.sent).toEqual([]);
  });

  test('keeps the error that a codec throws on purpose', async () => {
    const codec = {
      name: 'strict',
      encode(): string {
        throw new ClstrError('VALIDATION_FAILED', 'no such field');
      },
      decode: () => undefined,
    };
    const { client } = start({ codec });
    expect(await endOf(client.requestKey('key', 'Get', 1))).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  test('whose codec throws no error at all fails with what was thrown', async () => {
    const codec = {
      name: 'odd',
      encode(): string {
        throw 'a string';
      },
      decode: () => undefined,
    };
    const { client } = start({ codec });
    expect(await endOf(client.requestKey('key', 'Get', 1))).toMatchObject({
      code: 'INVALID_ENVELOPE',
      message: 'the payload of "Get" cannot be encoded as odd: a string',
    });
  });
});

describe('headers', () => {
  const sentHeaders = (transport: ScriptedTransport) => ({ ...transport.last.entry.headers });

  test('of the client go with every call, and a call may replace them', () => {
    const { client, transport } = start({ headers: { tenant: 'a', trace: '1' } });
    void client.requestKey('key', 'Get').catch(() => undefined);
    expect(sentHeaders(transport)).toEqual({ tenant: 'a', trace: '1' });
    void client.requestKey('key', 'Get', 1, { headers: { trace: '2', more: '3' } }).catch(() => undefined);
    expect(sentHeaders(transport)).toEqual({ tenant: 'a', trace: '2', more: '3' });
    void client.notifyShard(1, 'Get', 1, { headers: {} }).catch(() => undefined);
    expect(sentHeaders(transport)).toEqual({ tenant: 'a', trace: '1' });
  });

  test('of the client are copied: a later change does not reach the wire', () => {
    const headers = { tenant: 'a' };
    const { client, transport } = start({ headers });
    headers.tenant = 'b';
    void client.requestKey('key', 'Get').catch(() => undefined);
    expect(sentHeaders(transport)).toEqual({ tenant: 'a' });
  });

  test('of a call are checked', async () => {
    const { client, transport } = start({ headers: { tenant: 'a' } });
    const send = (headers: unknown) => endOf(client.requestKey('key', 'Get', 1, { headers } as never));
    expect(await send({ 'x-CLSTR-key': 'b' })).toMatchObject({ code: 'RESERVED_HEADER' });
    expect(await send({ trace: 5 })).toMatchObject({ code: 'INVALID_ENVELOPE' });
    expect(transport.sent).toEqual([]);
  });

  test('of client and call together keep the limits', async () => {
    const many = (prefix: string) =>
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${prefix}${i}`, '']));
    const { client } = start({ headers: many('a') });
    expect(await endOf(client.requestKey('key', 'Get', 1, { headers: many('b') }))).toMatchObject({
      code: 'INVALID_ENVELOPE',
      message: '80 headers are more than 64',
    });
  });
});

describe('interceptors', () => {
  test('run around a call, the first outermost, and see its arguments', async () => {
    const order: string[] = [];
    const named =
      (name: string): ClientInterceptor =>
      async (call, next) => {
        order.push(`${name} before ${call.type} ${String(call.key)} ${call.shard} ${call.isNotify}`);
        const reply = await next(call);
        order.push(`${name} after ${String(reply)}`);
        return `${name}(${String(reply)})`;
      };
    const { client, transport } = start({ interceptors: [named('a'), named('b')] });
    const call = client.requestKey('key', 'Get', 1);
    transport.last.reply('r');
    expect(await call).toBe('a(b(r))');
    const shard = client.shardOf('key');
    const seen = `Get key ${shard} false`;
    expect(order).toEqual([`a before ${seen}`, `b before ${seen}`, 'b after r', 'a after b(r)']);
  });

  test('may change type, payload and options', () => {
    const change: ClientInterceptor = (call, next) =>
      next({
        ...call,
        type: `${call.type}V2`,
        payload: { old: call.payload },
        options: { timeoutMs: 77, headers: { a: 'b' } },
      });
    const { client, transport } = start({ interceptors: [change] });
    void client.requestKey('key', 'Get', 1, { timeoutMs: 5 }).catch(() => undefined);
    const { entry } = transport.last;
    expect(entry).toMatchObject({ type: 'GetV2', payload: '{"old":1}' });
    expect(entry.remainingMs()).toBe(77);
    expect({ ...entry.headers }).toEqual({ a: 'b' });
  });

  test('cannot change where a call goes, nor what it is', () => {
    const change: ClientInterceptor = (call, next) =>
      next({ ...call, key: 'other', shard: 15 - call.shard, isNotify: true });
    const { client, transport } = start({ interceptors: [change] });
    const shard = client.shardOf('key');
    void client.requestKey('key', 'Get').catch(() => undefined);
    expect(transport.last.to).toEqual({ shard });
    expect(transport.last.entry).toMatchObject({ key: 'key', shard, isNotify: false });
  });

  test('see options even where the caller gave none', () => {
    let seen: unknown;
    const look: ClientInterceptor = (call, next) => {
      seen = call.options;
      return next(call);
    };
    const { client } = start({ interceptors: [look] });
    void client.notifyShard(1, 'Poke').catch(() => undefined);
    expect(seen).toEqual({});
  });

  test('cannot bring in a type of the framework or a malformed one', async () => {
    const to =
      (type: unknown): ClientInterceptor =>
      (call, next) =>
        next({ ...call, type: type as string });
    for (const type of ['clstr.node.info', '', 5]) {
      const { client, transport } = start({ interceptors: [to(type)] });
      expect(await endOf(client.requestKey('key', 'Get'))).toMatchObject({ code: 'INVALID_ENVELOPE' });
      expect(transport.sent).toEqual([]);
    }
  });

  test('that throw synchronously reject the call, not the caller', async () => {
    const broken: ClientInterceptor = () => {
      throw new Error('broken');
    };
    const { client, transport } = start({ interceptors: [broken] });
    const call = client.requestKey('key', 'Get');
    await expect(call).rejects.toThrow('broken');
    expect(transport.sent).toEqual([]);
  });

  test('that pass nothing on reject the call', async () => {
    const forgetful: ClientInterceptor = (_call, next) => next(undefined!);
    const { client } = start({ interceptors: [forgetful] });
    expect(await endOf(client.requestKey('key', 'Get'))).toMatchObject({
      code: 'INVALID_OPTION',
      message: 'interceptor: next() must be given a call, got undefined',
    });
  });

  test('may answer themselves, or send twice', async () => {
    const cached: ClientInterceptor = async () => 'cached';
    const quiet = start({ interceptors: [cached] });
    expect(await quiet.client.requestKey('key', 'Get')).toBe('cached');
    expect(quiet.transport.sent).toEqual([]);

    const again: ClientInterceptor = (call, next) => next(call).catch(() => next(call));
    const { client, transport } = start({ interceptors: [again] });
    const call = client.requestKey('key', 'Get');
    transport.last.fail(new ClstrError('NO_SUBSCRIBER', 'nobody'));
    for (let i = 0; i < 20; i++) await Promise.resolve();
    transport.last.reply(2);
    expect(await call).toBe(2);
    expect(transport.sent).toHaveLength(2);
  });

  test('are copied from the list: one added later does not run', () => {
    const interceptors: ClientInterceptor[] = [];
    const { client, transport } = start({ interceptors });
    interceptors.push(async () => 'never');
    void client.requestKey('key', 'Get').catch(() => undefined);
    expect(transport.sent).toHaveLength(1);
  });

  test('do not see a call that is wrong already', async () => {
    let count = 0;
    const { client } = start({ interceptors: [(call, next) => (count++, next(call))] });
    await endOf(client.requestKey('', 'Get'));
    await endOf(client.requestShard(99, 'Get'));
    await endOf(client.requestKey('key', 'clstr.x'));
    expect(count).toBe(0);
  });
});

describe('key() and shard() with options', () => {
  test('give them to each of their calls, whose own options win', async () => {
    const { client, transport, clock } = start({ headers: { a: 'client', b: 'client' } });
    const headers = { b: 'scope', c: 'scope' };
    const scoped = client.key('key', { timeoutMs: 50, headers, idempotent: true });
    headers.b = 'changed later';
    const first = endOf(scoped.request('Get'));
    expect({ ...transport.last.entry.headers }).toEqual({ a: 'client', b: 'scope', c: 'scope' });
    await clock.advance(100);
    expect(await first).toMatchObject({ code: 'TIMEOUT' });
    void endOf(scoped.request('Get', 1, { timeoutMs: 500, headers: { c: 'call' }, signal: undefined }));
    expect({ ...transport.last.entry.headers }).toEqual({ a: 'client', b: 'scope', c: 'call' });
    expect(transport.last.entry.remainingMs()).toBe(500);
    void endOf(client.shard(3, { timeoutMs: 70 }).nodeInfo());
    expect(transport.last.entry.remainingMs()).toBe(70);
    void endOf(client.shard(3, { timeoutMs: 80 }).notify('Poke'));
    expect(transport.last.entry.remainingMs()).toBe(80);
    await client.close();
  });

  test('give them a signal and the right to repeat', async () => {
    const { client, transport, clock } = start();
    const controller = new AbortController();
    const scoped = client.key('key', { idempotent: true, signal: controller.signal });
    const call = endOf(scoped.request('Get'));
    transport.last.fail(new ClstrError('CONNECTION_LOST', 'broke'));
    await clock.advance(1_000);
    expect(transport.sent).toHaveLength(2);
    controller.abort();
    expect(await call).toMatchObject({ code: 'ABORTED' });
  });

  test.each([
    [{ timeoutMs: 0 }, 'INVALID_OPTION'],
    [{ timeout: 5 }, 'INVALID_OPTION'],
    [{ signal: 'stop' }, 'INVALID_OPTION'],
    [{ idempotent: 'yes' }, 'INVALID_OPTION'],
    [null, 'INVALID_OPTION'],
    [{ headers: { 'x-clstr-key': 'a' } }, 'RESERVED_HEADER'],
    [{ headers: { a: 5 } }, 'INVALID_ENVELOPE'],
  ])('refuse %j at once', (options, code) => {
    const { client } = start();
    const refused = expect.objectContaining({ code });
    expect(() => client.key('key', options as never)).toThrow(refused);
    expect(() => client.shard(1, options as never)).toThrow(refused);
  });

  test.each([5, null, { timeout: 5 }, { headers: 5 }])(
    'leave %j of a call to the call to refuse',
    async (own) => {
      const { client } = start();
      const scoped = client.key('key', { headers: { a: 'b' } });
      const error = await endOf(scoped.request('Get', 1, own as never));
      expect((error as ClstrError).code).toMatch(/INVALID_OPTION|INVALID_ENVELOPE/);
    },
  );
});

describe('key() and shard()', () => {
  test('send to the one key', async () => {
    const { client, transport } = start();
    const scoped = client.key('key');
    const call = scoped.request('Get', 1, { timeoutMs: 50 });
    const shard = client.shardOf('key');
    expect(transport.last.entry).toMatchObject({ key: 'key', shard, type: 'Get', payload: '1' });
    expect(transport.last.entry.remainingMs()).toBe(50);
    transport.last.reply('r');
    expect(await call).toBe('r');
    const notify = scoped.notify('Poke', 2);
    expect(transport.last.entry).toMatchObject({ key: 'key', isNotify: true, payload: '2' });
    transport.last.leave();
    await notify;
  });

  test('send to the one shard', () => {
    const { client, transport } = start();
    void client
      .shard(7)
      .request('Get')
      .catch(() => undefined);
    expect(transport.last.entry).toMatchObject({ key: undefined, shard: 7, isNotify: false });
    void client
      .shard(7)
      .notify('Poke')
      .catch(() => undefined);
    expect(transport.last.entry).toMatchObject({ key: undefined, shard: 7, isNotify: true });
  });
});

describe('nodeInfo', () => {
  test('asks the owner of the key, without the key, under a reserved type', async () => {
    const { client, transport } = start();
    const call = client.key('key').nodeInfo({ timeoutMs: 30 });
    const { entry } = transport.last;
    expect(entry).toMatchObject({ type: 'clstr.node.info', key: undefined, shard: client.shardOf('key') });
    expect(entry.remainingMs()).toBe(30);
    transport.last.reply({ node_id: 'n1', shards: [1, 2] });
    expect(await call).toEqual({ nodeId: 'n1', shards: [1, 2] });
  });

  test('does not go through interceptors', () => {
    let count = 0;
    const { client } = start({ interceptors: [(call, next) => (count++, next(call))] });
    void client
      .shard(1)
      .nodeInfo()
      .catch(() => undefined);
    expect(count).toBe(0);
  });

  test.each([
    null,
    5,
    'n1',
    [],
    {},
    { node_id: 5, shards: [] },
    { node_id: 'a\n', shards: [] },
    { node_id: 'n1', shards: [1, 1_024] },
    { node_id: 'n1', shards: 'all' },
  ])('refuses the answer %j, which was executed', async (answer) => {
    const { client, transport } = start();
    const call = endOf(client.shard(3).nodeInfo());
    transport.last.reply(answer);
    expect(await call).toMatchObject({
      code: 'INVALID_ENVELOPE',
      outcome: 'executed',
      message: expect.stringContaining('a node answered clstr.node.info with'),
    });
  });

  test('refuses an empty answer', async () => {
    const { client, transport } = start();
    const call = endOf(client.shard(3).nodeInfo());
    transport.last.replyEncoded('');
    expect(await call).toMatchObject({ code: 'INVALID_ENVELOPE', outcome: 'executed' });
  });
});

describe('metrics', () => {
  test('get the duration of each request, and whether it succeeded', async () => {
    const metrics = recordMetrics();
    const { client, transport, clock } = start({ metrics });
    const good = client.requestKey('key', 'Get', 1, { timeoutMs: 300 });
    await clock.advance(40);
    transport.last.reply(1);
    await good;
    const bad = endOf(client.requestKey('key', 'Get'));
    await clock.advance(5);
    transport.last.refuse(new ActorError('NO_SUCH_USER', 'no'));
    await bad;
    expect(metrics.calls).toEqual([
      ['requestEnded', 'Get', true, 40],
      ['requestEnded', 'Get', false, 5],
    ]);
  });

  test('take one reading of the clock for all replies of one message', async () => {
    const [metrics, clock] = [recordMetrics(), new ManualClock()];
    const { client, transport } = start({ metrics, clock });
    const link = transport.link as { messagesRead?: number | undefined };
    const calls = [1, 2, 3].map(() => client.requestKey('key', 'Get'));
    const [first, second, third] = transport.sent.slice(-3);
    clock.nowMs += 10;
    link.messagesRead = 1;
    first!.reply(1);
    clock.nowMs += 1;
    second!.reply(1);
    clock.nowMs += 5;
    link.messagesRead = 2;
    third!.reply(1);
    await Promise.all(calls);
    expect(metrics.calls.map(([, , , durationMs]) => durationMs)).toEqual([10, 10, 16]);
  });

  test('get a notify once, when it is handed over or fails before', async () => {
    const metrics = recordMetrics();
    const { client, transport, clock } = start({ metrics });
    const notify = client.notifyKey('key', 'Poke', 1, { timeoutMs: 100 });
    transport.last.leave();
    await notify;
    expect(metrics.calls).toEqual([['notifyEnded', 'other', true]]);
    await clock.advance(120);
    expect(metrics.calls).toHaveLength(1);
    // No node has refused it as unknown, so that its type is a label from now on.
    const refused = endOf(client.notifyKey('key', 'Poke'));
    transport.last.fail(new ClstrError('PAYLOAD_TOO_LARGE', 'too large'));
    await refused;
    expect(metrics.calls.slice(1)).toEqual([['notifyEnded', 'Poke', false]]);
  });

  test('get a notify again when it is refused for good after it was handed over', async () => {
    const metrics = recordMetrics();
    const { client, transport, clock } = start({ metrics, onNotifyFailed: () => undefined });
    const notify = client.notifyKey('key', 'Poke', 1, { timeoutMs: 100 });
    transport.last.leave();
    await notify;
    transport.last.refuse(new ClstrError('UNKNOWN_TYPE', 'no'));
    await clock.advance(120);
    expect(metrics.calls).toEqual([
      ['notifyEnded', 'other', true],
      ['notifyEnded', 'other', false],
    ]);
  });

  test('name no type that no handler has run', async () => {
    const metrics = recordMetrics();
    const { client, transport, clock } = start({ metrics });
    const call = endOf(client.requestKey('key', 'Get', 1, { timeoutMs: 100 }));
    await clock.advance(200);
    await call;
    const failed = endOf(client.requestKey('key', 'Get'));
    transport.last.refuse(new ClstrError('INTERNAL', 'it ran', { outcome: 'executed' }));
    await failed;
    const ended = metrics.calls.filter(([name]) => name === 'requestEnded');
    expect(ended.map(([, type]) => type)).toEqual(['other', 'Get']);
  });

  test('name no type of a notify that a node refuses as unknown, however many there are', async () => {
    const metrics = recordMetrics();
    const { client, transport, clock } = start({ metrics, onNotifyFailed: () => undefined });
    for (let i = 0; i < 300; i++) {
      const notify = client.notifyKey('key', `made-up-${i}`, 1, { timeoutMs: 100 });
      transport.last.leave();
      await notify;
      transport.last.refuse(new ClstrError('UNKNOWN_TYPE', 'no'));
      await clock.advance(200);
    }
    expect(new Set(metrics.calls.map(([, type]) => type))).toEqual(new Set(['other']));
  });

  test('name no type that a node does not know, and no more than 256', async () => {
    const metrics = recordMetrics();
    const { client, transport } = start({ metrics });
    const end = async (type: string, how: 'reply' | 'unknown'): Promise<void> => {
      const call = endOf(client.requestKey('key', type));
      if (how === 'reply') transport.last.reply(1);
      else transport.last.refuse(new ClstrError('UNKNOWN_TYPE', 'no'));
      await call;
    };
    for (let i = 0; i < 10; i++) await end(`made-up-${i}`, 'unknown');
    expect(metrics.calls.map(([, type]) => type)).toEqual(new Array(10).fill('other'));
    for (let i = 0; i < 300; i++) await end(`Type${i}`, 'reply');
    await end('Type0', 'unknown');
    const types = metrics.calls.map(([, type]) => type);
    expect(new Set(types).size).toBe(257);
    expect(types.at(-1)).toBe('Type0');
  });

  test.each([
    ['NO_SUBSCRIBER', 'no_subscriber'],
    ['TIMEOUT', 'timeout'],
    ['ENVELOPE_EXPIRED', 'ttl_expired'],
    ['TRANSPORT_CLOSED', 'closed'],
  ] as const)('count %s as the transport error %s', async (code, kind) => {
    const metrics = recordMetrics();
    const { client, transport } = start({ metrics });
    const call = endOf(client.requestKey('key', 'Get'));
    transport.last.fail(new ClstrError(code, 'failed'));
    expect(await call).toMatchObject({ code });
    expect(metrics.calls).toEqual([
      ['requestEnded', 'other', false, 0],
      ['transportError', kind],
    ]);
  });

  test('get the reason of each repeat, when the call is sent again', async () => {
    const metrics = recordMetrics();
    const { client, transport, clock } = start({ metrics, routing: 'static' });
    const notify = client.notifyKey('key', 'Poke');
    transport.last.leave();
    await notify;
    const repeats = (): unknown[][] => metrics.calls.filter(([name]) => name === 'callRepeated');
    transport.last.refuse(new ClstrError('OVERLOADED', 'full'));
    expect([repeats(), transport.sent.length]).toEqual([[], 1]);
    await clock.advance(1_000);
    expect([repeats(), transport.sent.length]).toEqual([[['callRepeated', 'OVERLOADED']], 2]);
  });

  test('count nothing for calls that were refused before they began', async () => {
    const metrics = recordMetrics();
    const { client } = start({ metrics });
    await endOf(client.requestKey('', 'Get'));
    expect(metrics.calls).toEqual([]);
  });
});

describe('a notify', () => {
  const nobody = new ClstrError('NO_SUBSCRIBER', 'nobody listens');

  test('resolves when it was handed over, not before', async () => {
    const { client, transport } = start();
    let isResolved = false;
    const notify = client.notifyKey('key', 'Poke').then(() => (isResolved = true));
    await Promise.resolve();
    expect(isResolved).toBe(false);
    transport.last.leave();
    expect(await notify).toBe(true);
  });

  test('that is refused is repeated, more and more rarely, until its deadline', async () => {
    const failures: NotifyFailure[] = [];
    const { client, transport, clock } = start({
      onNotifyFailed: (failure) => failures.push(failure),
      random: { bytes: (count) => new Uint8Array(count).fill(255) },
    });
    await Promise.all([client.notifyKey('key', 'Poke', 1, { timeoutMs: 1_000 }), transport.last.left()]);
    for (const pauseMs of [25, 50, 100, 200, 400]) {
      const count = transport.sent.length;
      transport.last.leave().fail(nobody);
      await clock.advance(pauseMs - 1);
      expect(transport.sent).toHaveLength(count);
      await clock.advance(1);
      expect(transport.sent).toHaveLength(count + 1);
    }
    expect(failures).toEqual([]);
    transport.last.leave().fail(nobody);
    expect(new Set(transport.sent.map(({ attempt }) => attempt)).size).toBe(6);
    expect(failures).toEqual([{ key: 'key', shard: client.shardOf('key'), type: 'Poke', error: nobody }]);
  });

  test('whose repeat succeeds is not reported', async () => {
    const failures: NotifyFailure[] = [];
    const { client, transport, clock } = start({ onNotifyFailed: (failure) => failures.push(failure) });
    await Promise.all([client.notifyShard(1, 'Poke'), transport.last.left()]);
    transport.last.fail(nobody);
    await clock.advance(30);
    expect(transport.sent).toHaveLength(2);
    transport.last.leave();
    await clock.advance(10_000);
    expect(failures).toEqual([]);
    expect(transport.released).toEqual([2]);
  });

  test('that will never succeed is reported at once', async () => {
    const failures: NotifyFailure[] = [];
    const { client, transport } = start({ onNotifyFailed: (failure) => failures.push(failure) });
    await Promise.all([client.notifyShard(1, 'Poke'), transport.last.left()]);
    transport.last.refuse(new ClstrError('UNKNOWN_TYPE', 'what?'));
    expect(failures).toMatchObject([
      { key: undefined, shard: 1, type: 'Poke', error: { code: 'UNKNOWN_TYPE' } },
    ]);
  });

  test('that was refused before it was handed over rejects and is reported', async () => {
    const failures: NotifyFailure[] = [];
    const { client, transport } = start({ onNotifyFailed: (failure) => failures.push(failure) });
    const notify = endOf(client.notifyShard(1, 'Poke'));
    transport.last.fail(new ClstrError('PAYLOAD_TOO_LARGE', 'too large'));
    expect(await notify).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect(failures).toMatchObject([{ shard: 1, type: 'Poke', error: { code: 'PAYLOAD_TOO_LARGE' } }]);
  });

  test('that nobody awaits never rejects unhandled once there is a listener, whatever was wrong', async () => {
    const failures: NotifyFailure[] = [];
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const onNotifyFailed = (failure: NotifyFailure): void => void failures.push(failure);
      const broken: ClientInterceptor = () => Promise.reject(new Error('broken'));
      const { client, transport, clock } = start({ onNotifyFailed, maxPending: 2 });
      void client.notifyKey('late', 'Poke', 1, { timeoutMs: 50 });
      void client.notifyShard(2, 'Poke');
      transport.last.fail(new ClstrError('CONNECTION_LOST', 'broke'));
      void client.notifyKey('', 'Poke');
      void client.notifyKey('k', 'Poke', 5n);
      void client.notifyShard(3, 'Poke', 1, { timeoutMs: -1 });
      void client.key('scoped').notify('Poke', 1, { timeoutMs: 50 });
      void client.notifyKey('more', 'Poke');
      void start({ onNotifyFailed, interceptors: [broken] }).client.notifyKey('k', 'Intercepted');
      await clock.advance(100);
      await client.close();
      void client.notifyKey('closed', 'Poke');
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', note);
    }
    expect(unhandled).toEqual([]);
    const codes = failures.map(({ error }) => error.code).sort();
    expect(codes).toEqual([
      'CONNECTION_LOST',
      'INTERNAL',
      'INVALID_ENVELOPE',
      'INVALID_OPTION',
      'KEY_REQUIRED',
      'OVERLOADED',
      'TIMEOUT',
      'TIMEOUT',
      'TRANSPORT_CLOSED',
    ]);
  });

  test('that failed is logged when there is no listener', async () => {
    const logger = recordLog();
    const { client, transport } = start({ logger });
    await Promise.all([client.notifyShard(1, 'Poke'), transport.last.left()]);
    transport.last.refuse(new ClstrError('UNKNOWN_TYPE', 'what?'));
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        fields: { event: 'client.notify_refused', shard: 1, type: 'Poke', code: 'UNKNOWN_TYPE' },
        message: 'a notify was refused until its deadline: what?',
      },
    ]);
  });

  test('whose listener throws is logged, and harms no other', async () => {
    const logger = recordLog();
    const err = new Error('listener');
    const { client, transport } = start({
      logger,
      onNotifyFailed: () => {
        throw err;
      },
    });
    await Promise.all([client.notifyShard(1, 'Poke'), transport.last.left()]);
    transport.last.refuse(new ClstrError('UNKNOWN_TYPE', 'what?'));
    expect(logger.lines).toEqual([
      { level: 'error', fields: { event: 'client.listener_threw', err }, message: 'onNotifyFailed threw' },
    ]);
  });

  test('is forgotten by the link at its deadline', async () => {
    const { client, transport, clock } = start();
    await Promise.all([client.notifyShard(1, 'Poke', 1, { timeoutMs: 50 }), transport.last.left()]);
    expect(transport.released).toEqual([]);
    await clock.advance(70);
    expect(transport.released).toEqual([1]);
    expect(transport.cancelled).toEqual([]);
  });

  test('beyond 16,384 that could be refused releases the oldest', async () => {
    const { client, transport } = start();
    for (let i = 0; i < 16_384; i++) {
      void client.notifyShard(1, 'Poke');
      transport.last.leave();
    }
    expect(transport.released).toEqual([]);
    for (let i = 0; i < 2; i++) {
      void client.notifyShard(1, 'Poke');
      transport.last.leave();
    }
    expect(transport.released).toEqual([1, 2]);
  });

  test('beyond 64 MiB of payload releases the oldest, and ended ones no longer count', async () => {
    const { client, transport } = start();
    const big = new Uint8Array(40 * 1024 * 1024);
    const half = big.subarray(0, 20 * 1024 * 1024);
    for (const payload of [big, half]) {
      void client.notifyShard(1, 'Poke', payload);
      transport.last.leave();
    }
    expect(transport.released).toEqual([]);
    void client.notifyShard(1, 'Poke', half);
    transport.last.leave();
    expect(transport.released).toEqual([1]);
    void client.notifyShard(1, 'Poke', half);
    transport.last.leave();
    expect(transport.released).toEqual([1]);
  });
});

describe('a second reply', () => {
  test('is a warning that names the shard and the node', () => {
    const logger = recordLog();
    const { transport } = start({ logger });
    transport.link!.onDuplicateReply!(3, nodeAddress('n2', 'x'));
    transport.link!.onDuplicateReply!(4, undefined);
    expect(logger.lines).toMatchObject([
      {
        level: 'warn',
        fields: { shard: 3, nodeId: 'n2' },
        message: expect.stringMatching('shard 3 was answered twice'),
      },
      { level: 'warn', fields: { shard: 4, nodeId: undefined } },
    ]);
  });

  test('is ten warnings and a count, however often one message says so', async () => {
    const logger = recordLog();
    const { transport, clock } = start({ logger });
    for (let i = 0; i < 70_000; i++) transport.link!.onDuplicateReply!(3, undefined);
    await clock.advance(1_000);
    expect(logger.lines).toHaveLength(11);
    expect(logger.lines[10]!.message).toBe('client.answered_twice: 69990 more times in one second');
  });
});

describe('while nodes come back after a lost connection', () => {
  const nobody = new ClstrError('NO_SUBSCRIBER', 'nobody listens');

  test('a request that finds no node is repeated, for two seconds', async () => {
    const { client, transport, clock } = start();
    transport.become('disconnected');
    transport.become('connected');
    const call = client.requestShard(1, 'Get');
    transport.last.leave().fail(nobody);
    await clock.advance(60);
    expect(transport.sent).toHaveLength(2);
    transport.last.reply('back');
    expect(await call).toBe('back');
    await clock.advance(2_000);
    const late = endOf(client.requestShard(1, 'Get'));
    transport.last.leave().fail(nobody);
    expect(await late).toMatchObject({ code: 'NO_SUBSCRIBER', outcome: 'not-executed' });
    expect(transport.sent).toHaveLength(3);
  });

  test('only NO_SUBSCRIBER is repeated', async () => {
    const { client, transport } = start();
    transport.become('disconnected');
    transport.become('connected');
    const call = endOf(client.requestShard(1, 'Get'));
    transport.last.refuse(new ClstrError('OVERLOADED', 'full'));
    expect(await call).toMatchObject({ code: 'OVERLOADED' });
  });

  test('no repeat happens beyond the deadline', async () => {
    const { client, transport } = start({ random: { bytes: (count) => new Uint8Array(count).fill(255) } });
    transport.become('disconnected');
    transport.become('connected');
    const call = endOf(client.requestShard(1, 'Get', 1, { timeoutMs: 5 }));
    transport.last.leave().fail(nobody);
    expect(await call).toMatchObject({ code: 'NO_SUBSCRIBER' });
    expect(transport.sent).toHaveLength(1);
  });

  test('also those of a client that began without a connection', async () => {
    const transport = new ScriptedTransport();
    transport.become('disconnected');
    const clock = fakeClock({ monoMs: 1_000_000 });
    const client = createClient({ transport, clock });
    transport.become('connected');
    void client.requestShard(1, 'Get').catch(() => undefined);
    transport.last.leave().fail(nobody);
    await clock.advance(60);
    expect(transport.sent).toHaveLength(2);
  });

  test('the first connection does not count as a return', async () => {
    const { client, transport } = start();
    transport.become('connected');
    const call = endOf(client.requestShard(1, 'Get'));
    transport.last.leave().fail(nobody);
    expect(await call).toMatchObject({ code: 'NO_SUBSCRIBER' });
  });

  test('the pause before a repeat grows up to a second, with full jitter', async () => {
    let byte = 0;
    const random = { bytes: (count: number) => new Uint8Array(count).fill(byte) };
    const { client, transport, clock } = start({ random });
    const notify = client.notifyShard(1, 'Poke', 1, { timeoutMs: 60_000 });
    transport.last.leave();
    await notify;
    for (let i = 0; i < 8; i++) {
      transport.last.leave().fail(nobody);
      byte = 255;
      await clock.advance(1_000);
      expect(transport.sent).toHaveLength(i + 2);
    }
    byte = 127;
    transport.last.leave().fail(nobody);
    const count = transport.sent.length;
    await clock.advance(499);
    expect(transport.sent).toHaveLength(count);
    await clock.advance(1);
    expect(transport.sent).toHaveLength(count + 1);
  });
});

describe('close', () => {
  function closing(client: Client): Promise<void> {
    return client.close();
  }

  test('ends waiting calls as ABORTED, unknown once they have left', async () => {
    const { client, transport } = start();
    const left = endOf(client.requestShard(1, 'Get'));
    transport.last.leave();
    const waiting = endOf(client.requestShard(2, 'Get'));
    const notify = endOf(client.notifyShard(3, 'Poke'));
    await closing(client);
    expect(await left).toMatchObject({
      code: 'ABORTED',
      outcome: 'unknown',
      message: '"Get" for a shard was aborted: the client was closed',
    });
    expect(await waiting).toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
    expect(await notify).toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
    expect(transport.cancelled).toEqual([1, 2, 3]);
  });

  test('counts a notify that was handed over as delivered', async () => {
    const metrics = recordMetrics();
    const failures: NotifyFailure[] = [];
    const { client, transport } = start({ metrics, onNotifyFailed: (failure) => failures.push(failure) });
    await Promise.all([client.notifyShard(1, 'Poke'), transport.last.left()]);
    await closing(client);
    expect(failures).toEqual([]);
    expect(metrics.calls).toEqual([['notifyEnded', 'other', true]]);
    expect(transport.cancelled).toEqual([]);
  });

  test('reports a notify that was refused and now is not repeated', async () => {
    const failures: NotifyFailure[] = [];
    const { client, transport, clock } = start({ onNotifyFailed: (failure) => failures.push(failure) });
    await Promise.all([client.notifyShard(1, 'Poke'), transport.last.left()]);
    transport.last.fail(new ClstrError('DRAINING', 'later'));
    await closing(client);
    expect(failures).toMatchObject([{ shard: 1, error: { code: 'DRAINING', outcome: 'not-executed' } }]);
    await clock.advance(1_000);
    expect(transport.sent).toHaveLength(1);
  });

  test('closes the link, leaves the transport, and stops listening to it', async () => {
    const { client, transport } = start();
    expect(transport.listenerCount).toBe(1);
    await closing(client);
    expect(transport.events).toEqual(['link closed']);
    expect(transport.listenerCount).toBe(0);
  });

  test('is idempotent, by either name', async () => {
    const { client, transport } = start();
    await Promise.all([closing(client), closing(client)]);
    await client[Symbol.asyncDispose]();
    expect(new Set(transport.events)).toEqual(new Set(['link closed']));
  });

  test('refuses later calls', async () => {
    const { client, transport } = start();
    await closing(client);
    for (const call of [
      client.requestKey('key', 'Get'),
      client.notifyKey('key', 'Poke'),
      client.key('key').request('Get'),
      client.shard(1).nodeInfo(),
    ]) {
      expect(await endOf(call)).toMatchObject({ code: 'TRANSPORT_CLOSED', outcome: 'not-executed' });
    }
    expect(transport.sent).toEqual([]);
  });
});

test('the clock option is the only source of time', async () => {
  const real = fakeClock();
  let reads = 0;
  const clock: Clock = { ...wrap(real), monoMs: () => (reads++, real.monoMs()) };
  const { client, transport } = start({ clock });
  const call = client.requestShard(1, 'Get');
  transport.last.reply(1);
  await call;
  expect(reads).toBeGreaterThan(0);
});

function wrap(clock: Clock): Clock {
  return {
    monoMs: () => clock.monoMs(),
    wallMs: () => clock.wallMs(),
    timer: (fn, delayMs) => clock.timer(fn, delayMs),
    macrotask: (fn) => {
      clock.macrotask(fn);
    },
  };
}
