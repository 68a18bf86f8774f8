import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { createClient } from '../../src/client/client.ts';
import type { CallOptions, ClientOptions, ErrorCode } from '../../src/index.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import { isNodeAddress } from '../../src/wire/transport.ts';
import { recordMetrics } from '../recorded-metrics.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const A = nodeAddress('a', 'i')!;
const B = nodeAddress('b', 'i')!;

/** Shards 0 to 3 are at A, the others at B; the client of a static cluster has learned that from answers. */
async function start(options: Partial<ClientOptions> = {}) {
  const clock = fakeClock();
  const transport = new ScriptedTransport();
  const metrics = recordMetrics();
  const client = createClient({
    transport,
    clock,
    metrics,
    numShards: 8,
    routing: 'static',
    breaker: { minCalls: 10 },
    ...options,
  });
  const call = (shard: number, own?: CallOptions) =>
    client.requestShard(shard, 'A', 1, { timeoutMs: 100, ...own }).catch((error: unknown) => error);
  for (let shard = 0; shard < 8; shard++) {
    const first = call(shard);
    transport.last.reply('ok', shard < 4 ? A : B);
    await first;
  }
  const changes = () => metrics.calls.filter(([name]) => name === 'breakerChanged').map(([, state]) => state);
  const failAt = async (shard: number, count: number, fail: () => void) => {
    for (let i = 0; i < count; i++) {
      const answer = call(shard);
      fail();
      await answer;
    }
  };
  return { clock, client, transport, call, changes, failAt, metrics };
}

const failWith = (transport: ScriptedTransport, code: ErrorCode) => (): void =>
  transport.last.leave().fail(new ClstrError(code, 'failed'));

describe('a client with breakers', () => {
  test('sends no more calls to a node whose connection breaks, and all to the others', async () => {
    const { transport, call, failAt, changes, metrics, client } = await start({ route: 'owner' });
    await failAt(0, 10, failWith(transport, 'CONNECTION_LOST'));
    expect([changes(), metrics.clients[0]!.openBreakers]).toEqual([['open'], 1]);
    const sent = transport.sent.length;
    for (const shard of [0, 1, 2, 3]) {
      expect(await call(shard)).toMatchObject({
        code: 'CIRCUIT_OPEN',
        outcome: 'not-executed',
        retryable: true,
        details: { nodeId: 'a', retryAfterMs: 5_000 },
      });
    }
    expect(transport.sent).toHaveLength(sent);
    const other = call(5);
    transport.last.reply('ok', B);
    expect(await other).toBe('ok');
    await client.close();
  });

  test('asks nobody who owns the shards of a node that it leaves alone', async () => {
    const { transport, call, failAt, clock } = await start({ route: 'owner', retry: 'standard' });
    await failAt(0, 10, failWith(transport, 'CONNECTION_LOST'));
    const sent = transport.sent.length;
    await call(1);
    await clock.advance(1_000);
    expect(transport.sent).toHaveLength(sent);
  });

  test('sends the calls to the subjects of their shards in place of the node, unless told otherwise', async () => {
    const { transport, call, failAt } = await start();
    await failAt(0, 10, failWith(transport, 'CONNECTION_LOST'));
    const answer = call(1);
    expect(isNodeAddress(transport.last.to)).toBe(false);
    transport.last.reply('ok', B);
    expect(await answer).toBe('ok');
  });

  test('takes calls without an answer for failures', async () => {
    const { clock, call, transport, changes } = await start({ route: 'owner' });
    const calls = Array.from({ length: 10 }, (_, i) => call(i % 4));
    for (const sent of transport.sent.slice(-10)) sent.leave();
    await clock.advance(200);
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(changes()).toEqual(['open']);
  });

  test('refuses in less than 0.1 ms', async () => {
    const { transport, call, failAt } = await start({ route: 'owner' });
    await failAt(0, 10, failWith(transport, 'CONNECTION_LOST'));
    const times: number[] = [];
    for (let i = 0; i < 2_000; i++) {
      const beganMs = performance.now();
      await call(0);
      times.push(performance.now() - beganMs);
    }
    expect(times.sort((a, b) => a - b)[1_000]).toBeLessThan(0.1);
  });

  test('lets three of 10,000 calls at once try the node again, and closes when it answers', async () => {
    const { clock, transport, call, failAt, changes } = await start({ route: 'owner' });
    await failAt(0, 10, failWith(transport, 'CONNECTION_LOST'));
    await clock.advance(5_000);
    const sent = transport.sent.length;
    const calls = Array.from({ length: 10_000 }, (_, i) => call(i % 4));
    expect(transport.sent.slice(sent)).toHaveLength(3);
    for (const probe of transport.sent.slice(sent)) probe.reply('ok', A);
    const ends = await Promise.all(calls);
    expect(ends.filter((end) => end === 'ok')).toHaveLength(3);
    expect(changes()).toEqual(['open', 'half-open', 'closed']);
  });

  test.each<[string, (transport: ScriptedTransport) => void]>([
    ['errors of handlers', (transport) => transport.last.refuse(new ClstrError('HANDLER_ERROR', 'no'))],
    ['refusals of a full node', (transport) => transport.last.refuse(new ClstrError('OVERLOADED', 'full'))],
    [
      'an owner that hands its shard over',
      (transport) => transport.last.refuse(new ClstrError('MOVED', 'moved')),
    ],
    [
      'messages that are too large',
      (transport) => transport.last.fail(new ClstrError('PAYLOAD_TOO_LARGE', 'no')),
    ],
  ])('is not opened by %s', async (_, fail) => {
    const { transport, failAt, changes } = await start({ route: 'owner' });
    await failAt(0, 50, () => fail(transport));
    expect(changes()).toEqual([]);
  });

  test('is not opened by aborts', async () => {
    const { call, transport, changes } = await start({ route: 'owner' });
    for (let i = 0; i < 50; i++) {
      const abort = new AbortController();
      const answer = call(0, { signal: abort.signal });
      transport.last.leave();
      abort.abort();
      await answer;
    }
    expect(changes()).toEqual([]);
  });

  test('is not opened by notifies, whose answers do not exist', async () => {
    const { client, transport, changes } = await start({ route: 'owner' });
    for (let i = 0; i < 50; i++) await Promise.all([client.notifyShard(0, 'A'), transport.last.left()]);
    expect(changes()).toEqual([]);
    await client.close();
  });

  test('names the nodes that it leaves alone, over all services, until none of them is called any more', async () => {
    const { clock, client, transport, failAt, metrics } = await start({ route: 'owner' });
    expect(client.openBreakers()).toEqual([]);
    const stock = client.service('stock');
    const info = { node_id: 'c', shards: [0], cluster: { numShards: 1 } };
    transport.service('stock').last.reply(info, nodeAddress('c', 'i'));
    await clock.advance(0);
    await failAt(0, 10, failWith(transport, 'CONNECTION_LOST'));
    await clock.advance(1_000);
    const a = { nodeId: 'a', service: 'default', retryAfterMs: 4_000 };
    expect(client.openBreakers()).toEqual([a]);
    expect(stock.openBreakers()).toEqual([]);
    await clock.advance(14_000);
    expect([client.openBreakers(), metrics.clients[0]!.openBreakers]).toEqual([[], 0]);
    await client.close();
  });

  test('are one row for a node that ran twice', async () => {
    const { clock, client, transport, failAt, call } = await start({ route: 'owner' });
    await failAt(0, 10, failWith(transport, 'CONNECTION_LOST'));
    await clock.advance(5_000);
    const again = call(0);
    transport.last.reply('ok', nodeAddress('a', 'next'));
    await again;
    await failAt(0, 10, failWith(transport, 'CONNECTION_LOST'));
    expect(client.openBreakers()).toEqual([{ nodeId: 'a', service: 'default', retryAfterMs: 5_000 }]);
    await client.close();
    expect(client.openBreakers()).toEqual([]);
  });

  test.each([false, 'on', 5, null, { rate: 1 }, { failureRate: 0 }, { failureRate: NaN }, { minCalls: 0 }])(
    'is refused with %j',
    (breaker) => {
      const create = () => createClient({ transport: new ScriptedTransport(), breaker: breaker as true });
      expect(create).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    },
  );
});
