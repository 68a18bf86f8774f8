import { fakeClock } from '@clstr/testing';
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { TOPOLOGY_TYPE } from '../../src/wire/envelope.ts';
import type { CallResult, ClientOptions, KeyedCall } from '../../src/index.ts';
import { ClstrError } from '../../src/base/errors.ts';
import { Ticket, heldBy } from '../../src/wire/call-chain.ts';
import { systemRandom } from '../../src/base/random.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import { recordMetrics } from '../recorded-metrics.ts';
import { ScriptedTransport } from '../scripted-transport.ts';
import type { Sent } from '../scripted-transport.ts';

function start(options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const client = createClient({ transport, clock, numShards: 16, routing: 'static', ...options });
  return { transport, clock, client };
}

const gets = (count: number): KeyedCall[] =>
  Array.from({ length: count }, (_, i) => ({ key: `key-${i}`, type: 'Get', payload: i }));

/** A short form of a row: its value, or the code and outcome of its error. */
const short = (row: CallResult): unknown =>
  row.ok ? row.value : [row.error.code, row.error.outcome, row.error instanceof ClstrError];

function failure(row: CallResult | undefined): ClstrError {
  if (row === undefined || row.ok) throw new Error('not a failure');
  return row.error;
}

/** Answers every entry with its payload, again and again until none is left. */
function answerAll(transport: ScriptedTransport): void {
  for (let sent = transport.sent.shift(); sent !== undefined; sent = transport.sent.shift()) echo(sent);
}

function echo(sent: Sent): void {
  sent.reply(JSON.parse(String(sent.entry.payload)));
}

describe('requestMany', () => {
  test('resolves with a row for each call, in their order, however the answers come', async () => {
    const { client, transport } = start();
    const rows = client.requestMany(gets(3));
    const [a, b, c] = transport.sent.splice(0) as [Sent, Sent, Sent];
    c.reply('c');
    a.reply('a');
    b.refuse(new ClstrError('ACTOR_ERROR', 'sold out', { outcome: 'executed' }));
    expect((await rows).map(short)).toEqual(['a', ['ACTOR_ERROR', 'executed', true], 'c']);
  });

  test('reports the size of each list once, whatever services it is for, but not of one that is refused', async () => {
    const metrics = recordMetrics();
    const { client, transport } = start({ metrics });
    const lists = () => metrics.calls.filter(([name]) => name === 'listMade');
    void client.requestMany(gets(3));
    void client.requestMany([...gets(2), { service: 'stock', key: 'k', type: 'Get' }]);
    await client.requestMany([]);
    await client.requestMany(gets(1), { timeoutMs: -1 }).catch(() => undefined);
    expect(lists()).toEqual([
      ['listMade', 'requestMany', 3],
      ['listMade', 'requestMany', 3],
    ]);
    expect(transport.sent).toHaveLength(5);
    await client.close();
  });

  test('sends nothing for an empty list', async () => {
    const { client, transport } = start();
    expect(await client.requestMany([])).toEqual([]);
    expect(transport.sent).toEqual([]);
  });

  test('sends all calls of a list in the turn in which it is called', () => {
    const { client, transport } = start();
    void client.requestMany(gets(100));
    expect(transport.sent.map(({ entry }) => entry.key)).toEqual(gets(100).map(({ key }) => key));
  });

  test('makes each call with what its item says, and with the options of the list', async () => {
    const { client, transport } = start({ headers: { tenant: 'a' } });
    const rows = client.requestMany(
      [
        { key: 'one', type: 'Get' },
        { key: 'two', type: 'Put', payload: new Uint8Array([1]), options: { headers: { trace: 'own' } } },
      ],
      { headers: { trace: 'list' }, timeoutMs: 100 },
    );
    const [one, two] = transport.sent.map(({ entry }) => entry);
    expect(one).toMatchObject({ key: 'one', type: 'Get', payload: '', isRaw: false, isNotify: false });
    expect({ ...one!.headers }).toEqual({ tenant: 'a', trace: 'list' });
    expect(one!.shard).toBe(client.shardOf('one'));
    expect(one!.remainingMs()).toBe(100);
    expect(two).toMatchObject({ key: 'two', type: 'Put', isRaw: true });
    expect({ ...two!.headers }).toEqual({ tenant: 'a', trace: 'own' });
    for (const sent of transport.sent) sent.reply(new Uint8Array([2]));
    expect(await rows).toEqual([
      { ok: true, value: new Uint8Array([2]) },
      { ok: true, value: new Uint8Array([2]) },
    ]);
  });

  test.each([
    [{ key: '', type: 'Get' }, 'KEY_REQUIRED', 'the routing key'],
    [{ key: 7, type: 'Get' }, 'KEY_REQUIRED', 'got 7'],
    [{ type: 'Get' }, 'KEY_REQUIRED', 'got undefined'],
    [{ key: '\ud800', type: 'Get' }, 'KEY_REQUIRED', 'half a surrogate pair'],
    [{ key: 'k'.repeat(10_240), type: 'Get' }, 'INVALID_ENVELOPE', '10240 bytes'],
    [{ key: 'k', type: '' }, 'INVALID_ENVELOPE', 'message type'],
    [{ key: 'k' }, 'INVALID_ENVELOPE', 'message type'],
    [{ key: 'k', type: 'clstr.node.info' }, 'INVALID_ENVELOPE', 'reserved'],
    [{ key: 'k', type: 'Get', payload: 1n }, 'INVALID_ENVELOPE', 'cannot be encoded'],
    [{ key: 'k', type: 'Get', paylaod: 1 }, 'INVALID_OPTION', 'unknown option "paylaod"'],
    [{ key: 'k', type: 'Get', options: { timeoutMs: 5 } }, 'INVALID_OPTION', 'given for the whole list'],
    [{ key: 'k', type: 'Get', options: { signal: AbortSignal.abort() } }, 'INVALID_OPTION', 'signal'],
    [{ key: 'k', type: 'Get', options: { idempotent: 1 } }, 'INVALID_OPTION', 'idempotent'],
    [{ key: 'k', type: 'Get', options: 5 }, 'INVALID_OPTION', 'must be an object'],
    [{ key: 'k', type: 'Get', options: { headers: { 'x-clstr-key': 'a' } } }, 'RESERVED_HEADER', 'reserved'],
    [null, 'INVALID_OPTION', 'got null'],
    ['k', 'INVALID_OPTION', 'got "k"'],
    [undefined, 'INVALID_OPTION', 'got undefined'],
  ])('a wrong call is its own row alone: %o', async (item, code, why) => {
    const { client, transport } = start();
    const rows = client.requestMany([gets(1)[0]!, item as KeyedCall, gets(2)[1]!]);
    expect(transport.sent).toHaveLength(2);
    answerAll(transport);
    const [before, wrong, after] = await rows;
    expect([before, after]).toEqual([
      { ok: true, value: 0 },
      { ok: true, value: 1 },
    ]);
    expect(failure(wrong)).toMatchObject({ code, outcome: 'not-executed' });
    expect(failure(wrong).message).toContain(why);
  });

  test('a call that throws when it is read is its own row', async () => {
    const { client, transport } = start();
    const bad = {
      key: 'k',
      get type(): string {
        throw new Error('no type for you');
      },
    };
    const worse = new Proxy({} as KeyedCall, {
      get: () => {
        throw 'a text';
      },
    });
    const rows = client.requestMany([bad, worse, gets(1)[0]!]);
    answerAll(transport);
    const [first, second, third] = await rows;
    expect(failure(first)).toMatchObject({
      code: 'INVALID_OPTION',
      message: 'reading the call failed: no type for you',
    });
    expect(failure(second).code).toBe('INVALID_OPTION');
    expect(third).toEqual({ ok: true, value: 0 });
  });

  test('a hole in the list is a wrong call', async () => {
    const { client } = start();
    const [row] = await client.requestMany(new Array<KeyedCall>(1));
    expect(failure(row).code).toBe('INVALID_OPTION');
  });

  test.each([undefined, null, 'list', {}, new Set([1]), 5])(
    'a list that is none is refused: %o',
    async (list) => {
      const { client, transport } = start();
      await expect(client.requestMany(list as never)).rejects.toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('an array') }),
      );
      expect(transport.sent).toEqual([]);
    },
  );

  test.each([
    [{ timeoutMs: 0 }, 'INVALID_OPTION'],
    [{ timeout: 5 }, 'INVALID_OPTION'],
    [{ signal: 'stop' }, 'INVALID_OPTION'],
    [5, 'INVALID_OPTION'],
    [null, 'INVALID_OPTION'],
    [{ headers: { 'x-clstr-key': 'a' } }, 'RESERVED_HEADER'],
    [{ headers: ['a'] }, 'INVALID_ENVELOPE'],
    [{ idempotencyKey: 'one' }, 'INVALID_OPTION'],
  ])('wrong options of the list are refused, even for an empty one: %o', async (options, code) => {
    const { client, transport } = start();
    for (const list of [gets(2), []]) {
      await expect(client.requestMany(list, options as never)).rejects.toThrow(
        expect.objectContaining({ code }),
      );
    }
    expect(transport.sent).toEqual([]);
  });

  test('ends at its deadline: what has left is unknown, what has not was not executed', async () => {
    const { client, transport, clock } = start();
    const rows = client.requestMany(gets(1_500), { timeoutMs: 100 });
    await clock.advance(0);
    const [first, second] = transport.sent;
    first!.leave();
    second!.reply('in time');
    // The answer has made room for one more.
    expect(transport.sent).toHaveLength(1_025);
    transport.sent.length = 0;
    await clock.advance(120);
    const ends = (await rows).map(short);
    expect(ends.slice(0, 3)).toEqual([
      ['TIMEOUT', 'unknown', true],
      'in time',
      ['TIMEOUT', 'not-executed', true],
    ]);
    expect(new Set(ends.slice(3).map(String))).toEqual(new Set(['TIMEOUT,not-executed,true']));
    expect(transport.sent).toEqual([]);
    expect(failure((await rows)[1_499]).message).toBe(
      'the call was not sent: its list of 1500 did not end within 100 ms',
    );
  });

  test('a call that leaves late has only the rest of the time of its list', async () => {
    const { client, transport, clock } = start();
    const rows = client.requestMany(gets(1_025), { timeoutMs: 100 });
    await clock.advance(60);
    transport.sent[0]!.reply(0);
    expect(transport.last.entry.key).toBe('key-1024');
    expect(transport.last.entry.remainingMs()).toBe(40);
    await clock.advance(60);
    expect(await rows).toHaveLength(1_025);
  });

  test('one signal ends all calls, and those that have not left do not leave', async () => {
    const { client, transport } = start();
    const controller = new AbortController();
    const listen = vi.spyOn(controller.signal, 'addEventListener');
    const rows = client.requestMany(gets(1_500), { signal: controller.signal });
    transport.sent[0]!.leave();
    controller.abort(new Error('enough'));
    const ends = await rows;
    expect(short(ends[0]!)).toEqual(['ABORTED', 'unknown', true]);
    expect(short(ends[1]!)).toEqual(['ABORTED', 'not-executed', true]);
    expect(failure(ends[1_499]).message).toBe('the call was not sent: its list of 1500 was aborted: enough');
    expect(transport.sent).toHaveLength(1_024);
    expect(listen).toHaveBeenCalledTimes(1);
  });

  test('a signal that has fired before sends nothing', async () => {
    const { client, transport } = start();
    const rows = await client.requestMany(gets(2), { signal: AbortSignal.abort('gone') });
    expect(rows.map(short)).toEqual([
      ['ABORTED', 'not-executed', true],
      ['ABORTED', 'not-executed', true],
    ]);
    expect(transport.sent).toEqual([]);
  });

  test('a signal that fires while a payload is encoded ends the list', async () => {
    const { client, transport } = start();
    const controller = new AbortController();
    const payload = {
      toJSON: () => {
        controller.abort('mid-way');
        return 1;
      },
    };
    const calls = gets(40).map((call, i) => (i === 20 ? { ...call, payload } : call));
    const rows = await client.requestMany(calls, { signal: controller.signal });
    expect(new Set(rows.map((row) => failure(row).code))).toEqual(new Set(['ABORTED']));
    expect(transport.sent).toHaveLength(20);
  });

  test('an idempotent call may be repeated, for a whole list or for one item', async () => {
    const { client, transport } = start();
    const lost = new ClstrError('CONNECTION_LOST', 'gone');
    const list = client.requestMany([{ key: 'a', type: 'Get' }], { idempotent: true, timeoutMs: 10_000 });
    const item = client.requestMany([{ key: 'a', type: 'Get', options: { idempotent: false } }], {
      idempotent: true,
    });
    transport.sent[1]!.leave().fail(lost);
    expect((await item).map(short)).toEqual([['CONNECTION_LOST', 'unknown', true]]);
    transport.sent[0]!.leave().fail(lost);
    void list;
  });

  test('a list or one of its calls is critical, and says so on the wire', () => {
    const { client, transport } = start();
    void client.requestMany(
      [
        { key: 'a', type: 'Get' },
        { key: 'b', type: 'Get', options: { critical: false } },
        { key: 'c', type: 'Get', options: { headers: { trace: '1' } } },
      ],
      { critical: true },
    );
    void client.requestMany([{ key: 'd', type: 'Get', options: { critical: true } }]);
    expect(transport.sent.map(({ entry }) => entry.headers?.['x-clstr-critical'])).toEqual([
      '1',
      undefined,
      '1',
      '1',
    ]);
  });

  test('a call of a list may have an idempotency key', async () => {
    const { client, transport } = start();
    const call = { key: 'a', type: 'Get', options: { idempotencyKey: 'order-7' } };
    const first = client.requestMany([call]);
    expect(transport.last.entry.headers).toMatchObject({ 'x-clstr-idempotency-key': 'order-7' });
    transport.last.leave().sink.onError(new ClstrError('TIMEOUT', 'silent'));
    expect((await first).map(short)).toEqual([['TIMEOUT', 'unknown', true]]);
    // The client knows that it may have run.
    void client.requestMany([call]);
    expect(Object.keys(transport.last.entry.headers!)).toHaveLength(2);
  });

  test('a list that serves a repeated attempt says so, and its calls are not repeated on their own account', async () => {
    const { client, transport } = start({ retry: 'standard' });
    const callChain = heldBy(new Ticket(systemRandom), [], '', 2);
    const rows = client.requestMany([{ key: 'a', type: 'Get' }], { callChain });
    expect(transport.last.entry.headers).toMatchObject({ 'x-clstr-attempt': '2' });
    transport.last.refuse(new ClstrError('OVERLOADED', 'full'));
    expect((await rows).map(short)).toEqual([['OVERLOADED', 'not-executed', true]]);
  });

  test('client.close() ends the calls that have left, and the rest of the list', async () => {
    const { client, transport } = start();
    const rows = client.requestMany(gets(1_500));
    transport.sent[0]!.leave();
    await client.close();
    const ends = (await rows).map(short);
    expect(ends[0]).toEqual(['ABORTED', 'unknown', true]);
    expect(ends[1_499]).toEqual(['TRANSPORT_CLOSED', 'not-executed', true]);
    expect((await client.requestMany(gets(1))).map(short)).toEqual([
      ['TRANSPORT_CLOSED', 'not-executed', true],
    ]);
  });
});

describe('the room of a client', () => {
  test('is shared out among the calls of a list that is longer: they wait for each other', async () => {
    const { client, transport } = start({ maxPending: 10 });
    const rows = client.requestMany(gets(100));
    expect(transport.sent).toHaveLength(10);
    answerAll(transport);
    expect(await rows).toEqual(gets(100).map(({ payload }) => ({ ok: true, value: payload })));
  });

  test('that other calls have used up is OVERLOADED for every call of a list', async () => {
    const { client, transport } = start({ maxPending: 1 });
    const other = client.requestKey('other', 'Get', 1);
    const rows = await client.requestMany(gets(3));
    expect(rows.map(short)).toEqual(new Array(3).fill(['OVERLOADED', 'not-executed', true]));
    answerAll(transport);
    expect(await other).toBe(1);
  });

  test('is free again after a list', async () => {
    const { client, transport } = start({ maxPending: 2 });
    for (let round = 0; round < 3; round++) {
      const rows = client.requestMany(gets(5));
      answerAll(transport);
      expect((await rows).every(({ ok }) => ok)).toBe(true);
    }
  });
});

describe('a long list', () => {
  const nodes = ['a', 'b'].map((id) => nodeAddress(id, 'run')!);
  /** Lets the client learn that shards below 8 belong to the first node, the others to the second. */
  async function learn({ client, transport }: ReturnType<typeof start>): Promise<void> {
    const calls = Array.from({ length: 16 }, (_, shard) => client.requestShard(shard, 'Get', 1));
    for (const sent of transport.sent.splice(0)) sent.reply(1, nodes[sent.entry.shard < 8 ? 0 : 1]);
    await Promise.all(calls);
  }

  test('keeps at most 1,024 calls in flight to a node, and refills as answers come', async () => {
    const started = start();
    await learn(started);
    const { client, transport, clock } = started;
    const rows = client.requestMany(gets(6_000));
    await clock.advance(0);
    const isOf = (node: number) => (sent: Sent) => sent.to === nodes[node];
    expect(transport.sent.filter(isOf(0))).toHaveLength(1_024);
    expect(transport.sent.filter(isOf(1))).toHaveLength(1_024);
    transport.sent.splice(transport.sent.findIndex(isOf(0)), 1)[0]!.reply('one');
    expect(transport.sent.filter(isOf(0))).toHaveLength(1_024);
    answerAll(transport);
    expect((await rows).filter((row) => !row.ok)).toEqual([]);
  });

  test('goes on at the other nodes while one stands still', async () => {
    const started = start();
    await learn(started);
    const { client, transport, clock } = started;
    const rows = client.requestMany(gets(6_000), { timeoutMs: 1_000 });
    await clock.advance(0);
    let answered = 0;
    for (;;) {
      const at = transport.sent.findIndex(({ to }) => to === nodes[1]);
      if (at === -1) break;
      echo(transport.sent.splice(at, 1)[0]!);
      answered++;
    }
    const ofSecond = gets(6_000).filter(({ key }) => client.shardOf(key) >= 8).length;
    expect(answered).toBe(ofSecond);
    await clock.advance(1_020);
    const ends = await rows;
    expect(ends.filter(({ ok }) => ok)).toHaveLength(ofSecond);
  });

  test('bounds the bytes in flight to a node as well', async () => {
    const { client, transport } = start();
    const payload = 'x'.repeat(1024 * 1024);
    const rows = client.requestMany(Array.from({ length: 20 }, () => ({ key: 'k', type: 'Put', payload })));
    expect(transport.sent).toHaveLength(8);
    answerAll(transport);
    expect(await rows).toHaveLength(20);
  });

  test('of 100,000 calls is made in slices, and keeps the order of each key', async () => {
    const { client, transport, clock } = start();
    let turns = 0;
    const macrotask = clock.macrotask.bind(clock);
    vi.spyOn(clock, 'macrotask').mockImplementation((fn) => {
      turns++;
      macrotask(fn);
    });
    const calls = Array.from({ length: 100_000 }, (_, i) => ({ key: `k${i % 10}`, type: 'Get', payload: i }));
    const rows = client.requestMany(calls, { timeoutMs: 60_000 });
    expect(transport.sent.length).toBeLessThanOrEqual(1_024);
    const seen = new Map<string, number>();
    let most = 0;
    for (let done = 0; done < calls.length;) {
      await clock.advance(0);
      most = Math.max(most, transport.sent.length);
      for (const sent of transport.sent.splice(0)) {
        const value = Number(sent.entry.payload);
        expect(value).toBeGreaterThan(seen.get(sent.entry.key!) ?? -1);
        seen.set(sent.entry.key!, value);
        echo(sent);
        done++;
      }
    }
    expect(most).toBeLessThanOrEqual(1_024);
    expect(turns).toBeGreaterThanOrEqual(97);
    const ends = await rows;
    expect(ends.every((row, i) => row.ok && row.value === i)).toBe(true);
  });

  test('survives refusals that come before a call is made, without deep recursion', async () => {
    const { client } = start({ maxPending: 1 });
    void client.requestKey('other', 'Get', 1).catch(() => undefined);
    const rows = await client.requestMany(gets(1_000));
    expect(rows).toHaveLength(1_000);
  });

  test('accepts keys of 10 kB where the client does', async () => {
    const { client, transport } = start({ maxKeyBytes: 16_384 });
    const keys = Array.from({ length: 50 }, (_, i) => `${i}-${'k'.repeat(10_240)}`);
    const rows = client.requestMany(keys.map((key, i) => ({ key, type: 'Get', payload: i })));
    answerAll(transport);
    expect((await rows).map(short)).toEqual(keys.map((_, i) => i));
  });
});

describe('interceptors', () => {
  test('run for each call of a list, in the context of the caller, and their errors are rows', async () => {
    const { AsyncLocalStorage } = await import('node:async_hooks');
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const { client, transport } = start({
      maxPending: 2,
      interceptors: [
        async (call, next) => {
          seen.push([call.key, call.options.headers, storage.getStore()]);
          if (call.key === 'key-1') throw new TypeError('not this one');
          return `<${String(await next(call))}>`;
        },
      ],
    });
    const rows = storage.run('mine', () => client.requestMany(gets(4), { headers: { a: 'b' } }));
    while (seen.length < 4 || transport.sent.length > 0) {
      answerAll(transport);
      await Promise.resolve();
    }
    const ends = await rows;
    expect(ends.map(short)).toEqual(['<0>', ['INTERNAL', 'unknown', true], '<2>', '<3>']);
    expect(seen).toEqual(gets(4).map(({ key }) => [key, { a: 'b' }, 'mine']));
  });
});

test('metrics count every call of a list', async () => {
  const metrics = recordMetrics();
  const { client, transport } = start({ metrics });
  const rows = client.requestMany([...gets(2), { key: '', type: 'Get' }]);
  transport.sent[0]!.reply(1);
  transport.sent[1]!.refuse(new ClstrError('ACTOR_ERROR', 'no'));
  await rows;
  expect(metrics.calls.filter(([name]) => name === 'requestEnded').map(([, , ok]) => ok)).toEqual([
    true,
    false,
  ]);
});

describe('calls to other services', () => {
  test('go by the clients of those services, and their rows come back in order', async () => {
    const { client, transport, clock } = start();
    const rows = client.requestMany([
      { key: 'a', type: 'Get', payload: 1 },
      { key: 'b', type: 'Get', payload: 2, service: 'stock' },
      { key: 'c', type: 'Get', payload: 3, service: 'default' },
      { key: 'd', type: 'Get', payload: 4, service: 'stock' },
    ]);
    const stock = transport.services.get('stock')!;
    stock.sent.splice(0)[0]!.reply({ clusterId: '', cluster: { numShards: 4 } });
    answerAll(transport);
    await clock.advance(0);
    answerAll(stock);
    expect((await rows).map(short)).toEqual([1, 2, 3, 4]);
  });

  test('of a client that is closed fail by themselves', async () => {
    const { client, transport } = start();
    await client.close();
    const rows = await client.requestMany([{ key: 'a', type: 'Get', service: 'other' }]);
    expect(rows.map(short)).toEqual([['TRANSPORT_CLOSED', 'not-executed', true]]);
    expect(transport.sent).toEqual([]);
  });
});

describe('a client that asks for the number of shards', () => {
  test('makes the calls once a node has said it, with what is left of the time', async () => {
    const { client, transport, clock } = start({ numShards: 'ask', routing: 'auto' });
    const rows = client.requestMany(gets(2), { timeoutMs: 1_000 });
    expect(transport.sent.map(({ entry }) => entry.type)).toEqual([TOPOLOGY_TYPE]);
    await clock.advance(100);
    transport.sent.splice(0)[0]!.reply({ clusterId: '', cluster: { numShards: 4 } });
    await clock.advance(0);
    expect(transport.sent).toHaveLength(2);
    expect(transport.last.entry.remainingMs()).toBe(900);
    answerAll(transport);
    expect((await rows).map(short)).toEqual([0, 1]);
  });

  test('gives every row the reason if none does', async () => {
    const { client, transport } = start({ numShards: 'ask', routing: 'auto' });
    const rows = client.requestMany(gets(2));
    transport.last.fail(new ClstrError('NO_SUBSCRIBER', 'nobody listens'));
    expect((await rows).map(short)).toEqual([
      ['NO_SUBSCRIBER', 'not-executed', true],
      ['NO_SUBSCRIBER', 'not-executed', true],
    ]);
  });
});

test('rows stay in order under random refusals and answers in any order', async () => {
  const fate = fc.constantFrom('value', 'refused', 'failed', 'lost', 'silent', 'wrong key', 'wrong type');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ fate, rank: fc.nat() }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      async (plans, maxPending) => {
        const { client, transport, clock } = start({ maxPending });
        const calls = plans.map(({ fate: end }, i) => ({
          key: end === 'wrong key' ? '' : `key-${i}`,
          type: end === 'wrong type' ? 'clstr.x' : 'Get',
          payload: i,
        }));
        let rows: CallResult[] | undefined;
        const done = client.requestMany(calls, { timeoutMs: 50 }).then((all) => (rows = all));
        while (transport.sent.length > 0) {
          const batch = transport.sent.splice(0).map((sent) => ({ sent, i: Number(sent.entry.payload) }));
          for (const { sent, i } of batch.sort((a, b) => plans[a.i]!.rank - plans[b.i]!.rank)) {
            const { fate: end } = plans[i]!;
            if (end === 'value') sent.reply(i);
            else if (end === 'refused') sent.refuse(new ClstrError('VALIDATION_FAILED', `no ${i}`));
            else if (end === 'failed') sent.refuse(new ClstrError('ACTOR_ERROR', `no ${i}`));
            else if (end === 'lost') sent.leave().fail(new ClstrError('CONNECTION_LOST', `no ${i}`));
            else sent.leave();
          }
        }
        await clock.advance(100);
        await done;
        const codes: Record<string, string> = {
          refused: 'VALIDATION_FAILED',
          failed: 'ACTOR_ERROR',
          lost: 'CONNECTION_LOST',
          silent: 'TIMEOUT',
          'wrong key': 'KEY_REQUIRED',
          'wrong type': 'INVALID_ENVELOPE',
        };
        expect(rows).toHaveLength(plans.length);
        rows!.forEach((row, i) => {
          const { fate: end } = plans[i]!;
          // Silent calls may use up the room until the deadline, when the others no longer leave.
          if (!row.ok && row.error.message.startsWith('the call was not sent')) return;
          if (end === 'value') expect(row).toEqual({ ok: true, value: i });
          else expect(failure(row).code).toBe(codes[end]);
        });
      },
    ),
  );
});
