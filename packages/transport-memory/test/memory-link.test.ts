import { ActorError, ClstrError } from '@clstr/core';
import { nodeAddress } from '@clstr/core/wire';
import { describe, expect, test } from 'vitest';
import { createMemoryBus, memoryTransport } from '../src/index.ts';
import type { NetworkPolicy } from '../src/index.ts';
import type { Arrival } from './wire.ts';
import { SELF, entryOf, receiver, send, settle } from './wire.ts';

const MAX_PAYLOAD = 1_000;
/** One object, as clients keep one for each node: entries with the same share a frame. */
const TO = { shard: 1 };

async function start(answer: (arrival: Arrival) => string | ClstrError | undefined = () => 'reply') {
  const transport = memoryTransport({ bus: createMemoryBus({ maxPayload: MAX_PAYLOAD }) });
  const node = receiver(answer);
  await transport.serve({ shard: 1 }, node, SELF);
  return { transport, node, link: transport.openLink({ clientId: 5 }) };
}

describe('an entry', () => {
  test('is read when its turn comes, not when it is given', async () => {
    const { link, node } = await start();
    let remainingMs = 100;
    send(link, { remainingMs: () => remainingMs });
    remainingMs = 40;
    await settle();
    expect(node.arrivals[0]!.entry.ttlMs).toBe(40);
  });

  test('that ended before its turn never leaves', async () => {
    const { link, node } = await start();
    const entry = entryOf();
    const effect = send(link, entry);
    link.cancel(entry.attempt);
    await settle();
    expect(effect).toEqual([]);
    expect(node.arrivals).toEqual([]);
    expect(node.cancels).toEqual([]);
  });

  test('to a shard that nobody serves leaves, and fails as not executed', async () => {
    const { link } = await start();
    const effect = send(link, { shard: 2 }, { shard: 2 });
    await settle();
    expect(effect).toEqual(['sent', 'error: NO_SUBSCRIBER not-executed']);
  });

  test('that its sender gives up as it leaves does not fail besides', async () => {
    const { link } = await start();
    const entry = entryOf();
    const errors: ClstrError[] = [];
    link.send({ shard: 2 }, entry, {
      onSent() {
        link.cancel(entry.attempt);
      },
      onReply() {},
      onError: (error) => errors.push(error),
    });
    await settle();
    expect(errors).toEqual([]);
  });

  test.each([
    ['far too large', MAX_PAYLOAD + 1],
    ['too large only with its envelope', MAX_PAYLOAD],
  ])('that is %s fails before it leaves', async (_, bytes) => {
    const { link, node } = await start();
    const effect = send(link, { payload: 'x'.repeat(bytes) });
    await settle();
    expect(effect).toEqual(['error: PAYLOAD_TOO_LARGE not-executed']);
    expect(node.arrivals).toEqual([]);
    const next = send(link);
    await settle();
    expect(next).toEqual(['sent', 'reply: reply']);
  });

  test('may be as large as the bus carries', async () => {
    const { link, node } = await start();
    const overhead = 1_000 - largestPayload(await sizes());
    const effect = send(link, { payload: 'x'.repeat(MAX_PAYLOAD - overhead) });
    await settle();
    expect(effect).toEqual(['sent', 'reply: reply']);
    expect(node.arrivals[0]!.payload).toHaveLength(MAX_PAYLOAD - overhead);

    /** Which payload sizes pass, from 900 to 1,000. */
    async function sizes(): Promise<boolean[]> {
      const probe = await start();
      const effects = Array.from({ length: 101 }, (__, i) =>
        send(probe.link, { payload: 'x'.repeat(900 + i) }),
      );
      await settle();
      return effects.map(([first]) => first === 'sent');
    }
    function largestPayload(passes: boolean[]): number {
      expect(passes.indexOf(false)).toBe(passes.lastIndexOf(true) + 1);
      return 900 + passes.lastIndexOf(true);
    }
  });
});

describe('entries of one turn', () => {
  async function counted() {
    const packets: number[] = [];
    const policy: NetworkPolicy = ({ to, bytes }) => {
      if (to.startsWith('node')) packets.push(bytes.length);
      return [0];
    };
    const transport = memoryTransport({ bus: createMemoryBus({ policy }) });
    const node = receiver(() => 'reply');
    for (const address of [{ shard: 1 }, { shard: 2 }, SELF]) {
      await transport.serve(address, node, SELF);
    }
    return { packets, node, link: transport.openLink({ clientId: 5 }) };
  }

  test('share a frame when they go to one address', async () => {
    const { link, node, packets } = await counted();
    const effects = ['A', 'B', 'C'].map((type) => send(link, { type }, SELF));
    await settle();
    expect(packets).toHaveLength(1);
    expect(node.arrivals.map(({ type }) => type)).toEqual(['A', 'B', 'C']);
    for (const effect of effects) expect(effect).toEqual(['sent', 'reply: reply']);
  });

  test('arrive in the order sent to each address', async () => {
    const { link, node } = await counted();
    send(link, { type: 'A' }, SELF);
    send(link, { type: 'B' }, { shard: 1 });
    send(link, { type: 'C' }, SELF);
    send(link, { type: 'D' }, { shard: 2 });
    send(link, { type: 'E' }, SELF);
    await settle();
    const types = node.arrivals.map(({ type }) => type);
    expect([...types].sort()).toEqual(['A', 'B', 'C', 'D', 'E']);
    expect(types.filter((type) => 'ACE'.includes(type))).toEqual(['A', 'C', 'E']);
  });

  test('fill several frames, of 128 entries or 16 KiB', async () => {
    const { link, node, packets } = await counted();
    for (let i = 0; i < 300; i++) send(link, { payload: '' }, SELF);
    await settle();
    expect(packets).toHaveLength(3);
    expect(packets[0]).toBeGreaterThan(packets[2]!);
    packets.length = 0;
    for (let i = 0; i < 4; i++) send(link, { payload: 'x'.repeat(7_000) }, SELF);
    send(link, { payload: 'x'.repeat(20_000) }, SELF);
    await settle();
    expect(packets.map((bytes) => Math.floor(bytes / 1_000))).toEqual([14, 14, 20]);
    expect(node.arrivals).toHaveLength(305);
  });

  test('arrive when they fit the bus one by one, but not together', async () => {
    const { link, node } = await start();
    const effects = [1, 2, 3, 4, 5].map((i) => send(link, { payload: `${i}`.repeat(400) }, TO));
    await settle();
    for (const effect of effects) expect(effect).toEqual(['sent', 'reply: reply']);
    expect(node.arrivals.map(({ payload }) => payload[0])).toEqual(['1', '2', '3', '4', '5']);
  });

  test.each([
    ['far too large', MAX_PAYLOAD + 1],
    ['too large only with its envelope', MAX_PAYLOAD],
  ])('arrive around one that is %s', async (_, bytes) => {
    const { link, node } = await start();
    const order: string[] = [];
    const sends = [2, bytes, 3].map((length, i) => {
      const sink = { onSent: () => order.push(`sent ${i}`), onError: () => order.push(`error ${i}`) };
      link.send(TO, entryOf({ payload: 'x'.repeat(length) }), { ...sink, onReply() {} });
      return length;
    });
    await settle();
    expect(order).toEqual(['sent 0', 'error 1', 'sent 2']);
    expect(node.arrivals.map(({ payload }) => payload.length)).toEqual([sends[0], sends[2]]);
  });

  test('do not leave when a callback of the frame before has ended them', async () => {
    const { link, node } = await start();
    const [first, last] = [entryOf({ payload: 'x'.repeat(600) }), entryOf({ payload: 'y'.repeat(600) })];
    const onSent = (): void => link.cancel(last.attempt);
    link.send(TO, first, { onSent, onReply() {}, onError() {} });
    const effect = send(link, last, TO);
    await settle();
    expect(effect).toEqual([]);
    expect(node.arrivals).toHaveLength(1);
    expect(node.cancels).toEqual([]);
  });

  test('without a subscriber fail each', async () => {
    const { link } = await start();
    const nowhere = { shard: 2 };
    const effects = [1, 2].map(() => send(link, { shard: 2 }, nowhere));
    await settle();
    for (const effect of effects) expect(effect).toEqual(['sent', 'error: NO_SUBSCRIBER not-executed']);
  });

  test('that are cancelled as another one leaves are called off at their node', async () => {
    const { link, node } = await start(() => undefined);
    const last = entryOf();
    const onSent = (): void => link.cancel(last.attempt);
    link.send(TO, entryOf(), { onSent, onReply() {}, onError() {} });
    const effect = send(link, last, TO);
    await settle();
    expect(effect).toEqual([]);
    expect(node.cancels).toEqual([[5, last.attempt]]);
  });
});

describe('a reply', () => {
  test.each([
    ['far too large', MAX_PAYLOAD + 1],
    ['too large only with its envelope', MAX_PAYLOAD],
  ])('that is %s becomes a failure after execution', async (_, bytes) => {
    const { link } = await start(() => 'x'.repeat(bytes));
    const effect = send(link);
    await settle();
    expect(effect).toEqual(['sent', 'error: PAYLOAD_TOO_LARGE executed']);
  });

  test('of two servers reaches the sink once, and is reported', async () => {
    const { link, transport } = await start();
    const other = nodeAddress('n2', 'b')!;
    await transport.serve(
      { shard: 1 },
      receiver(() => 'second'),
      other,
    );
    const duplicates: unknown[] = [];
    link.onDuplicateReply = (shard, from) => duplicates.push([shard, from]);
    const effect = send(link);
    await settle();
    expect(effect).toEqual(['sent', 'reply: reply']);
    expect(duplicates).toEqual([[1, other]]);
  });
});

describe('a failure', () => {
  test('arrives with its details', async () => {
    const { link } = await start(() => new ActorError('NO', 'no', { id: 5 }));
    let error: ClstrError | undefined;
    link.send({ shard: 1 }, entryOf(), {
      onSent() {},
      onReply: (reply) => (error = reply.error),
      onError() {},
    });
    await settle();
    expect(error).toMatchObject({ code: 'ACTOR_ERROR', actorCode: 'NO', details: { id: 5 } });
  });

  test('that is larger than the bus carries arrives shortened', async () => {
    const { link } = await start(() => new ActorError('NO', 'x'.repeat(3_000), { more: 'y'.repeat(3_000) }));
    let error: ClstrError | undefined;
    link.send({ shard: 1 }, entryOf(), {
      onSent() {},
      onReply: (reply) => (error = reply.error),
      onError() {},
    });
    await settle();
    expect(error).toMatchObject({
      code: 'ACTOR_ERROR',
      actorCode: 'NO',
      details: undefined,
      outcome: 'executed',
      message: 'the rest of this error is larger than the transport carries',
    });
  });
});

describe('cancel', () => {
  test('tells the node once, and the sink is not called again', async () => {
    const { link, node } = await start(() => undefined);
    const entry = entryOf();
    const effect = send(link, entry);
    await settle();
    link.cancel(entry.attempt);
    link.cancel(entry.attempt);
    await settle();
    expect(node.cancels).toEqual([[5, entry.attempt]]);
    const { port, entry: arrived } = node.arrivals[0]!;
    port.reply(arrived, 'late', false);
    await settle();
    expect(effect).toEqual(['sent']);
  });

  test('of a notify sends nothing', async () => {
    const { link, node } = await start(() => undefined);
    const entry = entryOf({ isNotify: true });
    send(link, entry);
    await settle();
    link.cancel(entry.attempt);
    await settle();
    expect(node.cancels).toEqual([]);
  });
});

test('release forgets a notify and sends nothing', async () => {
  const { link, node } = await start(() => undefined);
  const entry = entryOf({ isNotify: true });
  const effect = send(link, entry);
  await settle();
  link.release(entry.attempt);
  const { port, entry: arrived } = node.arrivals[0]!;
  port.fail(arrived, new ClstrError('DRAINING', 'late'));
  await settle();
  expect(effect).toEqual(['sent']);
  expect(node.cancels).toEqual([]);
});

describe('a closed link', () => {
  test('fails what comes later as not executed', async () => {
    const { link, node } = await start();
    await link.close();
    const effect = send(link);
    expect(effect).toEqual([]);
    await settle();
    expect(effect).toEqual(['error: TRANSPORT_CLOSED not-executed']);
    expect(node.arrivals).toEqual([]);
  });

  test('forgets what it sent', async () => {
    const { link, node } = await start(() => undefined);
    const effect = send(link);
    await settle();
    await link.close();
    await link.close();
    const { port, entry } = node.arrivals[0]!;
    port.reply(entry, 'late', false);
    await settle();
    expect(effect).toEqual(['sent']);
  });
});
