/** Replies that were ready while the connection was down: they leave when it is back, as long as somebody waits. */
import { ActorError, ClstrError } from '@clstr/core';
import { Events } from 'nats';
import { describe, expect, test } from 'vitest';
import type { NatsTransportOptions } from '../src/index.ts';
import { replyPorts } from './reply-ports.ts';
import { entryOf, readFrame } from './wire.ts';

async function start(more: NatsTransportOptions = {}) {
  const { clock, scripted, stats, transport, routeTo, jsonTo } = await replyPorts(more);
  const waiting = { settle: (limitMs: number) => transport.settle!(limitMs) };
  const route = routeTo('_INBOX.a.1');
  const json = jsonTo('_INBOX.b.1');
  const become = async (type: Events.Disconnect | Events.Reconnect): Promise<void> => {
    scripted.become(type);
    await clock.advance(0);
  };
  const lose = () => become(Events.Disconnect);
  const comeBack = () => become(Events.Reconnect);
  const entry = (attempt: number, ttlMs: number | 'unnamed' = 1_000) => ({
    ...entryOf({ attempt }),
    payload: new Uint8Array(0),
    clientId: 1,
    receivedAtMs: clock.monoMs(),
    ttlMs: ttlMs === 'unnamed' ? undefined : ttlMs,
  });
  const frames = () => scripted.published.map(({ data }) => readFrame(data));
  return { clock, scripted, stats, waiting, routeTo, route, json, lose, comeBack, entry, frames };
}

describe('a reply that is ready while the connection is down', () => {
  test('leaves when it is back, in order and with its failures, to the newest inbox of the client', async () => {
    const { route, routeTo, lose, comeBack, entry, frames, scripted, stats } = await start();
    await lose();
    route.reply(entry(1), '1', false);
    route.fail(entry(2), new ActorError('NO', 'no'));
    route.reply(entry(3), '3', false);
    expect(routeTo('_INBOX.a.2')).toBe(route);
    await comeBack();
    expect(frames()).toEqual([['reply 1 1', 'failure 2 ACTOR_ERROR', 'reply 3 3']]);
    expect(scripted.published[0]).toMatchObject({ subject: '_INBOX.a.2', reply: 'clstr.node.n1.a' });
    expect(stats.lostReplies).toBe(0);
  });

  test('leaves on the JSON wire too', async () => {
    const { json, lose, comeBack, entry, scripted, stats } = await start();
    await lose();
    json.reply(entry(1), '1', false);
    json.fail(entry(2), new ActorError('NO', 'no'));
    await comeBack();
    const texts = scripted.published.map(({ data }) => new TextDecoder().decode(data));
    expect(texts).toEqual([expect.stringContaining('data'), expect.stringContaining('"err":')]);
    expect(stats.lostReplies).toBe(0);
  });

  test('counts all of a failure that waits, and keeps no cause of it', async () => {
    const { route, lose, comeBack, entry, frames, stats } = await start({ maxWaitingBytes: 2_000 });
    await lose();
    const details = { text: 'x'.repeat(1_000) };
    for (let attempt = 1; attempt <= 3; attempt++) {
      route.fail(entry(attempt), new ClstrError('INTERNAL', 'no', { details, cause: new Error('why') }));
    }
    expect(stats.lostReplies).toBe(2);
    await comeBack();
    expect(frames()).toEqual([['failure 3 INTERNAL']]);
  });

  test('is not sent to a caller whose time is over', async () => {
    const { route, json, lose, comeBack, entry, frames, clock, stats } = await start();
    await lose();
    route.reply(entry(1, 500), '1', false);
    route.reply(entry(2, 501), '2', false);
    json.reply(entry(3, 500), '3', false);
    await clock.advance(500);
    await comeBack();
    expect(frames()).toEqual([['reply 2 2']]);
    expect(stats.lostReplies).toBe(2);
  });

  test('waits 30 s for a caller that named no limit', async () => {
    const { route, lose, comeBack, entry, frames, clock } = await start();
    await lose();
    route.reply(entry(1, 'unnamed'), '1', false);
    await clock.advance(1);
    route.reply(entry(2, 'unnamed'), '2', false);
    await clock.advance(29_999);
    await comeBack();
    expect(frames()).toEqual([['reply 2 2']]);
  });

  test('waits again when the connection is lost once more', async () => {
    const { route, lose, comeBack, entry, frames, clock } = await start();
    await lose();
    route.reply(entry(1), '1', false);
    await comeBack();
    await lose();
    route.reply(entry(2), '2', false);
    await clock.advance(999);
    await comeBack();
    expect(frames()).toEqual([['reply 1 1'], ['reply 2 2']]);
  });

  test('keeps its own copy of bytes that the handler goes on using', async () => {
    const { route, lose, comeBack, entry, frames } = await start();
    await lose();
    const bytes = new TextEncoder().encode('mine');
    route.reply(entry(1), bytes, true);
    bytes.fill(120);
    await comeBack();
    expect(frames()).toEqual([['reply 1 mine']]);
  });

  test('goes when more than maxWaiting wait: the expired first, then the oldest, each counted', async () => {
    const { route, lose, comeBack, entry, frames, clock, stats } = await start({ maxWaiting: 3 });
    await lose();
    route.reply(entry(1), '1', false);
    route.reply(entry(2, 10), '2', false);
    route.reply(entry(3), '3', false);
    await clock.advance(10);
    route.reply(entry(4), '4', false);
    expect(stats.lostReplies).toBe(1);
    route.reply(entry(5), '5', false);
    expect(stats.lostReplies).toBe(2);
    await comeBack();
    expect(frames()).toEqual([['reply 3 3', 'reply 4 4', 'reply 5 5']]);
  });

  test('goes when they take more than maxWaitingBytes', async () => {
    const { route, lose, comeBack, entry, frames, stats } = await start({ maxWaitingBytes: 1_000 });
    await lose();
    for (let i = 1; i <= 3; i++) route.reply(entry(i), String(i).repeat(300), false);
    route.reply(entry(4), 'x'.repeat(1_001), false);
    expect(stats.lostReplies).toBe(2);
    await comeBack();
    expect(
      frames()
        .flat()
        .map((line) => line.slice(0, 9)),
    ).toEqual(['reply 2 2', 'reply 3 3']);
  });

  test('is lost, and counted, when the connection ends for good', async () => {
    const { route, lose, entry, scripted, stats, clock } = await start();
    await lose();
    route.reply(entry(1), '1', false);
    scripted.end();
    await clock.advance(0);
    route.reply(entry(2), '2', false);
    expect(stats.lostReplies).toBe(2);
  });
});

describe('the wait for them to leave', () => {
  test('ends at once when none wait', async () => {
    const { waiting, clock } = await start();
    await waiting.settle(1_000);
    expect(clock.timerCount).toBe(0);
  });

  test('ends when the connection is back', async () => {
    const { waiting, route, lose, comeBack, entry, frames, clock } = await start();
    await lose();
    route.reply(entry(1), '1', false);
    const settled = waiting.settle(10_000);
    await comeBack();
    await settled;
    expect(frames()).toEqual([['reply 1 1']]);
    expect(clock.timerCount).toBe(0);
  });

  test.each([
    ['the limit', 300, 1_000],
    ['the time of the last caller', 10_000, 300],
  ])('ends after %s', async (_, limitMs, ttlMs) => {
    const { waiting, route, lose, entry, clock } = await start();
    await lose();
    route.reply(entry(1, ttlMs), '1', false);
    let isDone = false;
    const settled = waiting.settle(limitMs).then(() => (isDone = true));
    await clock.advance(299);
    expect(isDone).toBe(false);
    await clock.advance(1);
    await settled;
  });
});
