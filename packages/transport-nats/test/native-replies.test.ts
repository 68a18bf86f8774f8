import { ActorError, ClstrError } from '@clstr/core';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openConnection } from '../src/connection.ts';
import { JsonReplyPort } from '../src/json-reply-port.ts';
import { ReplyRoutes } from '../src/native-replies.ts';
import { resolveNatsOptions } from '../src/nats-options.ts';
import { createStats } from '../src/stats.ts';
import { WaitingReplies } from '../src/waiting-replies.ts';
import { scriptedConnection } from './scripted-connection.ts';
import type { ScriptedConnection } from './scripted-connection.ts';
import { entryOf, readFrame } from './wire.ts';

async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

async function start() {
  const scripted = scriptedConnection();
  const options = resolveNatsOptions({ connection: scripted.nats });
  const connection = await openConnection(options);
  const stats = createStats();
  const waiting = new WaitingReplies(connection, options, stats);
  const routes = new ReplyRoutes(connection, stats, 'clstr.node.n1.a', ['_INBOX', 'my.inbox'], waiting);
  return { scripted, connection, stats, waiting, routes };
}

const inbound = (attempt: number) => ({ ...entryOf({ attempt }), payload: new Uint8Array(0) });
const entry = (attempt: number) => ({ ...inbound(attempt), clientId: 1, ttlMs: undefined, receivedAtMs: 0 });

describe('the ways back', () => {
  test('are one per client, whatever its batch, and one per inbox of one token', async () => {
    const { routes } = await start();
    expect(routes.routeTo('_INBOX.a.1', 0)).toBe(routes.routeTo('_INBOX.a.2', 0));
    expect(routes.routeTo('_INBOX.a.1', 0)).not.toBe(routes.routeTo('_INBOX.b.1', 0));
    expect(routes.routeTo('_INBOX.x', 0)).not.toBe(routes.routeTo('_INBOX.y', 0));
    expect(routes.routeTo('my.inbox.x', 0)).not.toBe(routes.routeTo('my.inbox.y', 0));
    expect(routes.routeTo('_INBOX.x', 0)).toBe(routes.routeTo('_INBOX.x', 0));
  });

  test('are 4,096 at most: the client that was silent for longest is forgotten', async () => {
    const { routes } = await start();
    const [first, second] = [routes.routeTo('_INBOX.c0.1', 0), routes.routeTo('_INBOX.c1.1', 0)];
    for (let i = 2; i < 4_096; i++) routes.routeTo(`_INBOX.c${i}.1`, 0);
    expect(routes.routeTo('_INBOX.c0.2', 0)).toBe(first);
    routes.routeTo('_INBOX.new.1', 0);
    expect(routes.routeTo('_INBOX.c0.3', 0)).toBe(first);
    expect(routes.routeTo('_INBOX.c1.2', 0)).not.toBe(second);
  });
});

test('a client that was not heard of for a minute is forgotten', async () => {
  const { routes } = await start();
  const [idle, busy] = [routes.routeTo('_INBOX.idle.1', 0), routes.routeTo('_INBOX.busy.1', 0)];
  for (let second = 1; second <= 70; second++) {
    expect(routes.routeTo(`_INBOX.busy.${second}`, second * 1_000)).toBe(busy);
  }
  expect(routes.routeTo('_INBOX.idle.2', 70_000)).not.toBe(idle);
});

test('thousands of clients that were answered keep no slab each', async () => {
  const { scripted, routes } = await start();
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
    routes.routeTo(`_INBOX.c${i}.1`, 0).reply(entry(i), '1', false);
    await microtasks(1);
  }
  expect(scripted.published).toHaveLength(1_000);
  // Each slab holds hundreds of such replies.
  expect(bytes).toBeLessThan(200_000);
});

test('of thousands of clients that are answered in one turn, the first are sent theirs before its end', async () => {
  const { scripted, routes } = await start();
  const text = 'x'.repeat(10_000);
  for (let i = 0; i < 1_000; i++) routes.routeTo(`_INBOX.c${i}.1`, 0).reply(entry(i), text, false);
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
    const { scripted, routes, stats } = await start();
    breakIt(scripted);
    await microtasks(20);
    const route = routes.routeTo('_INBOX.a.1', 0);
    route.reply(entry(1), '1', false);
    route.fail(entry(2), new ActorError('NO', 'no'));
    await microtasks(5);
    expect(scripted.published).toEqual([]);
    expect(stats.lostReplies).toBe(2);
  });

  test('is dropped and counted (JSON)', async () => {
    const { scripted, connection, stats, waiting } = await start();
    breakIt(scripted);
    await microtasks(20);
    const port = new JsonReplyPort(connection, stats, waiting, '_INBOX.a.1');
    port.reply(entry(1), '1', false);
    port.fail(entry(2), new ActorError('NO', 'no'));
    expect(scripted.published).toEqual([]);
    expect(stats.lostReplies).toBe(2);
  });
});

test('replies of one turn leave as one message; later ones as another', async () => {
  const { scripted, routes } = await start();
  const route = routes.routeTo('_INBOX.a.1', 0);
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
  const { scripted, routes } = await start();
  const route = routes.routeTo('_INBOX.a.1', 0);
  for (let i = 0; i < 3; i++) {
    route.fail(entry(i), new ClstrError('INTERNAL', 'no', { details: { text: 'x'.repeat(10_000) } }));
  }
  expect(scripted.published.map(({ data }) => readFrame(data).length)).toEqual([2]);
  await microtasks(1);
  expect(scripted.published.map(({ data }) => readFrame(data).length)).toEqual([2, 1]);
});

test('replies beyond 24 KiB leave in several messages at once', async () => {
  const { scripted, routes } = await start();
  const route = routes.routeTo('_INBOX.a.1', 0);
  for (let i = 0; i < 3; i++) route.reply(entry(i), 'x'.repeat(10_000), false);
  expect(scripted.published.map(({ data }) => readFrame(data).length)).toEqual([2]);
  await microtasks(1);
  expect(scripted.published.map(({ data }) => readFrame(data).length)).toEqual([2, 1]);
});
