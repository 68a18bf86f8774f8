import { fakeClock } from '@clstr/testing';
import { processorGrowth } from '@clstr/testing/internal';
import { describe, expect, test } from 'vitest';
import { HoldQueue } from '../../src/client/hold-queue.ts';
import type { HeldCall } from '../../src/client/hold-queue.ts';
import { createClient } from '../../src/client/client.ts';
import type { CallOptions, ClientOptions, NotifyFailure } from '../../src/index.ts';
import { ActorError, ClstrError } from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/errors.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const BACKOFF_MS = 100;

function start() {
  const clock = fakeClock();
  const repeats: number[] = [];
  const holdQueue = new HoldQueue({
    clock,
    backoffMs: (repeat) => {
      repeats.push(repeat);
      return BACKOFF_MS;
    },
  });
  const sent: string[] = [];
  let order = 0;
  const call = (name: string, key: string | undefined = 'k', length = 1): HeldCall => ({
    shard: 3,
    key,
    order: ++order,
    payload: 'x'.repeat(length),
    headers: undefined,
    resend: () => sent.push(name),
  });
  return { clock, holdQueue, sent, call, repeats };
}

describe('calls of one key', () => {
  test('that were refused wait: the first is tried alone, the others follow when it is answered, in order', async () => {
    const { clock, holdQueue, sent, call } = start();
    const [a, b, c] = [call('a'), call('b'), call('c')];
    for (const one of [a, c, b]) holdQueue.hold(one);
    expect(holdQueue.isHeld('k')).toBe(true);
    await clock.advance(BACKOFF_MS - 1);
    expect(sent).toEqual([]);
    await clock.advance(10 * BACKOFF_MS);
    expect(sent).toEqual(['a']);
    holdQueue.ended(a);
    expect(sent).toEqual(['a', 'b', 'c']);
    expect(holdQueue.isHeld('k')).toBe(false);
    expect(clock.timerCount).toBe(0);
  });

  test('are tried again, more and more rarely, while the first is refused', async () => {
    const { clock, holdQueue, sent, call, repeats } = start();
    const [a, b] = [call('a'), call('b')];
    holdQueue.hold(a);
    holdQueue.hold(b);
    for (let i = 0; i < 3; i++) {
      await clock.advance(BACKOFF_MS);
      holdQueue.hold(a);
    }
    expect(sent).toEqual(['a', 'a', 'a']);
    expect(repeats).toEqual([0, 1, 2, 3]);
  });

  test('that come while the first is being tried wait behind it', async () => {
    const { clock, holdQueue, sent, call } = start();
    const a = call('a');
    holdQueue.hold(a);
    await clock.advance(BACKOFF_MS);
    expect(holdQueue.isHeld('k')).toBe(true);
    holdQueue.hold(call('b'));
    await clock.advance(BACKOFF_MS);
    expect(sent).toEqual(['a']);
    holdQueue.ended(a);
    expect(sent).toEqual(['a', 'b']);
  });

  test('do not hold up those of another key, nor calls without one', async () => {
    const { clock, holdQueue, sent, call } = start();
    holdQueue.hold(call('a'));
    expect([holdQueue.isHeld('other'), holdQueue.isHeld(undefined)]).toEqual([false, false]);
    holdQueue.hold(call('x', 'other'));
    holdQueue.hold({ ...call('1'), key: undefined });
    holdQueue.hold({ ...call('2'), key: undefined });
    await clock.advance(BACKOFF_MS);
    expect(sent.sort()).toEqual(['1', '2', 'a', 'x']);
  });

  test('go on with the next one when the first ends before it was tried', async () => {
    const { clock, holdQueue, sent, call } = start();
    const [a, b] = [call('a'), call('b')];
    holdQueue.hold(a);
    holdQueue.hold(b);
    holdQueue.ended(a);
    await clock.advance(BACKOFF_MS);
    expect(sent).toEqual(['b']);
  });

  test('leave no timer when the last one ends', () => {
    const { clock, holdQueue, call } = start();
    const a = call('a');
    holdQueue.hold(a);
    holdQueue.ended(a);
    expect([clock.timerCount, holdQueue.isHeld('k')]).toEqual([0, false]);
  });

  test('are not disturbed by the end of a call that never waited', async () => {
    const { holdQueue, sent, call, clock } = start();
    holdQueue.ended(call('before'));
    holdQueue.hold(call('a'));
    holdQueue.ended(call('other'));
    holdQueue.ended(call('x', 'another key'));
    await clock.advance(BACKOFF_MS);
    expect(sent).toEqual(['a']);
  });
});

describe('a new owner', () => {
  test('of the shard is tried at once', () => {
    const { holdQueue, sent, call } = start();
    holdQueue.hold(call('a'));
    holdQueue.onMoved(4);
    expect(sent).toEqual([]);
    holdQueue.onMoved(3);
    expect(sent).toEqual(['a']);
    holdQueue.onMoved(3);
    expect(sent).toEqual(['a']);
  });
});

describe('thousands of calls of one key', () => {
  const held = (count: number) => {
    const { holdQueue, call } = start();
    const calls = Array.from({ length: count }, (_, i) => call(`${i}`));
    return {
      holdQueue,
      calls: calls.toSorted((a, b) => ((a.order * 7_919) % count) - ((b.order * 7_919) % count)),
    };
  };

  test('are kept in proportional time, in whatever order they were refused', async () => {
    const growth = await processorGrowth(4_000, held, ({ holdQueue, calls }) => {
      for (const call of calls) holdQueue.hold(call);
    });
    expect(growth).toBeLessThan(4);
  });

  test('end in proportional time, in whatever order that is', async () => {
    const prepare = (count: number) => {
      const { holdQueue, calls } = held(count);
      for (const call of calls) holdQueue.hold(call);
      return { holdQueue, calls: calls.toReversed() };
    };
    const growth = await processorGrowth(4_000, prepare, ({ holdQueue, calls }) => {
      for (const call of calls) holdQueue.ended(call);
      expect(holdQueue.isHeld('k')).toBe(false);
    });
    expect(growth).toBeLessThan(4);
  });
});

describe('the room for held calls is bounded', () => {
  test('at 65,536 calls', () => {
    const { holdQueue, call } = start();
    const calls = Array.from({ length: 65_536 }, (_, i) => call(`${i}`, `key-${i % 10}`));
    for (const one of calls.slice(1)) holdQueue.hold(one);
    expect(holdQueue.isFull).toBe(false);
    holdQueue.hold(calls[0]!);
    expect(holdQueue.isFull).toBe(true);
    holdQueue.ended(calls[5]!);
    expect(holdQueue.isFull).toBe(false);
  });

  test('at 64 MiB of payload, key and headers', () => {
    const { holdQueue, call } = start();
    holdQueue.hold(call('a', 'k', 64 * 1024 * 1024 - 2));
    expect(holdQueue.isFull).toBe(false);
    const last = call('b', 'k', 1);
    holdQueue.hold(last);
    expect(holdQueue.isFull).toBe(true);
    holdQueue.ended(last);
    expect(holdQueue.isFull).toBe(false);
  });

  test('and free again once it was sent', async () => {
    const { holdQueue, call, clock } = start();
    holdQueue.hold(call('a', 'k', 64 * 1024 * 1024));
    await clock.advance(BACKOFF_MS);
    expect(holdQueue.isFull).toBe(false);
  });
});

/** Calls through a client that follows its cluster; the first thing it sends asks for the topology. */
function follow(options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
  const client = createClient({ transport, clock, random, numShards: 16, routing: 'topology', ...options });
  const calls = () => transport.sent.slice(1).filter(({ entry }) => entry.type !== 'clstr.topology');
  return { transport, clock, client, calls };
}

async function endOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => {
    const { code, outcome } = error as ClstrError;
    return { code, outcome };
  });
}

const moved = (): ClstrError => new ClstrError('MOVED', 'on its way');

describe('a request that follows its cluster', () => {
  test.each(['NO_SUBSCRIBER', 'NOT_OWNER', 'MOVED', 'DRAINING', 'OVERLOADED'] as const)(
    'is repeated after %s: it was not executed',
    async (code) => {
      const { client, calls, clock } = follow();
      const answer = client.requestShard(3, 'Get');
      calls()[0]!.refuse(new ClstrError(code, 'no'));
      await clock.advance(25);
      calls()[1]!.reply('done');
      expect(await answer).toBe('done');
    },
  );

  test('is repeated after UNKNOWN_TYPE where its node says that another may know it', async () => {
    const { client, calls, clock } = follow();
    const answer = client.requestShard(3, 'Get');
    calls()[0]!.refuse(new ClstrError('UNKNOWN_TYPE', 'no', { retryable: true }));
    await clock.advance(25);
    calls()[1]!.reply('done');
    expect(await answer).toBe('done');
  });

  test('is not repeated after a refusal that nothing can change', async () => {
    const { client, calls, clock } = follow();
    const answer = endOf(client.requestShard(3, 'Get'));
    calls()[0]!.refuse(new ClstrError('UNKNOWN_TYPE', 'no'));
    expect(await answer).toEqual({ code: 'UNKNOWN_TYPE', outcome: 'not-executed' });
    await clock.advance(1_000);
    expect(calls()).toHaveLength(1);
  });

  test('keeps later calls of its key behind it', async () => {
    const { client, calls, clock } = follow();
    const answers = [client.requestKey('k', 'A')];
    calls()[0]!.refuse(moved());
    answers.push(client.requestKey('k', 'B'), client.requestKey('k', 'C'));
    expect(calls()).toHaveLength(1);
    await clock.advance(25);
    expect(calls().map(({ entry }) => entry.type)).toEqual(['A', 'A']);
    calls()[1]!.reply(1);
    expect(calls().map(({ entry }) => entry.type)).toEqual(['A', 'A', 'B', 'C']);
    calls()[2]!.reply(2);
    calls()[3]!.reply(3);
    expect(await Promise.all(answers)).toEqual([1, 2, 3]);
  });

  test('lets the others go on when it fails', async () => {
    const { client, calls, clock } = follow();
    const first = endOf(client.requestKey('k', 'A'));
    calls()[0]!.refuse(moved());
    const second = client.requestKey('k', 'B');
    await clock.advance(25);
    calls()[1]!.refuse(new ActorError('NO', 'no'));
    calls()[2]!.reply('b');
    expect([await first, await second]).toEqual([{ code: 'ACTOR_ERROR', outcome: 'executed' }, 'b']);
  });

  test('ends at its deadline, not executed, also while it is held', async () => {
    const { client, calls, clock } = follow();
    const first = endOf(client.requestKey('k', 'A', 1, { timeoutMs: 200 }));
    const refuse = (): void => calls().at(-1)!.refuse(moved());
    refuse();
    const second = endOf(client.requestKey('k', 'B', 1, { timeoutMs: 20 }));
    await clock.advance(24);
    await clock.advance(20);
    expect(await second).toEqual({ code: 'TIMEOUT', outcome: 'not-executed' });
    refuse();
    await clock.advance(300);
    expect(await first).toEqual({ code: 'TIMEOUT', outcome: 'not-executed' });
    expect(calls().every(({ entry }) => entry.type === 'A')).toBe(true);
  });

  test('ends when its caller gives up, not executed, and lets the others go on', async () => {
    const { client, calls, clock } = follow();
    const controller = new AbortController();
    const first = endOf(client.requestKey('k', 'A', 1, { signal: controller.signal }));
    calls()[0]!.refuse(moved());
    const second = client.requestKey('k', 'B');
    controller.abort();
    expect(await first).toEqual({ code: 'ABORTED', outcome: 'not-executed' });
    await clock.advance(25);
    calls()[1]!.reply('b');
    expect(await second).toBe('b');
  });

  test('ends as ABORTED when the client closes', async () => {
    const { client, calls, clock } = follow();
    const answers = [endOf(client.requestKey('k', 'A'))];
    calls()[0]!.refuse(moved());
    answers.push(endOf(client.requestKey('k', 'B')));
    await client.close();
    const aborted = { code: 'ABORTED', outcome: 'not-executed' };
    expect(await Promise.all(answers)).toEqual([aborted, aborted]);
    await clock.advance(1_000);
    expect(clock.timerCount).toBe(0);
  });

  test('is OVERLOADED when 64 MiB of others are held', async () => {
    const { client, calls } = follow();
    const half = new Uint8Array(32 * 1024 * 1024);
    const answers = [1, 2].map(() => endOf(client.requestKey('k', 'A', half)));
    for (const call of calls()) call.refuse(moved());
    expect(await endOf(client.requestKey('k', 'A'))).toEqual({ code: 'OVERLOADED', outcome: 'not-executed' });
    const other = endOf(client.requestShard(1, 'A'));
    calls().at(-1)!.refuse(moved());
    expect(await other).toEqual({ code: 'MOVED', outcome: 'not-executed' });
    await client.close();
    await Promise.all(answers);
  });
});

test('a cold start waits its turn: two thousand keys that were refused at once are all served', async () => {
  let drawn = 0;
  const random = { bytes: (count: number) => new Uint8Array(count).fill((drawn += 101) % 256) };
  const { client, calls, clock } = follow({ timeoutMs: 10_000, random });
  const answers = Array.from({ length: 2_000 }, (_, i) => client.requestKey(`k${i}`, 'A'));
  let answered = 0;
  let seen = 0;
  // The node takes two hundred in each tenth of a second.
  for (let round = 0; round < 30; round++) {
    const fresh = calls().slice(seen);
    seen += fresh.length;
    for (const [i, call] of fresh.entries()) {
      if (i >= 200) call.refuse(new ClstrError('OVERLOADED', 'no room'));
      else {
        answered++;
        call.reply('ok');
      }
    }
    await clock.advance(100);
  }
  expect(answered).toBe(2_000);
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['ok']));
});

test('a notify that is refused until its deadline is reported with its refusal', async () => {
  const failures: NotifyFailure[] = [];
  const { client, calls, clock } = follow({ onNotifyFailed: (failure) => failures.push(failure) });
  const told = client.notifyKey('k', 'A', 1, { timeoutMs: 20 });
  calls()[0]!.refuse(moved());
  await told;
  await clock.advance(50);
  expect(failures).toMatchObject([{ type: 'A', key: 'k', error: { code: 'MOVED' } }]);
});

describe('an idempotent call', () => {
  const maybe = (code: ErrorCode): ClstrError => new ClstrError(code, 'who knows', { outcome: 'unknown' });

  describe.each(['static', 'topology'] as const)('in a %s cluster', (routing) => {
    /** The topology is not asked for in a static cluster. */
    function begin(options: CallOptions) {
      const { client, transport, clock } = follow({ routing });
      const answer = endOf(client.requestShard(3, 'Get', 1, options));
      const calls = () => transport.sent.filter(({ entry }) => entry.type === 'Get');
      return { answer, calls, clock };
    }

    test.each(['CONNECTION_LOST', 'FENCED', 'ABORTED'] as const)('is repeated after %s', async (code) => {
      const { answer, calls, clock } = begin({ idempotent: true });
      calls()[0]!.leave().fail(maybe(code));
      await clock.advance(25);
      calls()[1]!.reply('done');
      expect(await answer).toBe('done');
    });

    test.each(['TIMEOUT', 'HANDLER_TIMEOUT', 'INTERNAL'] as const)(
      'is not repeated after %s',
      async (code) => {
        const { answer, calls } = begin({ idempotent: true });
        calls()[0]!.leave().fail(maybe(code));
        expect(await answer).toEqual({ code, outcome: 'unknown' });
      },
    );

    test.each([undefined, false])('alone is: one that says %s fails', async (idempotent) => {
      const { answer, calls } = begin({ idempotent });
      calls()[0]!.leave().fail(maybe('CONNECTION_LOST'));
      expect(await answer).toEqual({ code: 'CONNECTION_LOST', outcome: 'unknown' });
    });
  });

  test('in a static cluster is not repeated beyond its deadline', async () => {
    const { client, transport } = follow({ routing: 'static' });
    const answer = endOf(client.requestShard(3, 'Get', 1, { idempotent: true, timeoutMs: 20 }));
    transport.last.leave().fail(maybe('FENCED'));
    expect(await answer).toEqual({ code: 'FENCED', outcome: 'unknown' });
  });

  test.each([1, 'yes', null])('is asked for with true, not %j', async (idempotent) => {
    const { client } = follow();
    const answer = endOf(client.requestShard(3, 'Get', 1, { idempotent: idempotent as never }));
    expect(await answer).toMatchObject({ code: 'INVALID_OPTION' });
  });
});

test.each(['dynamic', true, null])('routing is auto, static or topology, not %j', (routing) => {
  const transport = new ScriptedTransport();
  const create = () => createClient({ transport, routing: (routing ?? '') as never });
  expect(create).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining("routing must be 'auto', 'static' or 'topology'"),
    }),
  );
});

test('a client of a static cluster asks for no topology, and repeats no request', async () => {
  const { client, transport, clock } = follow({ routing: 'static' });
  expect(transport.sent).toEqual([]);
  const answer = endOf(client.requestKey('k', 'A'));
  transport.last.refuse(moved());
  expect(await answer).toEqual({ code: 'MOVED', outcome: 'not-executed' });
  await clock.advance(1_000);
  expect(transport.sent).toHaveLength(1);
});
