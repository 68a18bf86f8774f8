import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { createClient } from '../../src/client/client.ts';
import type { CallOptions, ClientOptions, Retry } from '../../src/index.ts';
import { Ticket, heldBy } from '../../src/wire/call-chain.ts';
import { recordMetrics } from '../recorded-metrics.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const ROUTINGS = ['static', 'topology'] as const;

function start(options: Partial<ClientOptions> = {}) {
  const clock = fakeClock();
  const transport = new ScriptedTransport();
  const metrics = recordMetrics();
  const lines: [event: unknown, message: string][] = [];
  const log = (fields: object, message: string) =>
    void lines.push([(fields as { event?: unknown }).event, message]);
  const logger = { debug: log, info: log, warn: log, error: log };
  const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
  const client = createClient({
    transport,
    clock,
    metrics,
    logger,
    random,
    routing: 'static',
    retry: 'standard',
    ...options,
  });
  const calls = () => transport.sent.filter(({ entry }) => !entry.type.startsWith('clstr.'));
  const denied = () => metrics.calls.filter(([name]) => name === 'retryDenied').map(([, reason]) => reason);
  const call = (own?: CallOptions) => client.requestKey('k', 'A', 1, own).catch((error: unknown) => error);
  return { clock, client, calls, call, denied, metrics, lines };
}

const full = (details?: Record<string, unknown>) => new ClstrError('OVERLOADED', 'full', { details });
const lost = () => new ClstrError('CONNECTION_LOST', 'lost');

describe.each(ROUTINGS)('with retries, in a %s cluster', (routing) => {
  test('a call that was refused is repeated after its pause, three attempts in all', async () => {
    const { clock, calls, call, denied } = start({ routing });
    const answer = call();
    for (const [attempt, pauseMs] of [1_000, 2_000].entries()) {
      calls()[attempt]!.refuse(full());
      await clock.advance(pauseMs - 1);
      expect(calls()).toHaveLength(attempt + 1);
      await clock.advance(20);
      expect(calls()).toHaveLength(attempt + 2);
    }
    calls()[2]!.refuse(full());
    expect(await answer).toMatchObject({ code: 'OVERLOADED', outcome: 'not-executed' });
    expect(denied()).toEqual(['policy']);
  });

  test('each repeat says in a header which attempt it is', async () => {
    const { clock, calls, call } = start({ routing });
    const answer = call({ headers: { mine: 'x' }, idempotent: true });
    for (let attempt = 0; attempt < 2; attempt++) {
      calls()[attempt]!.leave().fail(lost());
      await clock.advance(200);
    }
    calls()[2]!.reply('ok');
    expect(await answer).toBe('ok');
    expect(calls().map(({ entry }) => entry.type)).toHaveLength(3);
    expect({ ...calls()[2]!.entry.headers }).toEqual({ mine: 'x', 'x-clstr-attempt': '3' });
  });

  test('a call that may have run is repeated only if it may run twice', async () => {
    const { clock, calls, call } = start({ routing });
    const answer = call();
    calls()[0]!.leave().fail(lost());
    expect(await answer).toMatchObject({ code: 'CONNECTION_LOST', outcome: 'unknown' });
    const twice = call({ idempotent: true });
    calls()[1]!.leave().fail(lost());
    await clock.advance(60);
    calls()[2]!.refuse(full({ retryAfterMs: -1 }));
    expect(await twice).toMatchObject({ code: 'OVERLOADED', outcome: 'unknown', retryable: false });
  });

  test('no repeat begins after the deadline: the call ends with its refusal at once', async () => {
    const { calls, call, denied } = start({ routing });
    const answer = call({ timeoutMs: 900 });
    calls()[0]!.refuse(full());
    expect(await answer).toMatchObject({ code: 'OVERLOADED' });
    expect(denied()).toEqual(['deadline']);
  });

  test('a thousand calls that fail together leave 300 repeats, decided at once', async () => {
    const { clock, client, calls, denied, lines } = start({ routing });
    const answers = Array.from({ length: 1_000 }, (_, i) =>
      client.requestKey(`k${i}`, 'A').catch((error: unknown) => error),
    );
    for (const sent of calls()) sent.refuse(full());
    expect(denied()).toEqual(Array<string>(700).fill('budget'));
    await clock.advance(1_100);
    expect(calls()).toHaveLength(1_300);
    expect(lines.filter(([event]) => event === 'client.retry_budget_spent')).toHaveLength(1);
    await client.close();
    await Promise.all(answers);
  });

  test('the handler of a repeated attempt repeats no call on its own account', async () => {
    const { calls, call, denied } = start({ routing });
    const ticket = new Ticket({ bytes: (count) => new Uint8Array(count) });
    const answer = call({ callChain: heldBy(ticket, ['outer'], '', 2) });
    expect(calls()[0]!.entry.headers?.['x-clstr-attempt']).toBe('2');
    calls()[0]!.refuse(full());
    expect(await answer).toMatchObject({ code: 'OVERLOADED' });
    expect(denied()).toEqual(['nested']);
  });

  test('a notify is repeated like a request', async () => {
    const { clock, client, calls } = start({ routing });
    await Promise.all([client.notifyKey('k', 'A'), calls()[0]!.left()]);
    calls()[0]!.refuse(full());
    await clock.advance(1_020);
    expect(calls()).toHaveLength(2);
    await client.close();
  });

  test('an abort ends the pause', async () => {
    const { clock, calls, call } = start({ routing });
    const abort = new AbortController();
    const answer = call({ signal: abort.signal });
    calls()[0]!.refuse(full());
    abort.abort(new Error('enough'));
    expect(await answer).toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
    await clock.advance(2_000);
    expect(calls()).toHaveLength(1);
  });
});

describe('with retries', () => {
  test.each([
    ['static', 2],
    ['topology', 2],
  ] as const)('a %s client repeats a call that found no node', async (routing, attempts) => {
    const { clock, calls, call, client } = start({ routing });
    const answer = call();
    calls()[0]!.refuse(new ClstrError('NO_SUBSCRIBER', 'none'));
    await clock.advance(60);
    expect(calls()).toHaveLength(attempts);
    await client.close();
    await answer;
  });

  test('calls that only follow their shard are not charged, and bear no attempt number', async () => {
    const { clock, calls, client } = start({ routing: 'topology', retry: { maxAttempts: 1 } });
    const answers = Array.from({ length: 1_000 }, (_, i) => client.requestKey(`k${i}`, 'A'));
    for (const sent of calls()) sent.refuse(new ClstrError('MOVED', 'moved'));
    await clock.advance(60);
    const repeated = calls().slice(1_000);
    expect(repeated).toHaveLength(1_000);
    expect(repeated.every(({ entry }) => entry.headers === undefined)).toBe(true);
    for (const sent of repeated) sent.reply('ok');
    expect(await Promise.all(answers)).toHaveLength(1_000);
  });

  test('attempts that followed a move count: a call is not repeated without end', async () => {
    const { clock, calls, call } = start({ routing: 'topology', retry: { maxAttempts: 2 } });
    const answer = call();
    calls()[0]!.refuse(new ClstrError('MOVED', 'moved'));
    await clock.advance(60);
    calls()[1]!.refuse(full());
    expect(await answer).toMatchObject({ code: 'OVERLOADED' });
  });

  test('a policy of the user decides, and sees what failed', async () => {
    const seen: unknown[] = [];
    const retry: Retry = { pauseMs: (failed) => (seen.push(failed), failed.attempt < 2 ? 5 : undefined) };
    const { clock, calls, call } = start({ retry });
    const answer = call({ timeoutMs: 1_000 });
    calls()[0]!.refuse(full());
    await clock.advance(5);
    calls()[1]!.refuse(full());
    expect(await answer).toMatchObject({ code: 'OVERLOADED' });
    const call1 = {
      type: 'A',
      key: 'k',
      attempt: 1,
      remainingMs: 1_000,
      error: expect.any(ClstrError) as unknown,
    };
    expect(seen).toEqual([call1, { ...call1, attempt: 2, remainingMs: 995 }]);
  });

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('my bug');
      },
    ],
    ['returns NaN', () => NaN],
    ['returns a negative time', () => -1],
    ['returns a promise', async () => 5],
  ])('a policy that %s fails no call in another way than the refusal did', async (_, pauseMs) => {
    const { calls, call, lines } = start({ retry: { pauseMs: pauseMs as () => number } });
    const answer = call();
    calls()[0]!.refuse(full());
    expect(await answer).toMatchObject({ code: 'OVERLOADED' });
    expect(lines).toEqual([
      ['client.retry_policy_failed', expect.stringContaining('the retry policy failed: pauseMs()')],
    ]);
  });

  test('metrics read what is left of the budget', async () => {
    const { client, metrics } = start();
    const watched = metrics.clients[0]!;
    expect([watched.retriesLeft, watched.isClosed, watched.service]).toEqual([100, false, 'default']);
    await client.close();
    expect(watched.isClosed).toBe(true);
  });
});

test('without retries there is no budget, and no call is charged', async () => {
  const { calls, call, denied, metrics } = start({ retry: undefined });
  const answer = call();
  calls()[0]!.refuse(full());
  expect(await answer).toMatchObject({ code: 'OVERLOADED' });
  expect(denied()).toEqual([]);
  expect(metrics.clients[0]!.retriesLeft).toBeUndefined();
});
