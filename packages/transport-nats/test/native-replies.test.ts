import { ActorError, ClstrError } from '@clstr/core';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { replyPorts } from './reply-ports.ts';
import type { ScriptedConnection } from './scripted-connection.ts';
import { entryOf, microtasks, readFrame } from './wire.ts';

const start = () => replyPorts({ inboxPrefixes: ['_INBOX', 'my.inbox'] });

const inbound = (attempt: number) => ({ ...entryOf({ attempt }), payload: new Uint8Array(0) });
const entry = (attempt: number) => ({ ...inbound(attempt), clientId: 1, ttlMs: undefined, receivedAtMs: 0 });

describe('the ways back', () => {
  test('are one per client, whatever its batch, and one per inbox of one token', async () => {
    const { routeTo } = await start();
    expect(routeTo('_INBOX.a.1')).toBe(routeTo('_INBOX.a.2'));
    expect(routeTo('_INBOX.a.1')).not.toBe(routeTo('_INBOX.b.1'));
    expect(routeTo('_INBOX.x')).not.toBe(routeTo('_INBOX.y'));
    expect(routeTo('my.inbox.x')).not.toBe(routeTo('my.inbox.y'));
    expect(routeTo('_INBOX.x')).toBe(routeTo('_INBOX.x'));
  });

  test('are 4,096 at most: the client that was silent for longest is forgotten', async () => {
    const { routeTo } = await start();
    const [first, second] = [routeTo('_INBOX.c0.1'), routeTo('_INBOX.c1.1')];
    for (let i = 2; i < 4_096; i++) routeTo(`_INBOX.c${i}.1`);
    expect(routeTo('_INBOX.c0.2')).toBe(first);
    routeTo('_INBOX.new.1');
    expect(routeTo('_INBOX.c0.3')).toBe(first);
    expect(routeTo('_INBOX.c1.2')).not.toBe(second);
  });
});

test('a client that sent nothing for a minute is forgotten', async () => {
  const { clock, routeTo } = await start();
  const [idle, busy] = [routeTo('_INBOX.idle.1'), routeTo('_INBOX.busy.1')];
  for (let second = 1; second <= 70; second++) {
    await clock.advance(1_000);
    expect(routeTo(`_INBOX.busy.${second}`)).toBe(busy);
  }
  expect(routeTo('_INBOX.idle.2')).not.toBe(idle);
});

test('thousands of clients that were answered keep no slab each', async () => {
  const { scripted, routeTo } = await start();
  let bytes = 0;
  class CountedArray extends Uint8Array {
    constructor(source: number | ArrayBuffer, offset?: number, length?: number) {
      if (typeof source !== 'number') super(source, offset, length);
      else {
        super(source);
        bytes += source;
      }
    }
  }
  vi.stubGlobal('Uint8Array', CountedArray);
  onTestFinished(() => {
    vi.unstubAllGlobals();
  });
  for (let i = 0; i < 1_000; i++) {
    routeTo(`_INBOX.c${i}.1`).reply(entry(i), '1', false);
    await microtasks(1);
  }
  expect(scripted.published).toHaveLength(1_000);
  // Each slab holds hundreds of such replies.
  expect(bytes).toBeLessThan(200_000);
});

test('of thousands of clients that are answered in one turn, the first are sent theirs before its end', async () => {
  const { scripted, routeTo } = await start();
  const text = 'x'.repeat(10_000);
  for (let i = 0; i < 1_000; i++) routeTo(`_INBOX.c${i}.1`).reply(entry(i), text, false);
  expect(scripted.published).toHaveLength(960);
  await microtasks(1);
  expect(scripted.published.map(({ subject }) => subject)).toEqual(
    Array.from({ length: 1_000 }, (_, i) => `_INBOX.c${i}.1`),
  );
  for (const { data } of scripted.published) expect(readFrame(data)).toHaveLength(1);
});

/** Every way in which replies cannot leave, now or later. */
const BROKEN: [string, (scripted: ScriptedConnection) => void][] = [
  ['is closed', ({ end }) => end()],
  ['closes in this turn', (scripted) => (scripted.publishError = new Error('closed'))],
];

describe.each(BROKEN)('a reply while the connection %s', (_, breakIt) => {
  test('is dropped and counted (native)', async () => {
    const { scripted, routeTo, stats } = await start();
    breakIt(scripted);
    await microtasks(20);
    const route = routeTo('_INBOX.a.1');
    route.reply(entry(1), '1', false);
    route.fail(entry(2), new ActorError('NO', 'no'));
    await microtasks(5);
    expect(scripted.published).toEqual([]);
    expect(stats.lostReplies).toBe(2);
  });

  test('is dropped and counted (JSON)', async () => {
    const { scripted, jsonTo, stats } = await start();
    breakIt(scripted);
    await microtasks(20);
    const port = jsonTo('_INBOX.a.1');
    port.reply(entry(1), '1', false);
    port.fail(entry(2), new ActorError('NO', 'no'));
    expect(scripted.published).toEqual([]);
    expect(stats.lostReplies).toBe(2);
  });
});

test('replies of one turn leave as one message; later ones as another', async () => {
  const { scripted, routeTo } = await start();
  const route = routeTo('_INBOX.a.1');
  route.reply(entry(1), '1', false);
  route.reply(entry(2), '2', false);
  await microtasks(1);
  route.reply(entry(3), '3', false);
  await microtasks(1);
  expect(scripted.published.map(({ subject, data, reply }) => [subject, readFrame(data), reply])).toEqual([
    ['_INBOX.a.1', ['reply 1 1', 'reply 2 2'], 'clstr.node.n1.a'],
    ['_INBOX.a.1', ['reply 3 3'], 'clstr.node.n1.a'],
  ]);
});

test('failures beyond 24 KiB leave in several messages at once, as replies do', async () => {
  const { scripted, routeTo } = await start();
  const route = routeTo('_INBOX.a.1');
  for (let i = 0; i < 3; i++) {
    route.fail(entry(i), new ClstrError('INTERNAL', 'no', { details: { text: 'x'.repeat(10_000) } }));
  }
  expect(scripted.published.map(({ data }) => readFrame(data).length)).toEqual([2]);
  await microtasks(1);
  expect(scripted.published.map(({ data }) => readFrame(data).length)).toEqual([2, 1]);
});

test('replies beyond 24 KiB leave in several messages at once', async () => {
  const { scripted, routeTo } = await start();
  const route = routeTo('_INBOX.a.1');
  for (let i = 0; i < 3; i++) route.reply(entry(i), 'x'.repeat(10_000), false);
  expect(scripted.published.map(({ data }) => readFrame(data).length)).toEqual([2]);
  await microtasks(1);
  expect(scripted.published.map(({ data }) => readFrame(data).length)).toEqual([2, 1]);
});
