import { fakeClock } from '@clstr/testing';
import { describe, expect, test, vi } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import type { ClientOptions, NotifyFailure } from '../../src/index.ts';
import { ActorError, ClstrError } from '../../src/base/errors.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const NODE_A = nodeAddress('a', '1')!;
const NODE_B = nodeAddress('b', '1')!;

function start(options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const client = createClient({ transport, clock, numShards: 16, routing: 'static', ...options });
  return { transport, clock, client };
}

async function errorOf(promise: Promise<unknown>): Promise<ClstrError> {
  return promise.then(
    () => {
      throw new Error('expected a failure');
    },
    (error: unknown) => error as ClstrError,
  );
}

describe('a reply', () => {
  test('that is an error becomes the failure, its code and outcome kept', async () => {
    const { client, transport } = start();
    const call = errorOf(client.requestShard(1, 'Get'));
    const error = new ActorError('NO_SUCH_USER', 'no');
    transport.last.refuse(error);
    expect(await call).toBe(error);
  });

  test('that cannot be decoded is a failure of something that was executed', async () => {
    const { client, transport } = start();
    const call = errorOf(client.requestKey('key', 'Get'));
    transport.last.replyEncoded('{no json');
    expect(await call).toMatchObject({
      code: 'INVALID_ENVELOPE',
      outcome: 'executed',
      message: `the reply to "Get" for key "key" is not valid json`,
    });
  });

  test('as raw bytes comes back as bytes of its own', async () => {
    const { client, transport } = start();
    const call = client.requestShard(1, 'Get');
    const bytes = Uint8Array.of(1, 2, 3);
    transport.last.reply(bytes);
    bytes.fill(0);
    expect(await call).toEqual(Uint8Array.of(1, 2, 3));
  });

  test('after the end changes nothing', async () => {
    const { client, transport } = start();
    const call = client.requestShard(1, 'Get');
    const { last } = transport;
    last.reply('first');
    last.reply('second');
    last.fail(new ClstrError('NO_SUBSCRIBER', 'late'));
    expect(await call).toBe('first');
    expect(transport.sent).toHaveLength(1);
  });
});

describe('a learned route', () => {
  /** A client that knows that node a serves shard 1. */
  async function taught() {
    const started = start();
    const call = started.client.requestShard(1, 'Get');
    started.transport.last.reply('r', NODE_A);
    await call;
    return started;
  }

  test('takes later calls of the shard straight to the node, others not', async () => {
    const { client, transport } = await taught();
    void client.requestShard(1, 'Get').catch(() => undefined);
    expect(transport.last.to).toBe(NODE_A);
    void client.requestShard(2, 'Get').catch(() => undefined);
    expect(transport.last.to).toEqual({ shard: 2 });
  });

  test('is not learned from a reply that names no node, nor from a failure', async () => {
    const { client, transport } = start();
    const first = client.requestShard(1, 'Get');
    transport.last.reply('r');
    await first;
    const second = errorOf(client.requestShard(1, 'Get'));
    expect(transport.last.to).toEqual({ shard: 1 });
    const error = new ActorError('NO', 'no');
    transport.last.sink.onReply({ error, payload: new Uint8Array(0), isRaw: false, from: NODE_A });
    await second;
    void client.requestShard(1, 'Get').catch(() => undefined);
    expect(transport.last.to).toEqual({ shard: 1 });
  });

  test('is replaced by a newer one', async () => {
    const { client, transport } = await taught();
    const call = client.requestShard(1, 'Get');
    transport.last.reply('r', NODE_B);
    await call;
    void client.requestShard(1, 'Get').catch(() => undefined);
    expect(transport.last.to).toBe(NODE_B);
  });

  test.each(['NO_SUBSCRIBER', 'NOT_OWNER'] as const)(
    'that turns out wrong (%s) is forgotten, and the shard asked instead',
    async (code) => {
      const { client, transport } = await taught();
      const call = client.requestShard(1, 'Get');
      const direct = transport.last;
      direct.refuse(new ClstrError(code, 'not here'));
      expect(transport.last.to).toEqual({ shard: 1 });
      expect(transport.last.attempt).not.toBe(direct.attempt);
      transport.last.reply('found', NODE_B);
      expect(await call).toBe('found');
    },
  );

  test('that turns out wrong for one call stays when it was replaced meanwhile', async () => {
    const { client, transport } = await taught();
    void client.requestShard(1, 'Get').catch(() => undefined);
    const direct = transport.last;
    const other = client.requestShard(1, 'Get');
    transport.last.reply('r', NODE_B);
    await other;
    direct.refuse(new ClstrError('NOT_OWNER', 'moved'));
    expect(transport.last.to).toEqual({ shard: 1 });
    void client.requestShard(1, 'Get').catch(() => undefined);
    expect(transport.last.to).toBe(NODE_B);
  });

  test('is tried once: the shard answering NOT_OWNER as well ends the call', async () => {
    const { client, transport } = await taught();
    const call = errorOf(client.requestShard(1, 'Get'));
    transport.last.refuse(new ClstrError('NOT_OWNER', 'moved'));
    transport.last.refuse(new ClstrError('NOT_OWNER', 'moved again'));
    expect(await call).toMatchObject({ code: 'NOT_OWNER', message: 'moved again' });
    expect(transport.sent).toHaveLength(3);
  });

  test.each(['OVERLOADED', 'DRAINING', 'PAYLOAD_TOO_LARGE'] as const)(
    'stays when the node answers %s',
    async (code) => {
      const { client, transport } = await taught();
      const call = errorOf(client.requestShard(1, 'Get'));
      transport.last.refuse(new ClstrError(code, 'not now'));
      expect(await call).toMatchObject({ code });
      expect(transport.sent).toHaveLength(2);
      void client.requestShard(1, 'Get').catch(() => undefined);
      expect(transport.last.to).toBe(NODE_A);
    },
  );

  test('is no reason to send again what may have run', async () => {
    const { client, transport } = await taught();
    const call = errorOf(client.requestShard(1, 'Get'));
    transport.last.refuse(new ClstrError('NOT_OWNER', 'half way', { outcome: 'unknown' }));
    expect(await call).toMatchObject({ code: 'NOT_OWNER', outcome: 'unknown' });
    expect(transport.sent).toHaveLength(2);
  });

  test('that the server forbids ends all direct routing, and the shard is asked instead', async () => {
    const { client, transport } = await taught();
    const call = client.requestShard(1, 'Get');
    transport.last.leave().fail(new ClstrError('NO_PERMISSION', 'forbidden'));
    expect(transport.last.to).toEqual({ shard: 1 });
    transport.last.reply('through the shard', NODE_A);
    expect(await call).toBe('through the shard');
    void client.requestShard(1, 'Get').catch(() => undefined);
    expect(transport.last.to).toEqual({ shard: 1 });
  });

  test('counts for a repeat: it may have been learned while the notify waited', async () => {
    const { client, transport, clock } = start();
    const notify = client.notifyShard(1, 'Poke');
    const first = transport.last.leave();
    await notify;
    first.fail(new ClstrError('NO_SUBSCRIBER', 'nobody'));
    const call = client.requestShard(1, 'Get');
    transport.last.reply('r', NODE_A);
    await call;
    await clock.advance(60);
    expect(transport.last).toMatchObject({ to: NODE_A, entry: { type: 'Poke' } });
  });

  test('NO_PERMISSION on the shard itself is the answer', async () => {
    const { client, transport } = start();
    const call = errorOf(client.requestShard(1, 'Get'));
    transport.last.leave().fail(new ClstrError('NO_PERMISSION', 'forbidden'));
    expect(await call).toMatchObject({ code: 'NO_PERMISSION', outcome: 'not-executed' });
    expect(transport.sent).toHaveLength(1);
  });
});

describe('the deadline', () => {
  test('of a request that has left is TIMEOUT, unknown, and cancels the attempt', async () => {
    const { client, transport, clock } = start();
    const call = errorOf(client.requestKey('key', 'Get', 1, { timeoutMs: 100 }));
    transport.last.leave();
    await clock.advance(99);
    expect(transport.cancelled).toEqual([]);
    await clock.advance(21);
    expect(await call).toMatchObject({
      code: 'TIMEOUT',
      outcome: 'unknown',
      message: `no reply to "Get" for key "key" within 100 ms`,
    });
    expect(transport.cancelled).toEqual([1]);
  });

  test('of a request that never left is TIMEOUT, not executed', async () => {
    const { client, transport, clock } = start();
    const call = errorOf(client.requestShard(1, 'Get', 1, { timeoutMs: 100 }));
    await clock.advance(120);
    expect(await call).toMatchObject({ code: 'TIMEOUT', outcome: 'not-executed' });
    expect(transport.cancelled).toEqual([1]);
  });

  test('of a notify that never left is TIMEOUT, not executed', async () => {
    const { client, transport, clock } = start();
    const notify = errorOf(client.notifyShard(1, 'Poke', 1, { timeoutMs: 100 }));
    await clock.advance(120);
    expect(await notify).toMatchObject({ code: 'TIMEOUT', outcome: 'not-executed' });
    expect(transport.cancelled).toEqual([1]);
    expect(transport.released).toEqual([]);
  });

  test('of a redirected request that has not left again is not executed', async () => {
    const { client, transport, clock } = start();
    const first = client.requestShard(1, 'Get');
    transport.last.reply('r', NODE_A);
    await first;
    const call = errorOf(client.requestShard(1, 'Get', 1, { timeoutMs: 100 }));
    transport.last.refuse(new ClstrError('NOT_OWNER', 'moved'));
    await clock.advance(120);
    expect(await call).toMatchObject({ code: 'TIMEOUT', outcome: 'not-executed' });
    expect(transport.cancelled).toEqual([3]);
  });

  test('of an ended call does nothing', async () => {
    const { client, transport, clock } = start();
    const call = client.requestShard(1, 'Get', 1, { timeoutMs: 100 });
    transport.last.reply(1);
    await call;
    await clock.advance(200);
    expect(transport.cancelled).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });

  test('leaves nothing of the budget below zero', async () => {
    const { client, transport, clock } = start();
    void client.requestShard(1, 'Get', 1, { timeoutMs: 100 }).catch(() => undefined);
    await clock.advance(99.5);
    expect(transport.last.entry.remainingMs()).toBe(1);
    await clock.advance(50);
    expect(transport.last.entry.remainingMs()).toBe(0);
  });
});

describe('an abort', () => {
  test('before the call sends nothing', async () => {
    const { client, transport, clock } = start();
    const call = errorOf(client.requestShard(1, 'Get', 1, { signal: AbortSignal.abort('changed my mind') }));
    expect(await call).toMatchObject({
      code: 'ABORTED',
      outcome: 'not-executed',
      message: '"Get" for a shard was aborted: "changed my mind"',
      cause: 'changed my mind',
    });
    expect(transport.sent).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });

  test.each([
    [true, 'unknown'],
    [false, 'not-executed'],
  ])('of a request that has left (%s) is %s, and cancels the attempt', async (hasLeft, outcome) => {
    const { client, transport } = start();
    const controller = new AbortController();
    const call = errorOf(client.requestShard(1, 'Get', 1, { signal: controller.signal }));
    if (hasLeft) transport.last.leave();
    const reason = new Error('user left');
    controller.abort(reason);
    expect(await call).toMatchObject({ code: 'ABORTED', outcome, cause: reason });
    expect((await call).message).toBe('"Get" for a shard was aborted: user left');
    expect(transport.cancelled).toEqual([1]);
  });

  test('after the end has no effect', async () => {
    const { client, transport } = start();
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    const call = client.requestShard(1, 'Get', 1, { signal: controller.signal });
    expect(remove).not.toHaveBeenCalled();
    transport.last.reply(1);
    await call;
    expect(remove).toHaveBeenCalledOnce();
    controller.abort();
    expect(transport.cancelled).toEqual([]);
  });

  test('of a notify that waits to be repeated ends the repeats, and reports the refusal', async () => {
    const failures: NotifyFailure[] = [];
    const { client, transport, clock } = start({ onNotifyFailed: (failure) => failures.push(failure) });
    const controller = new AbortController();
    await Promise.all([
      client.notifyShard(1, 'Poke', 1, { signal: controller.signal }),
      transport.last.left(),
    ]);
    transport.last.fail(new ClstrError('NO_SUBSCRIBER', 'nobody'));
    controller.abort();
    expect(failures).toMatchObject([{ error: { code: 'NO_SUBSCRIBER' } }]);
    await clock.advance(5_000);
    expect(transport.sent).toHaveLength(1);
  });

  test('of a notify that was handed over is too late', async () => {
    const failures: NotifyFailure[] = [];
    const { client, transport } = start({ onNotifyFailed: (failure) => failures.push(failure) });
    const controller = new AbortController();
    await Promise.all([
      client.notifyShard(1, 'Poke', 1, { signal: controller.signal }),
      transport.last.left(),
    ]);
    controller.abort();
    expect(failures).toEqual([]);
    expect(transport.cancelled).toEqual([]);
    expect(transport.released).toEqual([1]);
  });
});

describe('a notify that was handed over', () => {
  async function handedOver(options: Partial<ClientOptions> = {}) {
    const failures: NotifyFailure[] = [];
    const started = start({ onNotifyFailed: (failure) => failures.push(failure), ...options });
    await Promise.all([
      started.client.notifyShard(1, 'Poke', 1, { timeoutMs: 200 }),
      started.transport.last.left(),
    ]);
    return { ...started, failures };
  }

  test('and whose effect is unknown is not repeated: it may have run', async () => {
    const { transport, clock, failures } = await handedOver();
    transport.last.fail(new ClstrError('CONNECTION_LOST', 'gone'));
    await clock.advance(1_000);
    expect(transport.sent).toHaveLength(1);
    expect(failures).toEqual([]);
  });

  test('is not repeated when it never can succeed', async () => {
    const { transport, clock, failures } = await handedOver();
    transport.last.refuse(new ClstrError('CLUSTER_CONFIG_MISMATCH', 'other shard count'));
    expect(failures).toHaveLength(1);
    await clock.advance(1_000);
    expect(transport.sent).toHaveLength(1);
  });

  test('is reported at once when the next repeat would come after its deadline', async () => {
    const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
    const { transport, clock, failures } = await handedOver({ random });
    const draining = new ClstrError('DRAINING', 'later');
    for (const pauseMs of [25, 50, 100]) {
      transport.last.refuse(draining);
      await clock.advance(pauseMs);
      expect(failures).toEqual([]);
    }
    transport.last.refuse(draining);
    expect(failures).toEqual([{ key: undefined, shard: 1, type: 'Poke', error: draining }]);
    expect(transport.sent).toHaveLength(4);
  });

  test('once resolves once, however often it leaves', async () => {
    const { transport, clock, failures } = await handedOver();
    transport.last.fail(new ClstrError('NO_SUBSCRIBER', 'nobody'));
    await clock.advance(60);
    transport.last.leave();
    await clock.advance(1_000);
    expect(failures).toEqual([]);
    expect(transport.released).toEqual([2]);
  });
});
