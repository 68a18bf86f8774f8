import { describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { KNOWN_KEYS, UsedKeys } from '../../src/client/used-keys.ts';
import { ClstrError } from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/errors.ts';
import type { CallOptions, ClientOptions } from '../../src/index.ts';
import { MAY_HAVE_RUN_HEADER } from '../../src/wire/idempotency.ts';
import { ManualClock } from '../manual-clock.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const KEY = 'x-clstr-idempotency-key';
const KEYED: CallOptions = { idempotencyKey: 'order-17', timeoutMs: 5_000 };

function start(options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = new ManualClock(1_000_000);
  const client = createClient({ transport, clock, numShards: 16, routing: 'static', ...options });
  return { transport, clock, client };
}

async function errorOf(call: Promise<unknown>): Promise<ClstrError> {
  return call.then(
    () => {
      throw new Error('expected a failure');
    },
    (error: unknown) => error as ClstrError,
  );
}

/** Lets what a settled attempt causes happen, up to the repeat. */
function repeat({ clock }: { clock: ManualClock }): void {
  clock.advance(100);
}

describe('an idempotency key', () => {
  test.each([[''], ['a\tb'], ['x'.repeat(256)], ['ü'.repeat(128)], [7], [null]])(
    '%j is refused at the call',
    async (idempotencyKey) => {
      const { client, transport } = start();
      const error = await errorOf(client.requestShard(1, 'Charge', 1, { idempotencyKey } as CallOptions));
      expect(error).toMatchObject({ code: 'INVALID_OPTION', outcome: 'not-executed' });
      expect(error.message).toContain('idempotencyKey must be printable text of 1 to 255 bytes');
      expect(transport.sent).toEqual([]);
    },
  );

  test('of 255 bytes is allowed', () => {
    const { client, transport } = start();
    void client.requestShard(1, 'Charge', 1, { idempotencyKey: 'x'.repeat(255) });
    expect(transport.last.entry.headers?.[KEY]).toHaveLength(255);
  });

  test('is no default for calls: each of them would be the same call', () => {
    const { client } = start();
    expect(() => client.key('user-1', KEYED)).toThrow('given with each call');
  });

  test('travels with every kind of call, beside its headers', () => {
    const { client, transport } = start();
    const keyed = (idempotencyKey: string) => ({ idempotencyKey, headers: { tenant: 'a' } });
    void client.requestKey('user-1', 'Charge', 1, keyed('k0'));
    void client.requestShard(2, 'Charge', 1, keyed('k1'));
    void client.notifyKey('user-1', 'Charge', 1, keyed('k2'));
    void client.notifyShard(3, 'Charge', 1, keyed('k3'));
    void client.key('user-1').request('Charge', 1, keyed('k4'));
    expect(transport.sent.map(({ entry }) => ({ ...entry.headers }))).toEqual(
      Array.from({ length: 5 }, (_, i) => ({ tenant: 'a', [KEY]: `k${i}` })),
    );
  });

  test('is refused with a call to any node, of which each knows its own calls only', async () => {
    const { client, transport } = start();
    await expect(client.any().request('Ping', null, KEYED)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    expect(transport.sent.filter(({ entry }) => entry.type === 'Ping')).toEqual([]);
  });

  test('left out adds nothing', () => {
    const { client, transport } = start();
    void client.requestShard(1, 'Charge', 1, { timeoutMs: 100 });
    expect(transport.last.entry.headers).toBeUndefined();
  });
});

describe('a call with a key', () => {
  test.each<ErrorCode>(['CONNECTION_LOST', 'FENCED', 'ABORTED'])(
    'that ended as %s is repeated, and says since when it may have run',
    async (code) => {
      const world = start();
      const { client, transport } = world;
      const call = client.requestShard(1, 'Charge', 1, KEYED);
      expect(transport.last.entry.headers).not.toHaveProperty(MAY_HAVE_RUN_HEADER);
      transport.last.leave().fail(new ClstrError(code, 'lost'));
      repeat(world);
      expect(transport.sent).toHaveLength(2);
      expect(transport.last.entry.headers).toMatchObject({
        [KEY]: 'order-17',
        [MAY_HAVE_RUN_HEADER]: '5000',
      });
      transport.last.reply('charged');
      expect(await call).toBe('charged');
    },
  );

  test('says so in each further attempt, also after a refusal', () => {
    const world = start();
    const { client, transport } = world;
    void client.requestShard(1, 'Charge', 1, KEYED);
    for (let i = 0; i < 3; i++) {
      transport.last.leave().fail(new ClstrError('CONNECTION_LOST', 'lost'));
      repeat(world);
      expect(transport.last.entry.headers?.[MAY_HAVE_RUN_HEADER]).toBe('5000');
    }
    expect(transport.sent).toHaveLength(4);
  });

  test('does not say so after refusals alone', () => {
    const world = start({ routing: 'topology' });
    const { client, transport } = world;
    void client.requestShard(1, 'Charge', 1, KEYED);
    const attempts = () => transport.sent.filter(({ entry }) => entry.type === 'Charge');
    attempts()[0]!.refuse(new ClstrError('MOVED', 'moving'));
    repeat(world);
    expect(attempts()).toHaveLength(2);
    expect(attempts()[1]!.entry.headers).toEqual({ [KEY]: 'order-17' });
  });

  test('ends at its deadline, however often it was repeated', async () => {
    const world = start();
    const { client, transport } = world;
    const call = errorOf(client.requestShard(1, 'Charge', 1, KEYED));
    for (let i = 0; i < 3; i++) {
      transport.last.leave().fail(new ClstrError('CONNECTION_LOST', 'lost'));
      world.clock.advance(1_000);
    }
    transport.last.leave();
    const { length } = transport.sent;
    world.clock.advance(3_000);
    expect(await call).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
    expect(transport.sent).toHaveLength(length);
  });

  test('ends as unknown when the reply is lost, and is not repeated', async () => {
    const world = start();
    const call = errorOf(world.client.requestShard(1, 'Charge', 1, KEYED));
    world.transport.last.refuse(new ClstrError('REPLY_LOST', 'gone'));
    repeat(world);
    expect(await call).toMatchObject({ code: 'REPLY_LOST', outcome: 'unknown' });
    expect(world.transport.sent).toHaveLength(1);
  });

  test('whose key is refused as reused keeps the outcome of its first attempt', async () => {
    const world = start();
    const call = errorOf(world.client.requestShard(1, 'Charge', 1, KEYED));
    world.transport.last.leave().fail(new ClstrError('CONNECTION_LOST', 'lost'));
    repeat(world);
    world.transport.last.refuse(new ClstrError('IDEMPOTENCY_KEY_REUSED', 'another call'));
    expect(await call).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', outcome: 'unknown' });
  });

  test('that is traced keeps it when a span replaces the headers', () => {
    const tracing = { startCall: () => ({ headers: { traceparent: '00-1' }, ended: () => undefined }) };
    const { client, transport } = start({ tracing: tracing as unknown as ClientOptions['tracing'] });
    void client.requestShard(1, 'Charge', 1, KEYED);
    expect({ ...transport.last.entry.headers }).toEqual({ traceparent: '00-1', [KEY]: 'order-17' });
  });
});

describe('a second call with the key of an earlier one', () => {
  test('says that the earlier one may have run, and how long ago', async () => {
    const { client, transport, clock } = start();
    const first = errorOf(client.requestShard(1, 'Charge', 1, KEYED));
    transport.last.leave();
    clock.advance(6_000);
    expect(await first).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
    void client.requestShard(1, 'Charge', 1, { ...KEYED, timeoutMs: 2_000 });
    expect(transport.last.entry.headers?.[MAY_HAVE_RUN_HEADER]).toBe('8000');
  });

  test('says so while the earlier one still runs, and after its success', async () => {
    const { client, transport } = start();
    const first = client.requestShard(1, 'Charge', 1, KEYED);
    void client.requestShard(1, 'Charge', 1, KEYED);
    expect(transport.last.entry.headers?.[MAY_HAVE_RUN_HEADER]).toBe('5000');
    transport.sent[0]!.reply('charged');
    await first;
    void client.requestShard(1, 'Charge', 1, KEYED);
    expect(transport.last.entry.headers?.[MAY_HAVE_RUN_HEADER]).toBe('5000');
  });

  test('is a first one after a call that certainly did not run', async () => {
    const { client, transport } = start();
    const first = errorOf(client.requestShard(1, 'Charge', 1, KEYED));
    transport.last.refuse(new ClstrError('VALIDATION_FAILED', 'no'));
    expect(await first).toMatchObject({ outcome: 'not-executed' });
    void client.requestShard(1, 'Charge', 1, KEYED);
    expect(transport.last.entry.headers).toEqual({ [KEY]: 'order-17' });
  });

  test('is a first one in another shard', () => {
    const { client, transport } = start();
    void client.requestShard(1, 'Charge', 1, KEYED);
    void client.requestShard(2, 'Charge', 1, KEYED);
    expect(transport.last.entry.headers).toEqual({ [KEY]: 'order-17' });
  });
});

test('a client forgets the oldest of many keys', () => {
  const used = new UsedKeys();
  const begin = (key: string) => {
    const call = {
      shard: 1,
      deadlineMs: 5_000,
      timeoutMs: 5_000,
      idempotencyKey: undefined,
      headers: undefined,
    };
    used.begin(call, key);
    return call as { headers: Readonly<Record<string, string>> | undefined };
  };
  begin('first');
  for (let i = 0; i < KNOWN_KEYS; i++) begin(`key-${i}`);
  expect(begin('first').headers).toHaveProperty(MAY_HAVE_RUN_HEADER);
  for (let i = 0; i < 2 * KNOWN_KEYS; i++) begin(`more-${i}`);
  expect(begin('first').headers).not.toHaveProperty(MAY_HAVE_RUN_HEADER);
});
