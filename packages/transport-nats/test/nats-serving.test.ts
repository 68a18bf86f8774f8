import type { EntryReceiver } from '@clstr/core/wire';
import { ActorError } from '@clstr/core';
import { FRAME_MAGIC, TOPOLOGY_ADDRESS, createFrameWriter, encodeBatchError } from '@clstr/core/wire';
import { deferred } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import type { RecordedLogger } from '@clstr/testing/internal';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import type { Msg, NatsConnection } from 'nats';
import { connect } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { natsTransport } from '../src/index.ts';
import type { NatsTransport } from '../src/index.ts';
import type { Arrival } from './wire.ts';
import { SELF, echo, readFrame, receiver, requestFrame, send } from './wire.ts';

const MAX_PAYLOAD = 2_048;

describe.skipIf(!hasNatsServer())('a served address', () => {
  let server: NatsServer;
  let transport: NatsTransport;
  let peer: NatsConnection;
  /** What reached the peer's inboxes, by subject. */
  let inbox: Map<string, Msg[]>;
  let onMessage: () => void;
  let logger: RecordedLogger;

  beforeAll(async () => {
    server = await startNatsServer({ config: `max_payload: ${MAX_PAYLOAD}` });
  });
  afterAll(() => server.stop());

  beforeEach(async () => {
    inbox = new Map();
    onMessage = () => undefined;
    logger = recordLog();
    transport = await natsTransport({ servers: server.url, logger });
    peer = await connect({ servers: server.url });
    peer.subscribe('_INBOX.>', {
      callback: (_error, message) => {
        inbox.set(message.subject, [...(inbox.get(message.subject) ?? []), message]);
        onMessage();
      },
    });
    await peer.flush();
  });

  afterEach(async () => {
    await transport.close();
    await peer.close();
  });

  const serve = (node: EntryReceiver = echo(), shard = 1) => transport.serve({ shard }, node, SELF);

  /** Resolves once `count` messages have come to the inbox. */
  async function messagesOf(subject: string, count: number): Promise<Msg[]> {
    const done = deferred();
    onMessage = () => {
      if ((inbox.get(subject)?.length ?? 0) >= count) done.resolve();
    };
    onMessage();
    await done.promise;
    return inbox.get(subject)!;
  }

  /** Waits until the node has read what the peer published before, and the peer what came of it. */
  async function settle(): Promise<void> {
    peer.publish('clstr.shard.1', requestFrame({ type: 'Barrier', attempt: 1_000_000_000 }), {
      reply: '_INBOX.barrier.1',
    });
    await messagesOf('_INBOX.barrier.1', 1);
    await peer.flush();
  }

  const framesOf = (subject: string) => (inbox.get(subject) ?? []).map(({ data }) => readFrame(data));

  test('answers a message of another version with a batch error, in a frame that every version reads', async () => {
    await serve();
    const future = Uint8Array.of(FRAME_MAGIC, 2);
    peer.publish('clstr.shard.1', future, { reply: '_INBOX.client.1' });
    peer.publish('clstr.shard.1', future);
    await settle();
    expect(framesOf('_INBOX.client.1')).toEqual([['batch error UNSUPPORTED_VERSION']]);
    expect(transport.stats).toMatchObject({ unsupportedVersions: 2, malformed: 0 });
  });

  test('counts what is malformed, and what only clients may get', async () => {
    await serve();
    const writer = createFrameWriter();
    writer.reply(1, 'x', false);
    const reply = writer.take();
    const good = requestFrame({ attempt: 71 });
    for (const data of [
      Uint8Array.of(FRAME_MAGIC),
      reply,
      encodeBatchError('UNSUPPORTED_VERSION'),
      good.subarray(0, 20),
    ]) {
      peer.publish('clstr.shard.1', data, { reply: '_INBOX.client.1' });
    }
    await settle();
    expect(framesOf('_INBOX.client.1')).toEqual([]);
    expect(transport.stats).toMatchObject({ malformed: 4, unsupportedVersions: 0 });
  });

  test('runs a native message without a reply subject, and sends no answer', async () => {
    const arrivals: Arrival[] = [];
    await serve(
      receiver((arrival) => {
        arrivals.push(arrival);
        if (arrival.entry.type === 'Fails') arrival.port.fail(arrival.entry, new ActorError('NO', 'no'));
        else arrival.port.reply(arrival.entry, '1', false);
      }),
    );
    peer.publish('clstr.shard.1', requestFrame({ type: 'Silent' }, { type: 'Fails' }));
    await settle();
    expect(arrivals.map(({ entry }) => entry.type)).toEqual(['Silent', 'Fails', 'Barrier']);
    expect([...inbox.keys()]).toEqual(['_INBOX.barrier.1']);
  });

  test('hands on cancels', async () => {
    const node = receiver(({ entry, port }) => {
      if (entry.type === 'Barrier') port.reply(entry, '1', false);
    });
    await serve(node);
    const writer = createFrameWriter();
    writer.cancel(99, 4_711);
    peer.publish('clstr.shard.1', writer.take());
    await settle();
    expect(node.cancels).toEqual([4_711]);
  });

  test('answers two clients whose inboxes have one token, each in its own', async () => {
    await serve();
    peer.publish('clstr.shard.1', requestFrame({ attempt: 11, payload: '"a"' }), { reply: '_INBOX.a' });
    peer.publish('clstr.shard.1', requestFrame({ attempt: 22, payload: '"b"' }), { reply: '_INBOX.b' });
    await settle();
    expect(framesOf('_INBOX.a')).toEqual([['reply 11 "a"']]);
    expect(framesOf('_INBOX.b')).toEqual([['reply 22 "b"']]);
  });

  test('answers the newest batch of a client with all that is ready, naming the direct address', async () => {
    const open: Arrival[] = [];
    await serve(
      receiver((arrival) => {
        if (arrival.entry.type === 'Barrier') arrival.port.reply(arrival.entry, '1', false);
        else open.push(arrival);
      }),
    );
    peer.publish('clstr.shard.1', requestFrame({ attempt: 31 }), { reply: '_INBOX.client.1' });
    peer.publish('clstr.shard.1', requestFrame({ attempt: 32 }), { reply: '_INBOX.client.2' });
    await settle();
    for (const { entry, port } of open) port.reply(entry, '"late"', false);
    const [message] = await messagesOf('_INBOX.client.2', 1);
    expect(readFrame(message!.data)).toEqual(['reply 31 "late"', 'reply 32 "late"']);
    expect(message!.reply).toBe('clstr.node.n1.a');
    expect(inbox.has('_INBOX.client.1')).toBe(false);
  });

  test('refuses a malformed envelope where it can, and counts it', async () => {
    await serve();
    peer.publish('clstr.shard.1', 'no json', { reply: '_INBOX.client.1' });
    peer.publish('clstr.shard.1', 'no json');
    peer.publish('clstr.shard.1', JSON.stringify({ shard: 'one', reply_to: '_INBOX.client.2' }));
    await settle();
    expect(transport.stats.malformed).toBe(3);
    for (const subject of ['_INBOX.client.1', '_INBOX.client.2']) {
      expect(inbox.get(subject)?.map((message) => message.string())).toEqual([
        expect.stringContaining('INVALID_ENVELOPE'),
      ]);
    }
  });

  test('refuses an envelope for another shard than its subject', async () => {
    const types: string[] = [];
    await serve(
      receiver(({ entry, port }) => {
        types.push(entry.type);
        port.reply(entry, '1', false);
      }),
    );
    const envelope = (shard: number) => JSON.stringify({ shard, type: 'Get', data: null });
    peer.publish('clstr.shard.1', envelope(2), { reply: '_INBOX.client.1' });
    peer.publish('clstr.shard.1', envelope(1), { reply: '_INBOX.client.2' });
    peer.publish('clstr.shard.1', envelope(1));
    await settle();
    expect(types).toEqual(['Get', 'Get', 'Barrier']);
    expect(inbox.get('_INBOX.client.1')![0]!.string()).toContain(
      'the shard of the envelope is not the shard of the subject',
    );
  });

  test('of the topology takes the question in an envelope too', async () => {
    await transport.serve(TOPOLOGY_ADDRESS, echo(), SELF);
    const answer = await peer.request(
      'clstr.topology',
      JSON.stringify({ shard: 0, type: 'clstr.topology', data: 'bnVsbA==', reply_to: '' }),
      { timeout: 10_000 },
    );
    expect(answer.json()).toEqual({ data: 'bnVsbA==' });
  });

  test('whose receiver throws logs it, and goes on', async () => {
    const err = new Error('receiver');
    await serve(
      receiver(({ entry, port }) => {
        if (entry.type === 'Broken') throw err;
        port.reply(entry, '1', false);
      }),
    );
    peer.publish('clstr.shard.1', requestFrame({ type: 'Broken' }), { reply: '_INBOX.client.1' });
    await settle();
    expect(logger.lines.map(({ fields }) => fields)).toEqual([
      { event: 'node.message_failed', err, subject: 'clstr.shard.1' },
    ]);
  });

  describe('with replies larger than the server carries', () => {
    const big = (bytes: number) => JSON.stringify('x'.repeat(bytes));

    test.each([
      ['native', MAX_PAYLOAD + 1],
      ['native', MAX_PAYLOAD - 5],
      ['json', MAX_PAYLOAD + 1],
      ['json', MAX_PAYLOAD - 5],
    ] as const)('fails the call after execution (%s, %i bytes)', async (wire, bytes) => {
      await serve(
        receiver(({ entry, port }) => {
          port.reply(entry, big(bytes - 2), false);
        }),
      );
      const clientSide = await natsTransport({ servers: server.url, wire });
      const call = send(clientSide.openLink({ clientId: 5 }));
      expect((await call.answer).error).toMatchObject({
        code: 'PAYLOAD_TOO_LARGE',
        outcome: 'executed',
        details: { maxPayload: MAX_PAYLOAD },
      });
      await clientSide.close();
    });

    test.each(['native', 'json'] as const)('shortens a failure, its code kept (%s)', async (wire) => {
      await serve(
        receiver(({ entry, port }) => {
          port.fail(entry, new ActorError('NO_SUCH_USER', 'm'.repeat(4_000), { more: 'y'.repeat(4_000) }));
        }),
      );
      const clientSide = await natsTransport({ servers: server.url, wire });
      const call = send(clientSide.openLink({ clientId: 5 }));
      expect((await call.answer).error).toMatchObject({
        code: 'ACTOR_ERROR',
        actorCode: 'NO_SUCH_USER',
        outcome: 'executed',
        details: undefined,
        message: 'the rest of this error is larger than the transport carries',
      });
      await clientSide.close();
    });

    test('splits what is ready at once into messages that fit, each answer whole', async () => {
      await serve(
        receiver(({ entry, port }) => {
          if (entry.type === 'Barrier') port.reply(entry, '1', false);
          else if (entry.type === 'Fails') port.fail(entry, new ActorError('NO', 'n'.repeat(900)));
          else port.reply(entry, big(900), false);
        }),
      );
      const types = ['Get', 'Get', 'Get', 'Fails', 'Fails', 'Fails', 'Get'];
      peer.publish(
        'clstr.shard.1',
        requestFrame(...types.map((type, i) => ({ type, attempt: 60 + i, payload: '' }))),
        {
          reply: '_INBOX.client.1',
        },
      );
      await settle();
      const messages = inbox.get('_INBOX.client.1')!;
      expect(messages.length).toBeGreaterThan(2);
      for (const { data } of messages) expect(data.length).toBeLessThanOrEqual(MAX_PAYLOAD);
      const answers = framesOf('_INBOX.client.1').flat();
      expect(answers.map((text) => text.slice(0, 10))).toEqual([
        'reply 60 "',
        'reply 61 "',
        'reply 62 "',
        'failure 63',
        'failure 64',
        'failure 65',
        'reply 66 "',
      ]);
    });

    test('shortens a large failure among others that are ready, none lost', async () => {
      await serve(
        receiver(({ entry, port }) => {
          if (entry.type === 'Fails') port.fail(entry, new ActorError('NO', 'n'.repeat(3_000)));
          else port.reply(entry, '1', false);
        }),
      );
      const types = ['Get', 'Fails', 'Get'];
      peer.publish('clstr.shard.1', requestFrame(...types.map((type, i) => ({ type, attempt: 80 + i }))), {
        reply: '_INBOX.client.1',
      });
      await settle();
      expect(framesOf('_INBOX.client.1').flat()).toEqual([
        'reply 80 1',
        'failure 81 ACTOR_ERROR',
        'reply 82 1',
      ]);
    });
  });

  test('that drains answers what was on its way', async () => {
    const first = deferred<Arrival>();
    const types: string[] = [];
    const subscription = await serve(
      receiver((arrival) => {
        types.push(arrival.entry.type);
        first.resolve(arrival);
        if (arrival.entry.type !== 'First') arrival.port.reply(arrival.entry, '1', false);
      }),
    );
    peer.publish('clstr.shard.1', requestFrame({ type: 'First', attempt: 91 }), { reply: '_INBOX.client.1' });
    const { entry, port } = await first.promise;
    await subscription.close();
    peer.publish('clstr.shard.1', requestFrame({ type: 'Late' }), { reply: '_INBOX.client.2' });
    const [nobody] = await messagesOf('_INBOX.client.2', 1);
    expect(nobody!.headers?.code).toBe(503);
    port.reply(entry, '"done"', false);
    await messagesOf('_INBOX.client.1', 1);
    expect(framesOf('_INBOX.client.1')).toEqual([['reply 91 "done"']]);
    expect(types).toEqual(['First']);
  });
});
