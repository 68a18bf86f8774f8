import { Socket } from 'node:net';
import type { ClientLink, NodeAddress } from '@clstr/core/wire';
import { ClstrError } from '@clstr/core';
import { FRAME_MAGIC, TOPOLOGY_ADDRESS, createFrameWriter, encodeBatchError } from '@clstr/core/wire';
import { deferred } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import type { Msg, NatsConnection, NatsError } from 'nats';
import { Events, connect } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { natsTransport } from '../src/index.ts';
import type { NatsTransport, NatsTransportOptions } from '../src/index.ts';
import { scriptedConnection } from './scripted-connection.ts';
import { SELF, microtasks, readFrame, receiver, requestFrame, send } from './wire.ts';

/** A link on a scripted connection, connected. */
async function scripted(options: NatsTransportOptions = {}) {
  const connection = scriptedConnection();
  const transport = await natsTransport({ connection: connection.nats, ...options });
  return { connection, transport, link: transport.openLink({ clientId: 5 }) };
}

describe('entries of one turn', () => {
  test('to one address leave as one message, to others as others', async () => {
    const { connection, link } = await scripted();
    for (const shard of [1, 2, 1]) send(link, { shard });
    send(link, { shard: 3 }, SELF);
    expect(connection.published).toEqual([]);
    await microtasks(1);
    expect(connection.published.map(({ subject, data }) => [subject, readFrame(data).length])).toEqual([
      ['clstr.shard.1', 2],
      ['clstr.shard.2', 1],
      ['clstr.node.n1.a', 1],
    ]);
  });

  test('leave in several messages beyond 24 KiB, none split', async () => {
    const { connection, link } = await scripted();
    const payload = JSON.stringify('x'.repeat(1_000));
    const sent = Array.from({ length: 60 }, () => send(link, { payload }));
    await microtasks(1);
    expect(connection.published).toHaveLength(3);
    for (const { data } of connection.published) expect(data.length).toBeLessThanOrEqual(24_576);
    const attempts = connection.published.flatMap(({ data }) => readFrame(data));
    expect(attempts).toEqual(sent.map(({ attempt }) => `message ${attempt} Get`));
    expect(new Set(connection.published.map(({ reply }) => reply)).size).toBe(3);
  });

  test('that ended before they left do not leave', async () => {
    const { connection, link } = await scripted();
    const [kept, dropped] = [send(link), send(link)];
    link.cancel(dropped.attempt);
    await microtasks(1);
    expect(connection.published.map(({ data }) => readFrame(data))).toEqual([
      [`message ${kept.attempt} Get`],
    ]);
    expect(dropped.effect).toEqual([]);
  });

  test.each(['native', 'json'] as const)('that are too large fail alone (%s)', async (wire) => {
    const { connection, link } = await scripted({ wire });
    const sizes = { far: 1_048_577, barely: 1_048_576, fits: 10 };
    const sent = Object.values(sizes).map((size) => send(link, { payload: 'x'.repeat(size) }));
    await microtasks(2);
    expect(sent.map(({ effect }) => effect)).toEqual([
      ['error: PAYLOAD_TOO_LARGE not-executed'],
      ['error: PAYLOAD_TOO_LARGE not-executed'],
      ['sent'],
    ]);
    expect(connection.published).toHaveLength(1);
  });

  test.each(['native', 'json'] as const)(
    'that cannot be published fail as not executed (%s)',
    async (wire) => {
      const { connection, link } = await scripted({ wire });
      connection.publishError = Object.assign(new Error('closed'), { code: 'CONNECTION_CLOSED' });
      const sent = [send(link), send(link)];
      await microtasks(2);
      const effect = ['error: TRANSPORT_CLOSED not-executed'];
      expect(sent.map((one) => one.effect)).toEqual([effect, effect]);
    },
  );

  test('on the JSON wire leave one by one, and not when they ended before', async () => {
    const { connection, link } = await scripted({ wire: 'json' });
    const [dropped] = [send(link), send(link), send(link)];
    link.cancel(dropped.attempt);
    await microtasks(1);
    expect(connection.published.map(({ subject }) => subject)).toEqual(['clstr.shard.1', 'clstr.shard.1']);
  });
});

test('a forged address is refused alone, and nothing of it is sent', async () => {
  const { connection, link } = await scripted();
  const forged = { nodeId: 'x 0\r\n\r\nPUB admin.drop 5\r\nhello\r\nPUB z', inc: 'i' } as NodeAddress;
  const sent = [send(link), send(link, {}, forged), send(link, {}, forged), send(link)];
  await microtasks(2);
  const refused = ['error: INVALID_OPTION not-executed'];
  expect(sent.map(({ effect }) => effect)).toEqual([['sent'], refused, refused, ['sent']]);
  expect(connection.published.map(({ subject }) => subject)).toEqual(['clstr.shard.1']);
});

test('a shard that is none is refused on the JSON wire too', async () => {
  const { connection, link } = await scripted({ wire: 'json' });
  const { effect } = send(link, { shard: '1 0\r\n' as unknown as number });
  await microtasks(2);
  expect([effect, connection.published]).toEqual([['error: INVALID_OPTION not-executed'], []]);
});

test('silence may mean that only Go nodes listen, as long as no node has answered on the native wire', async () => {
  const { connection, link } = await scripted();
  send(link);
  await microtasks(1);
  expect(link.explainSilence?.()).toContain("natsTransport({ wire: 'json' })");
  const answer = createFrameWriter();
  answer.reply(1, '1', false);
  const [onReply] = [...connection.subscriptions.values()];
  onReply!(null, { subject: connection.published[0]!.reply!, data: answer.take() } as Msg);
  expect(link.explainSilence?.()).toBeUndefined();
  const json = await scripted({ wire: 'json' });
  expect(json.link.explainSilence?.()).toBeUndefined();
});

test('the question for the topology has a subject of its own on the JSON wire, where no Go node listens', async () => {
  const { connection, link } = await scripted({ wire: 'json' });
  send(link, { type: 'clstr.topology', shard: 0 }, TOPOLOGY_ADDRESS);
  await microtasks(1);
  expect(connection.published.map(({ subject }) => subject)).toEqual(['clstr.topology']);
});

describe('a disconnect in the turn of a send', () => {
  test.each(Array.from({ length: 12 }, (_, i) => i))(
    'after %i microtasks loses nothing: what had left is CONNECTION_LOST, the rest leaves later',
    async (delay) => {
      const { connection, link } = await scripted();
      connection.become(Events.Disconnect);
      await microtasks(delay);
      const [call, dropped] = [send(link), send(link)];
      link.cancel(dropped.attempt);
      await microtasks(20);
      const hadLeft = connection.published.length > 0;
      expect(call.effect).toEqual(hadLeft ? ['sent', 'error: CONNECTION_LOST unknown'] : []);
      connection.become(Events.Reconnect);
      await microtasks(20);
      expect(connection.published).toHaveLength(1);
      expect(readFrame(connection.published[0]!.data)).toEqual([`message ${call.attempt} Get`]);
      if (!hadLeft) expect(call.effect).toEqual(['sent']);
      expect(dropped.effect).toEqual([]);
    },
  );

  test('and a second one in the turn of the return keeps what waits', async () => {
    const { connection, link } = await scripted();
    connection.become(Events.Disconnect);
    await microtasks(20);
    const call = send(link);
    connection.become(Events.Reconnect);
    connection.become(Events.Disconnect);
    await microtasks(20);
    const hadLeft = connection.published.length > 0;
    connection.become(Events.Reconnect);
    await microtasks(20);
    expect(connection.published).toHaveLength(1);
    expect(call.effect[0]).toBe('sent');
    expect(call.effect).toHaveLength(hadLeft ? 2 : 1);
  });
});

describe('while the connection is away', () => {
  async function away(options: NatsTransportOptions = {}) {
    const started = await scripted(options);
    started.connection.become(Events.Disconnect);
    await microtasks(20);
    return started;
  }

  test('maxWaiting entries wait, and more are refused', async () => {
    const { link } = await away({ maxWaiting: 2 });
    const sent = [send(link), send(link), send(link)];
    await microtasks(2);
    expect(sent.map(({ effect }) => effect)).toEqual([[], [], ['error: OVERLOADED not-executed']]);
    link.cancel(sent[0]!.attempt);
    const next = send(link);
    await microtasks(2);
    expect(next.effect).toEqual([]);
  });

  test('maxWaitingBytes of payload wait, and more are refused', async () => {
    const { link, connection } = await away({ maxWaitingBytes: 10 });
    const of = (bytes: number) => send(link, { payload: 'x'.repeat(bytes) });
    const sent = [of(6), of(5), of(4)];
    await microtasks(2);
    expect(sent.map(({ effect }) => effect)).toEqual([[], ['error: OVERLOADED not-executed'], []]);
    connection.become(Events.Reconnect);
    await microtasks(20);
    connection.become(Events.Disconnect);
    await microtasks(20);
    const after = of(10);
    await microtasks(2);
    expect(after.effect).toEqual([]);
  });

  test('an entry that is cancelled is forgotten, and no cancel is sent', async () => {
    const { link, connection } = await away();
    link.cancel(send(link).attempt);
    connection.become(Events.Reconnect);
    await microtasks(20);
    expect(connection.published).toEqual([]);
  });

  test('a cancel of what had left is not sent', async () => {
    const { connection, link } = await scripted();
    const call = send(link);
    const notify = send(link, { isNotify: true });
    await microtasks(1);
    connection.become(Events.Disconnect);
    await microtasks(20);
    link.cancel(call.attempt);
    link.cancel(notify.attempt);
    expect(connection.published).toHaveLength(1);
    expect(call.effect).toEqual(['sent', 'error: CONNECTION_LOST unknown']);
    expect(notify.effect).toEqual(['sent']);
  });

  test('closing the transport fails what waits as not executed', async () => {
    const { link, transport } = await away();
    const call = send(link);
    await transport.close();
    expect(call.effect).toEqual(['error: TRANSPORT_CLOSED not-executed']);
  });

  test('a connection that counts as stale is away as well', async () => {
    const { connection, link, transport } = await scripted();
    connection.status({ type: 'staleConnection' as never, data: '' });
    await microtasks(20);
    expect(transport.state).toBe('disconnected');
    send(link);
    await microtasks(20);
    expect(connection.published).toEqual([]);
  });
});

describe('a cancel', () => {
  test('of a request that has left goes the same way', async () => {
    const { connection, link } = await scripted();
    const call = send(link, { shard: 4 });
    await microtasks(1);
    link.cancel(call.attempt);
    link.cancel(call.attempt);
    expect(connection.published.map(({ subject, data }) => [subject, readFrame(data)])).toEqual([
      ['clstr.shard.4', [`message ${call.attempt} Get`]],
      ['clstr.shard.4', [`cancel ${call.attempt}`]],
    ]);
  });

  test('of a notify, or on the JSON wire, sends nothing', async () => {
    const native = await scripted();
    native.link.cancel(send(native.link, { isNotify: true }).attempt);
    const notify = send(native.link, { isNotify: true });
    await microtasks(1);
    native.link.cancel(notify.attempt);
    expect(native.connection.published).toHaveLength(1);
    const json = await scripted({ wire: 'json' });
    const call = send(json.link);
    await microtasks(1);
    json.link.cancel(call.attempt);
    expect(json.connection.published).toHaveLength(1);
  });

  test('that cannot be published is left out: the node sees the deadline', async () => {
    const { connection, link } = await scripted();
    const call = send(link);
    await microtasks(1);
    connection.publishError = new Error('closing');
    expect(() => {
      link.cancel(call.attempt);
    }).not.toThrow();
    expect(call.effect).toEqual(['sent']);
  });

  test('release forgets a notify and sends nothing', async () => {
    const { connection, link } = await scripted();
    const notify = send(link, { isNotify: true });
    await microtasks(1);
    link.release(notify.attempt);
    expect(connection.published).toHaveLength(1);
  });
});

describe('a denied publish', () => {
  test('fails every entry that went to the subject, and no other', async () => {
    const { connection, link } = await scripted();
    const [a, b] = [send(link), send(link, { shard: 2 })];
    await microtasks(1);
    const c = send(link);
    await microtasks(1);
    connection.status({
      type: Events.Error,
      data: 'PERMISSIONS_VIOLATION',
      permissionContext: { operation: 'publish', subject: 'clstr.shard.1' },
    });
    await microtasks(20);
    const denied = ['sent', 'error: NO_PERMISSION not-executed'];
    expect([a.effect, b.effect, c.effect]).toEqual([denied, ['sent'], denied]);
  });

  test('is told from other errors of the connection', async () => {
    const { connection, link } = await scripted();
    const call = send(link);
    await microtasks(1);
    connection.status({ type: Events.Error, data: 'something' });
    connection.status({
      type: Events.Error,
      data: 'PERMISSIONS_VIOLATION',
      permissionContext: { operation: 'subscription', subject: 'clstr.shard.1' },
    });
    connection.status({ type: Events.Update, data: { added: [], deleted: [] } });
    await microtasks(20);
    expect(call.effect).toEqual(['sent']);
  });
});

test('an inbox that the server forbids fails what has left as unknown, the rest as not executed', async () => {
  const { connection, link } = await scripted();
  const left = send(link);
  await microtasks(1);
  const waiting = send(link);
  const [inbox] = [...connection.subscriptions].find(([subject]) => subject.startsWith('_INBOX.'))!;
  const violation = Object.assign(new Error('denied'), { code: 'PERMISSIONS_VIOLATION' });
  connection.subscriptions.get(inbox)!(violation as never, undefined as never);
  const later = send(link);
  await microtasks(20);
  expect([left.effect, waiting.effect, later.effect]).toEqual([
    ['sent', 'error: NO_PERMISSION unknown'],
    ['error: NO_PERMISSION not-executed'],
    ['error: NO_PERMISSION not-executed'],
  ]);
});

describe('announcements', () => {
  const SUBJECT = 'clstr.topology.changes';
  const message = (reply?: string): Msg => ({ subject: SUBJECT, data: new Uint8Array(9), reply }) as Msg;

  test('are subscribed to only by a link that listens, and until it is closed', async () => {
    const { connection, link } = await scripted();
    expect([...connection.subscriptions.keys()]).not.toContain(SUBJECT);
    link.onAnnouncement(() => undefined);
    expect([...connection.subscriptions.keys()]).toContain(SUBJECT);
    await link.close();
    expect([...connection.subscriptions.keys()]).not.toContain(SUBJECT);
    link.onAnnouncement(() => undefined);
    expect([...connection.subscriptions.keys()]).not.toContain(SUBJECT);
  });

  test.each([
    ['clstr.node.n1.a', { nodeId: 'n1', inc: 'a' }],
    [undefined, undefined],
    ['', undefined],
    ['clstr.node.n1', undefined],
    ['clstr.node.n1.>', undefined],
    ['clstr.shard.1', undefined],
    ['$JS.API.STREAM.PURGE.KV_clstr', undefined],
  ])('with the reply subject %j name the run %j', async (reply, run) => {
    const { connection, link } = await scripted();
    const heard: unknown[] = [];
    link.onAnnouncement((from) => heard.push(from));
    connection.subscriptions.get(SUBJECT)!(null, message(reply));
    expect(heard).toEqual([run]);
  });

  test('that are forbidden, or whose listener throws, cost nothing else', async () => {
    const logger = recordLog();
    const { connection, link } = await scripted({ logger });
    link.onAnnouncement(() => {
      throw new Error('boom');
    });
    const error = Object.assign(new Error('no'), { code: 'PERMISSIONS_VIOLATION' });
    const callback = connection.subscriptions.get(SUBJECT)!;
    callback(error as NatsError, message());
    callback(null, message());
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn', 'error']);
    const sent = send(link);
    await microtasks(1);
    expect(sent.effect).toEqual(['sent']);
  });

  test('leave as an empty message that names the node, while there is a connection', async () => {
    const { connection, transport } = await scripted();
    const leaves = (): void => transport.announce(SELF);
    leaves();
    expect(connection.published).toEqual([
      { subject: SUBJECT, data: new Uint8Array(0), reply: 'clstr.node.n1.a' },
    ]);
    connection.publishError = Object.assign(new Error('closed'), { code: 'CONNECTION_CLOSED' });
    expect(leaves).not.toThrow();
    connection.publishError = undefined;
    connection.become(Events.Disconnect);
    await microtasks(5);
    leaves();
    expect(connection.published).toHaveLength(1);
  });
});

describe('a closed link', () => {
  test('fails what comes later, and forgets what waits', async () => {
    const { connection, link } = await scripted();
    const call = send(link);
    await Promise.all([link.close(), link.close()]);
    expect([...connection.subscriptions.keys()]).toEqual([]);
    const late = send(link);
    await microtasks(5);
    expect(late.effect).toEqual(['error: TRANSPORT_CLOSED not-executed']);
    expect(call.effect).not.toContain('error: TRANSPORT_CLOSED unknown');
  });

  test('leaves the connection alone when that is away or gone', async () => {
    for (const leave of ['disconnect', 'end'] as const) {
      const { connection, link } = await scripted();
      let flushes = 0;
      connection.flush = async () => {
        flushes++;
      };
      if (leave === 'end') connection.end();
      else connection.become(Events.Disconnect);
      await microtasks(20);
      await link.close();
      expect(flushes).toBe(0);
    }
  });
});

describe.skipIf(!hasNatsServer())('a peer that answers', () => {
  let server: NatsServer;
  let transport: NatsTransport;
  let peer: NatsConnection;
  let link: ClientLink;
  let answer: (message: Msg) => void;

  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server.stop());

  async function start(wire: 'native' | 'json'): Promise<void> {
    transport = await natsTransport({ servers: server.url, wire });
    link = transport.openLink({ clientId: 5 });
  }

  beforeEach(async () => {
    peer = await connect({ servers: server.url });
    peer.subscribe('clstr.shard.1', {
      callback: (_error, message) => {
        answer(message);
      },
    });
    await peer.flush();
  });

  afterEach(async () => {
    await transport.close();
    await peer.close();
  });

  /** The reply that a good node would give to the one entry of a message. */
  function goodReply({ data }: Msg): Uint8Array {
    const attempt = Number(readFrame(data)[0]!.split(' ')[1]);
    const writer = createFrameWriter();
    writer.reply(attempt, '"good"', false);
    return writer.take();
  }

  test('is written to once for all that leaves in one turn', async () => {
    await start('native');
    let messages = 0;
    answer = () => {
      messages += 1;
    };
    const write = vi.spyOn(Socket.prototype, 'write');
    const payload = JSON.stringify('x'.repeat(1_000));
    const sent = Array.from({ length: 120 }, () => send(link, { payload }));
    await microtasks(5);
    const sizes = write.mock.calls.map(([bytes]) => bytes.length);
    write.mockRestore();
    expect(sizes).toEqual([expect.closeTo(124_000, -4)]);
    await vi.waitFor(() => {
      expect(messages).toBe(6);
    });
    for (const { attempt } of sent) link.release(attempt);
  });

  test('with a batch error fails every entry of the batch as not executed, and no other', async () => {
    await start('native');
    answer = (message) => message.respond(encodeBatchError('UNSUPPORTED_VERSION'));
    const [a, b] = [send(link), send(link)];
    for (const { answer: end } of [a, b]) {
      expect((await end).error).toMatchObject({ code: 'UNSUPPORTED_VERSION', outcome: 'not-executed' });
    }
    expect(transport.stats.unsupportedVersions).toBe(0);
  });

  test('with garbage, another version or frames of requests is counted, and the good reply after it still counts', async () => {
    await start('native');
    answer = (message) => {
      message.respond(Uint8Array.of(1, 2, 3));
      message.respond(Uint8Array.of(FRAME_MAGIC, 9));
      const writer = createFrameWriter();
      writer.cancel(1, 2);
      message.respond(writer.take());
      message.respond(requestFrame({}));
      message.respond(requestFrame({}).subarray(0, 20));
      message.respond(goodReply(message));
    };
    const call = send(link);
    expect(await call.answer).toEqual({ error: undefined, from: undefined });
    expect(transport.stats).toMatchObject({ malformed: 4, unsupportedVersions: 1 });
  });

  test('for an attempt that nobody made is ignored', async () => {
    await start('native');
    answer = (message) => {
      const writer = createFrameWriter();
      writer.reply(999_999_999, '"bad"', false);
      message.respond(writer.take());
      message.respond(encodeBatchError('INTERNAL'));
    };
    const call = send(link);
    expect((await call.answer).error).toMatchObject({ code: expect.any(String) });
    expect(call.effect).toHaveLength(2);
  });

  test('under the name of a node teaches its address; under any other subject none', async () => {
    await start('native');
    answer = (message) => {
      peer.publish(message.reply!, goodReply(message), { reply: 'clstr.node.n7.x' });
    };
    expect((await send(link).answer).from).toEqual({ nodeId: 'n7', inc: 'x' });
    answer = (message) => {
      peer.publish(message.reply!, goodReply(message), { reply: 'clstr.shard.1' });
    };
    expect((await send(link).answer).from).toBeUndefined();
  });

  test('twice reports the second reply', async () => {
    await start('native');
    const duplicate = deferred<number>();
    link.onDuplicateReply = (shard) => {
      duplicate.resolve(shard);
    };
    expect(link.onDuplicateReply).toBeDefined();
    answer = (message) => {
      message.respond(goodReply(message));
      message.respond(goodReply(message));
    };
    const call = send(link);
    expect(await duplicate.promise).toBe(1);
    expect(call.effect).toEqual(['sent', 'reply: "good"']);
  });

  test('nothing at all to a shard that nobody serves is NO_SUBSCRIBER, for the whole batch', async () => {
    await start('native');
    const sent = [send(link, { shard: 9 }), send(link, { shard: 9 })];
    await Promise.all(sent.map((one) => one.answer));
    for (const { effect } of sent) expect(effect).toEqual(['sent', 'error: NO_SUBSCRIBER not-executed']);
  });

  test('with a 503 that no batch waits for changes nothing', async () => {
    await start('native');
    const call = send(link, { shard: 9 });
    link.cancel(call.attempt);
    const gone = send(link, { shard: 9 });
    await gone.left;
    link.cancel(gone.attempt);
    answer = (message) => message.respond(goodReply(message));
    await send(link).answer;
    expect(gone.effect).toEqual(['sent']);
  });

  test('with garbage on the JSON wire fails the call, which was executed', async () => {
    await start('json');
    answer = (message) => {
      message.respond('no json');
      message.respond('{}');
      message.respond('no json either');
    };
    const call = send(link);
    const { error } = await call.answer;
    expect(error).toMatchObject({ code: 'INVALID_ENVELOPE', outcome: 'executed' });
    await peer.flush();
    expect((await send(link, { shard: 9 }).answer).error).toMatchObject({ code: 'NO_SUBSCRIBER' });
    expect(call.effect).toHaveLength(2);
    expect(transport.stats.malformed).toBe(2);
  });

  test('whose reader throws is logged, and the connection lives', async () => {
    const err = new Error('sink');
    const logger = recordLog();
    transport = await natsTransport({ servers: server.url, logger });
    link = transport.openLink({ clientId: 5 });
    answer = (message) => message.respond(goodReply(message));
    const isThrown = deferred();
    const entry = { isNotify: false, attempt: 50_001, shard: 1, type: 'Get', key: undefined };
    link.send(
      { shard: 1 },
      { ...entry, headers: undefined, payload: '1', isRaw: false, remainingMs: () => 1_000 },
      {
        onSent() {},
        onReply() {
          isThrown.resolve();
          throw err;
        },
        onError() {},
      },
    );
    await isThrown.promise;
    expect((await send(link).answer).error).toBeUndefined();
    expect(logger.lines.map(({ fields }) => fields)).toEqual([{ event: 'client.reply_failed', err }]);
  });

  test('is served by a node of the same transport as well', async () => {
    await start('native');
    answer = () => undefined;
    const subscription = await transport.serve(
      { shard: 3 },
      receiver(({ entry, port }) => {
        port.fail(entry, new ClstrError('DRAINING', 'later'));
      }),
      SELF,
    );
    const call = send(link, { shard: 3 });
    const { error, from } = await call.answer;
    expect(error).toMatchObject({ code: 'DRAINING' });
    expect(from).toEqual(SELF);
    await subscription.close();
    await subscription.close();
    expect((await send(link, { shard: 3 }).answer).error).toMatchObject({ code: 'NO_SUBSCRIBER' });
  });
});
