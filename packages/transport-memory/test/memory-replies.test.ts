import type { Transport } from '@clstr/core';
import type { ClientLink, Subscription } from '@clstr/core/wire';
import { ActorError } from '@clstr/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryBus, memoryTransport } from '../src/index.ts';
import type { MemoryBus } from '../src/index.ts';
import type { Effect, RecordingReceiver } from './wire.ts';
import { SELF, receiver, send, settle } from './wire.ts';

const MAX_PAYLOAD = 20_000;

let packets: { to: string; bytes: number }[];
let bus: MemoryBus;
let transport: Transport;
let subscription: Subscription;
let node: RecordingReceiver;
let link: ClientLink;

beforeEach(async () => {
  packets = [];
  bus = createMemoryBus({
    maxPayload: MAX_PAYLOAD,
    policy({ from, to, bytes }) {
      if (from.startsWith('node')) packets.push({ to, bytes: bytes.length });
      return [0];
    },
  });
  transport = memoryTransport({ bus });
  node = receiver(() => undefined);
  subscription = await transport.serve(SELF, node, SELF);
  link = transport.openLink({ clientId: 5 });
});

/** Entries that have arrived, and are to be answered by the test. */
async function arrived(count: number, from: ClientLink = link): Promise<Effect[]> {
  const effects = Array.from({ length: count }, () => send(from, {}, SELF));
  await settle();
  for (const effect of effects) effect.length = 0;
  return effects;
}

function reply(index: number, payload: string): void {
  const { port, entry } = node.arrivals[index]!;
  port.reply(entry, payload, false);
}

function fail(index: number, error: ActorError): void {
  const { port, entry } = node.arrivals[index]!;
  port.fail(entry, error);
}

describe('replies of one turn', () => {
  test('share a frame, failures too', async () => {
    const effects = await arrived(3);
    reply(0, 'one');
    fail(1, new ActorError('NO', 'no'));
    reply(2, 'three');
    await settle();
    expect(packets).toHaveLength(1);
    expect(effects).toEqual([['reply: one'], ['error: ACTOR_ERROR executed'], ['reply: three']]);
  });

  test('to several clients go to each', async () => {
    const other = transport.openLink({ clientId: 6 });
    const effects = [...(await arrived(2)), ...(await arrived(1, other))];
    reply(0, 'one');
    reply(2, 'other');
    reply(1, 'two');
    await settle();
    expect(packets.map(({ to }) => to)).toEqual(['client:5', 'client:6']);
    expect(effects).toEqual([['reply: one'], ['reply: two'], ['reply: other']]);
  });

  test('fill several frames, of 128 entries or 16 KiB', async () => {
    const effects = await arrived(300 + 5);
    for (let i = 0; i < 300; i++) reply(i, 'x');
    await settle();
    expect(packets.map(({ bytes }) => bytes)).toEqual([128, 128, 44].map((count) => 2 + 15 * count));
    packets = [];
    for (let i = 300; i < 304; i++) reply(i, 'x'.repeat(7_000));
    reply(304, 'x'.repeat(18_000));
    await settle();
    expect(packets.map(({ bytes }) => Math.floor(bytes / 1_000))).toEqual([14, 14, 18]);
    expect(effects.every((effect) => effect.length === 1 && effect[0]!.startsWith('reply: x'))).toBe(true);
  });

  test.each([
    ['far too large', MAX_PAYLOAD + 1],
    ['too large only with its envelope', MAX_PAYLOAD],
  ])('arrive around one that is %s', async (_, bytes) => {
    const effects = await arrived(3);
    reply(0, 'one');
    reply(1, 'x'.repeat(bytes));
    reply(2, 'three');
    await settle();
    expect(effects).toEqual([['reply: one'], ['error: PAYLOAD_TOO_LARGE executed'], ['reply: three']]);
  });

  test('arrive around a failure that is too large, and arrives shortened', async () => {
    const effects = await arrived(3);
    reply(0, 'one');
    fail(1, new ActorError('NO', 'x'.repeat(MAX_PAYLOAD)));
    reply(2, 'three');
    await settle();
    expect(effects).toEqual([['reply: one'], ['error: ACTOR_ERROR executed'], ['reply: three']]);
  });

  test('arrive before their transport closes, even when the bus yields between the two', async () => {
    const effects = await arrived(1);
    await subscription.close();
    // As much work as leaves room for the turn of the frame and for the close, but not for the delivery.
    bus.enqueue({ weight: 256, run() {} });
    bus.enqueue({ weight: 254, run() {} });
    reply(0, 'last');
    await transport.close();
    expect(effects).toEqual([['reply: last']]);
  });
});
