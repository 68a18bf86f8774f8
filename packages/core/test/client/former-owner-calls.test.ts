import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { HoldQueue } from '../../src/client/hold-queue.ts';
import { FormerOwnerCalls } from '../../src/client/former-owner-calls.ts';
import { createClient } from '../../src/client/client.ts';
import { ClstrError } from '../../src/base/errors.ts';
import type { CallOptions } from '../../src/index.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import type { Sent } from '../scripted-transport.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const GRACE_MS = 100;
const OLD = nodeAddress('a', 'i')!;
const NEW = nodeAddress('b', 'j')!;
const IDEMPOTENT: CallOptions = { idempotent: true };

describe('the calls of a shard that moved', () => {
  function start() {
    const clock = fakeClock();
    const left: number[] = [];
    let looks = 0;
    const calls = [3, 4, 3, 5].map((shard, index) => ({ shard, index }));
    const holdQueue = new HoldQueue({ clock, backoffMs: () => 1_000 });
    const formerOwnerCalls = new FormerOwnerCalls({
      clock,
      holdQueue,
      leave: ({ index }: { index: number }) => left.push(index),
      calls: () => {
        looks++;
        return calls;
      },
    });
    return { clock, left, formerOwnerCalls, looks: () => looks };
  }

  test('are looked at after a moment, those of other shards left alone', async () => {
    const { clock, left, formerOwnerCalls } = start();
    formerOwnerCalls.onMoved(3);
    await clock.advance(GRACE_MS - 1);
    expect(left).toEqual([]);
    await clock.advance(1);
    expect(left).toEqual([0, 2]);
    await clock.advance(10 * GRACE_MS);
    expect([left, clock.timerCount]).toEqual([[0, 2], 0]);
  });

  test('are looked through once for many shards', async () => {
    const { clock, left, formerOwnerCalls, looks } = start();
    for (let shard = 0; shard < 300; shard++) formerOwnerCalls.onMoved(shard);
    await clock.advance(GRACE_MS);
    expect([left, looks()]).toEqual([[0, 1, 2, 3], 1]);
  });

  test('each have their moment when another shard moves meanwhile, or theirs moves again', async () => {
    const { clock, left, formerOwnerCalls } = start();
    formerOwnerCalls.onMoved(3);
    formerOwnerCalls.onMoved(4);
    await clock.advance(60);
    formerOwnerCalls.onMoved(5);
    formerOwnerCalls.onMoved(4);
    await clock.advance(40);
    expect(left).toEqual([0, 2]);
    await clock.advance(GRACE_MS);
    expect(left.sort()).toEqual([0, 1, 2, 3]);
  });

  test('are not looked at by a client that closed', async () => {
    const { clock, left, formerOwnerCalls } = start();
    formerOwnerCalls.onMoved(3);
    formerOwnerCalls.close();
    await clock.advance(GRACE_MS);
    expect([left, clock.timerCount]).toEqual([[], 0]);
  });
});

/** A client that knows that OLD owns shards 3 and 4. */
async function follow() {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
  const client = createClient({ transport, clock, random, numShards: 1, routing: 'topology' });
  const answer = (epoch: number, { nodeId, inc }: typeof OLD): void => {
    const question = transport.sent.findLast(({ entry }) => entry.type === 'clstr.topology')!;
    question.reply({ clusterId: 'c', owners: [[0, epoch, nodeId, inc]] });
  };
  const calls = () => transport.sent.filter(({ entry }) => entry.type !== 'clstr.topology');
  const sent = () => calls().map(({ entry, to }) => `${entry.type} to ${'nodeId' in to ? to.nodeId : '-'}`);
  /** The client hears that somebody announced itself, asks, and is told that NEW is the owner. */
  const takeOver = async (epoch = 2, owner = NEW): Promise<void> => {
    transport.announceTo!(owner);
    await clock.advance(50);
    answer(epoch, owner);
  };
  const send = (type: string, options?: CallOptions): { ended: Promise<unknown>; sent: Sent } => {
    const ended = client.requestKey('k', type, 1, { timeoutMs: 10_000, ...options });
    void ended.catch(() => undefined);
    return { ended, sent: calls().at(-1)! };
  };
  answer(1, OLD);
  await clock.advance(2 * GRACE_MS);
  return { transport, clock, client, calls, sent, takeOver, send, answer };
}

describe('a call that waits for an owner which was replaced', () => {
  test('is sent again to the new owner, if it is idempotent', async () => {
    const { clock, calls, sent, takeOver, send, transport } = await follow();
    const { ended, sent: first } = send('Get', IDEMPOTENT);
    first.leave();
    await takeOver();
    await clock.advance(GRACE_MS - 1);
    expect(sent()).toEqual(['Get to a']);
    await clock.advance(1);
    expect(sent()).toEqual(['Get to a', 'Get to b']);
    expect(calls()[1]!.attempt).not.toBe(first.attempt);
    expect(transport.cancelled).toEqual([first.attempt]);
    calls()[1]!.reply('from the new owner');
    expect(await ended).toBe('from the new owner');
  });

  test('waits on until its deadline, if it is not idempotent: it may have run', async () => {
    const { clock, sent, takeOver, send } = await follow();
    const { ended, sent: first } = send('Add');
    first.leave();
    await takeOver();
    await clock.advance(5_000);
    expect(sent()).toEqual(['Add to a']);
    first.reply('late, but in time');
    expect(await ended).toBe('late, but in time');
  });

  test('is answered by that owner, whose answer was on its way', async () => {
    const { clock, sent, takeOver, send } = await follow();
    const { ended, sent: first } = send('Get', IDEMPOTENT);
    first.leave();
    await takeOver();
    await clock.advance(GRACE_MS - 1);
    first.reply('on its way');
    expect(await ended).toBe('on its way');
    await clock.advance(GRACE_MS);
    expect(sent()).toEqual(['Get to a']);
  });

  test('keeps its place among the calls of its key', async () => {
    const { clock, calls, sent, takeOver, send } = await follow();
    for (const type of ['A', 'B', 'C']) send(type, IDEMPOTENT).sent.leave();
    await takeOver();
    await clock.advance(GRACE_MS);
    const later = send('D');
    expect(sent()).toEqual(['A to a', 'B to a', 'C to a', 'A to b']);
    calls()[3]!.reply(1);
    expect(sent().slice(4)).toEqual(['B to b', 'C to b', 'D to b']);
    calls().at(-1)!.reply('d');
    expect(await later.ended).toBe('d');
  });

  test('keeps its place behind one that was refused meanwhile', async () => {
    const { clock, sent, takeOver, send } = await follow();
    const first = send('A');
    first.sent.leave();
    send('B', IDEMPOTENT).sent.leave();
    await takeOver();
    first.sent.refuse(new ClstrError('NOT_OWNER', 'no'));
    await clock.advance(GRACE_MS);
    expect(sent()).toEqual(['A to a', 'B to a', 'A to b']);
  });

  test('is sent again with each new owner, once', async () => {
    const { clock, calls, sent, takeOver, send } = await follow();
    for (const type of ['A', 'B']) send(type, IDEMPOTENT).sent.leave();
    await takeOver();
    await clock.advance(GRACE_MS);
    calls().at(-1)!.leave();
    await clock.advance(1_000);
    await takeOver(3, nodeAddress('c', 'k'));
    await clock.advance(GRACE_MS);
    expect(sent()).toEqual(['A to a', 'B to a', 'A to b', 'A to c']);
    calls().at(-1)!.reply(1);
    expect(sent().slice(4)).toEqual(['B to c']);
  });

  test('stays where it is when its node owns the shard again', async () => {
    const { clock, sent, takeOver, send } = await follow();
    send('Get', IDEMPOTENT).sent.leave();
    await takeOver(3, { ...OLD });
    await clock.advance(GRACE_MS);
    expect(sent()).toEqual(['Get to a']);
  });

  test('goes on waiting for its turn when it was refused before', async () => {
    const { clock, calls, sent, takeOver, send } = await follow();
    const both = ['A', 'B'].map((type) => send(type, IDEMPOTENT).sent);
    for (const one of both) one.refuse(new ClstrError('FENCED', 'no', { outcome: 'unknown' }));
    expect(sent()).toEqual(['A to a', 'B to a', 'A to -']);
    await takeOver();
    await clock.advance(GRACE_MS);
    calls().at(-1)!.reply(1);
    expect(sent().slice(3)).toEqual(['B to b']);
  });

  test('ends at its deadline, outcome unknown, wherever it was sent', async () => {
    const { clock, takeOver, send } = await follow();
    const { ended, sent: first } = send('Get', { ...IDEMPOTENT, timeoutMs: 1_000 });
    first.leave();
    await takeOver();
    await clock.advance(1_100);
    await expect(ended).rejects.toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
  });

  test('is not sent again as a notify: the silence of a notify proves nothing', async () => {
    const { clock, client, calls, sent, takeOver } = await follow();
    const told = client.notifyKey('k', 'Tell', 1, IDEMPOTENT);
    calls()[0]!.leave();
    await told;
    await takeOver();
    await clock.advance(GRACE_MS);
    expect(sent()).toEqual(['Tell to a']);
  });

  test('is not sent again when the new owner may have it: it went to the shard itself', async () => {
    const transport = new ScriptedTransport();
    const clock = fakeClock({ monoMs: 1_000_000 });
    const client = createClient({ transport, clock, numShards: 1, routing: 'topology' });
    void client.requestKey('k', 'Get', 1, IDEMPOTENT).catch(() => undefined);
    transport.last.leave();
    transport.sent[0]!.reply({ clusterId: 'c', owners: [[0, 1, 'a', 'i']] });
    await clock.advance(GRACE_MS);
    expect(transport.sent.map(({ entry }) => entry.type)).toEqual(['clstr.topology', 'Get']);
  });

  test('is sent again if it went to the shard itself before any owner was known', async () => {
    const transport = new ScriptedTransport();
    const clock = fakeClock({ monoMs: 1_000_000 });
    const client = createClient({ transport, clock, numShards: 1, routing: 'topology' });
    void client.requestKey('k', 'Get', 1, IDEMPOTENT).catch(() => undefined);
    void client.requestKey('k', 'Set', 1).catch(() => undefined);
    transport.sent[0]!.reply({ clusterId: 'c', owners: [[0, 1, 'a', 'i']] });
    await clock.advance(GRACE_MS);
    for (const call of transport.sent.slice(1, 3)) call.leave();
    transport.announceTo!(NEW);
    await clock.advance(GRACE_MS);
    transport.last.reply({ clusterId: 'c', owners: [[0, 2, 'b', 'j']] });
    await clock.advance(GRACE_MS);
    const types = transport.sent.map(({ entry }) => entry.type);
    expect(types).toEqual(['clstr.topology', 'Get', 'Set', 'clstr.topology', 'Get']);
    expect(transport.last.to).toEqual(NEW);
  });
});
