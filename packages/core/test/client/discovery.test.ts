/** A client that was not told how to route finds out by itself whether its cluster lives. */
import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { TOPOLOGY_TYPE } from '../../src/wire/envelope.ts';
import { ClstrError } from '../../src/base/errors.ts';
import type { ClientOptions } from '../../src/index.ts';
import { ScriptedTransport } from '../scripted-transport.ts';
import type { Sent } from '../scripted-transport.ts';

const NOBODY = new ClstrError('NO_SUBSCRIBER', 'nobody listens');
const DYNAMIC = { clusterId: 'c', owners: [[3, 1, 'a', 'i1']] };

function start(options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const client = createClient({ transport, clock, numShards: 16, ...options });
  const isQuestion = ({ entry }: Sent): boolean => entry.type === TOPOLOGY_TYPE;
  return {
    transport,
    clock,
    client,
    questions: () => transport.sent.filter(isQuestion),
    calls: () => transport.sent.filter((sent) => !isQuestion(sent)),
  };
}

async function endOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => {
    const { code, outcome } = error as ClstrError;
    return { code, outcome };
  });
}

const REFUSED = { code: 'NO_SUBSCRIBER', outcome: 'not-executed' };

describe('a client with default routing', () => {
  test('asks once when it is created, and sends its first call without waiting for the answer', () => {
    const { client, questions, calls } = start();
    void endOf(client.requestShard(3, 'Get'));
    expect([questions().length, calls().length]).toEqual([1, 1]);
    expect(questions()[0]!.to).toEqual({ topology: true });
  });

  test('works as in a static cluster when no node answers: a refused request fails at once', async () => {
    const { client, clock, questions, calls } = start();
    questions()[0]!.fail(NOBODY);
    const answer = endOf(client.requestShard(3, 'Get'));
    calls()[0]!.refuse(NOBODY);
    expect(await answer).toEqual(REFUSED);
    await clock.advance(10_000);
    expect([questions().length, calls().length, clock.timerCount]).toEqual([1, 1, 0]);
  });

  test.each([
    ['names no cluster', { clusterId: '', owners: [] }],
    ['is of something else', 'hello'],
    ['is empty', null],
  ])('stays static when the answer %s', async (_name, topology) => {
    const { client, questions, calls } = start();
    questions()[0]!.reply(topology);
    const answer = endOf(client.requestShard(3, 'Get'));
    calls()[0]!.refuse(NOBODY);
    expect(await answer).toEqual(REFUSED);
  });

  test('follows the cluster once a node names it: a refused request is repeated', async () => {
    const { client, transport, clock, questions, calls } = start();
    questions()[0]!.reply(DYNAMIC);
    questions()[1]!.reply(DYNAMIC);
    expect(transport.announceTo).toBeDefined();
    const answer = client.requestShard(3, 'Get');
    expect(calls()[0]!.to).toEqual({ nodeId: 'a', inc: 'i1' });
    calls()[0]!.refuse(new ClstrError('MOVED', 'on its way'));
    await clock.advance(1_000);
    calls().at(-1)!.reply('found');
    expect(await answer).toBe('found');
  });

  test.each(['NO_SUBSCRIBER', 'DRAINING', 'NOT_OWNER'] as const)(
    'that was created before its nodes keeps a call that is refused as %s until a node has answered',
    async (code) => {
      const { client, clock, questions, calls } = start();
      questions()[0]!.fail(NOBODY);
      await clock.advance(5_000);
      const answer = client.requestShard(3, 'Get');
      calls()[0]!.refuse(new ClstrError(code, 'not here'));
      expect([questions().length, calls().length]).toEqual([2, 1]);
      questions()[1]!.reply(DYNAMIC);
      await clock.advance(1_000);
      calls().at(-1)!.reply('found');
      expect(await answer).toBe('found');
    },
  );

  test.each([
    new ClstrError('MOVED', 'on its way'),
    new ClstrError('NOT_OWNER', 'b owns it', { details: { epoch: 7, nodeId: 'b', inc: 'i1' } }),
  ])('takes a refusal that only a dynamic cluster gives as the answer: $code', async (refusal) => {
    const { client, clock, questions, calls } = start();
    questions()[0]!.fail(NOBODY);
    const answer = client.requestShard(3, 'Get');
    calls()[0]!.refuse(refusal);
    await clock.advance(1_000);
    calls().at(-1)!.reply('found');
    expect(await answer).toBe('found');
  });

  test('fails the calls that waited for an answer when none comes within half a second', async () => {
    const { client, transport, clock, questions, calls } = start();
    const answer = endOf(client.requestShard(3, 'Get'));
    calls()[0]!.refuse(NOBODY);
    await clock.advance(499);
    await clock.advance(1);
    expect(await answer).toEqual(REFUSED);
    expect(transport.cancelled).toEqual([questions()[0]!.attempt]);
    await clock.advance(5_000);
    expect(questions()).toHaveLength(1);
  });

  test.each(['OVERLOADED', 'DRAINING'] as const)(
    'asks again within that time when a node refuses the question as %s',
    async (code) => {
      const { client, clock, questions, calls } = start();
      const answer = client.requestShard(3, 'Get');
      calls()[0]!.refuse(NOBODY);
      questions()[0]!.refuse(new ClstrError(code, 'not now'));
      await clock.advance(100);
      questions()[1]!.reply(DYNAMIC);
      await clock.advance(1_000);
      calls().at(-1)!.reply('found');
      expect(await answer).toBe('found');
    },
  );

  test('fails the calls that waited when every node refuses the question for half a second', async () => {
    const { client, clock, questions, calls } = start();
    const answer = endOf(client.requestShard(3, 'Get'));
    calls()[0]!.refuse(NOBODY);
    for (let i = 0; i < 5; i++) {
      questions()[i]!.refuse(new ClstrError('OVERLOADED', 'not now'));
      await clock.advance(100);
    }
    expect(await answer).toEqual(REFUSED);
    expect([questions().length, clock.timerCount]).toEqual([5, 0]);
  });

  test('asks about a thousand refused calls once', async () => {
    const { client, questions, calls } = start();
    const answers = Array.from({ length: 1_000 }, () => endOf(client.requestShard(3, 'Get')));
    for (const call of calls()) call.refuse(NOBODY);
    questions()[0]!.fail(NOBODY);
    expect(await Promise.all(answers)).toEqual(answers.map(() => REFUSED));
    expect(questions()).toHaveLength(1);
  });

  test('asks again when a call timed out, and when the connection is back', async () => {
    const { client, transport, clock, questions } = start();
    questions()[0]!.fail(NOBODY);
    const answer = endOf(client.requestShard(3, 'Get', null, { timeoutMs: 100 }));
    await clock.advance(200);
    expect(await answer).toMatchObject({ code: 'TIMEOUT' });
    expect(questions()).toHaveLength(2);
    questions()[1]!.fail(NOBODY);
    transport.become('disconnected');
    transport.become('connected');
    expect(questions()).toHaveLength(3);
  });

  test('ends a call that waits for the answer at its deadline, its abort and the close', async () => {
    const { client, clock, questions, calls } = start({ timeoutMs: 100 });
    const controller = new AbortController();
    const late = endOf(client.requestShard(3, 'Get'));
    const called = endOf(client.requestShard(3, 'Get', null, { signal: controller.signal }));
    for (const call of calls()) call.refuse(NOBODY);
    controller.abort();
    expect(await called).toEqual({ code: 'ABORTED', outcome: 'not-executed' });
    await clock.advance(200);
    expect(await late).toEqual({ code: 'TIMEOUT', outcome: 'not-executed' });
    questions()[0]!.fail(NOBODY);
    await client.close();
    expect(clock.timerCount).toBe(0);
  });

  test.each(['static', 'topology'] as const)('is not asked for by routing %s', (routing) => {
    const { questions, transport } = start({ routing });
    expect(questions()).toHaveLength(routing === 'topology' ? 1 : 0);
    expect(transport.announceTo === undefined).toBe(routing === 'static');
  });
});
