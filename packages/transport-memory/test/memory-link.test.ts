import { ActorError, ClstrError } from '@clstr/core';
import { describe, expect, test } from 'vitest';
import { createMemoryBus, memoryTransport } from '../src/index.ts';
import type { Arrival } from './wire.ts';
import { SELF, entryOf, receiver, send, settle } from './wire.ts';

const MAX_PAYLOAD = 1_000;

async function start(answer: (arrival: Arrival) => string | ClstrError | undefined = () => 'reply') {
  const transport = memoryTransport({ bus: createMemoryBus({ maxPayload: MAX_PAYLOAD }) });
  const node = receiver(answer);
  await transport.serve({ shard: 1 }, node, SELF);
  return { transport, node, link: transport.openLink({ session: 5 }) };
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
    const fate = send(link, entry);
    link.cancel(entry.attempt);
    await settle();
    expect(fate).toEqual([]);
    expect(node.arrivals).toEqual([]);
    expect(node.cancels).toEqual([]);
  });

  test('to a shard that nobody serves leaves, and fails as not executed', async () => {
    const { link } = await start();
    const fate = send(link, { shard: 2 }, { shard: 2 });
    await settle();
    expect(fate).toEqual(['sent', 'error: NO_SUBSCRIBER not-executed']);
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
    const fate = send(link, { payload: 'x'.repeat(bytes) });
    await settle();
    expect(fate).toEqual(['error: PAYLOAD_TOO_LARGE not-executed']);
    expect(node.arrivals).toEqual([]);
    const next = send(link);
    await settle();
    expect(next).toEqual(['sent', 'reply: reply']);
  });

  test('may be as large as the bus carries', async () => {
    const { link, node } = await start();
    const overhead = 1_000 - largestPayload(await sizes());
    const fate = send(link, { payload: 'x'.repeat(MAX_PAYLOAD - overhead) });
    await settle();
    expect(fate).toEqual(['sent', 'reply: reply']);
    expect(node.arrivals[0]!.payload).toHaveLength(MAX_PAYLOAD - overhead);

    /** Which payload sizes pass, from 900 to 1,000. */
    async function sizes(): Promise<boolean[]> {
      const probe = await start();
      const fates = Array.from({ length: 101 }, (__, i) =>
        send(probe.link, { payload: 'x'.repeat(900 + i) }),
      );
      await settle();
      return fates.map(([first]) => first === 'sent');
    }
    function largestPayload(passes: boolean[]): number {
      expect(passes.indexOf(false)).toBe(passes.lastIndexOf(true) + 1);
      return 900 + passes.lastIndexOf(true);
    }
  });
});

describe('a reply', () => {
  test.each([
    ['far too large', MAX_PAYLOAD + 1],
    ['too large only with its envelope', MAX_PAYLOAD],
  ])('that is %s becomes a failure after execution', async (_, bytes) => {
    const { link } = await start(() => 'x'.repeat(bytes));
    const fate = send(link);
    await settle();
    expect(fate).toEqual(['sent', 'error: PAYLOAD_TOO_LARGE executed']);
  });

  test('of two servers reaches the sink once, and is reported', async () => {
    const { link, transport } = await start();
    const other = { nodeId: 'n2', inc: 'b' };
    await transport.serve(
      { shard: 1 },
      receiver(() => 'second'),
      other,
    );
    const duplicates: unknown[] = [];
    link.onDuplicateReply = (shard, from) => duplicates.push([shard, from]);
    const fate = send(link);
    await settle();
    expect(fate).toEqual(['sent', 'reply: reply']);
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
      ...{ code: 'ACTOR_ERROR', actorCode: 'NO', details: undefined, outcome: 'executed' },
      message: 'the rest of this error is larger than the transport carries',
    });
  });
});

describe('cancel', () => {
  test('tells the node once, and the sink hears nothing more', async () => {
    const { link, node } = await start(() => undefined);
    const entry = entryOf();
    const fate = send(link, entry);
    await settle();
    link.cancel(entry.attempt);
    link.cancel(entry.attempt);
    await settle();
    expect(node.cancels).toEqual([[5, entry.attempt]]);
    const { port, entry: arrived } = node.arrivals[0]!;
    port.reply(arrived, 'late', false);
    await settle();
    expect(fate).toEqual(['sent']);
  });

  test('of a notify tells nobody', async () => {
    const { link, node } = await start(() => undefined);
    const entry = entryOf({ isNotify: true });
    send(link, entry);
    await settle();
    link.cancel(entry.attempt);
    await settle();
    expect(node.cancels).toEqual([]);
  });
});

test('release forgets a notify and tells nobody', async () => {
  const { link, node } = await start(() => undefined);
  const entry = entryOf({ isNotify: true });
  const fate = send(link, entry);
  await settle();
  link.release(entry.attempt);
  const { port, entry: arrived } = node.arrivals[0]!;
  port.fail(arrived, new ClstrError('DRAINING', 'late'));
  await settle();
  expect(fate).toEqual(['sent']);
  expect(node.cancels).toEqual([]);
});

describe('a closed link', () => {
  test('fails what comes later as not executed', async () => {
    const { link, node } = await start();
    await link.close();
    const fate = send(link);
    expect(fate).toEqual([]);
    await settle();
    expect(fate).toEqual(['error: TRANSPORT_CLOSED not-executed']);
    expect(node.arrivals).toEqual([]);
  });

  test('forgets what it sent', async () => {
    const { link, node } = await start(() => undefined);
    const fate = send(link);
    await settle();
    await link.close();
    await link.close();
    const { port, entry } = node.arrivals[0]!;
    port.reply(entry, 'late', false);
    await settle();
    expect(fate).toEqual(['sent']);
  });
});
