import { deferred, fakeClock } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { systemRandom } from '../../src/base/random.ts';
import { Dispatch } from '../../src/node/dispatch.ts';
import { idempotencyOption } from '../../src/node/idempotency-options.ts';
import type { DispatchOptions } from '../../src/node/dispatch.ts';
import type { HandlerRequest } from '../../src/node/handler.ts';
import { createNode } from '../../src/node/node.ts';
import type { NodeOptions } from '../../src/node/options.ts';
import { staticShards } from '../../src/node/static-shards.ts';
import { createKeyRouter } from '../../src/placement/shard.ts';
import { withCallChain } from '../../src/client/call-headers.ts';
import { chainTo } from '../../src/wire/call-chain.ts';
import { identityOf } from '../../src/wire/cluster-identity.ts';
import { jsonCodec } from '../../src/wire/codec.ts';
import { CRITICAL_HEADER } from '../../src/wire/framework-headers.ts';
import { noTracing } from '../../src/wire/tracing.ts';
import type { InboundEntry } from '../../src/wire/transport.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { recordMetrics } from '../recorded-metrics.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

/** A node whose handlers end when the test says so, by the payload of their message. */
function start(options: Partial<DispatchOptions> = {}) {
  const clock = fakeClock({ monoMs: 1_000_000 });
  const metrics = recordMetrics();
  const gates = new Map<unknown, ReturnType<typeof deferred<unknown>>>();
  const requests: HandlerRequest[] = [];
  const dispatch = new Dispatch({
    idempotency: idempotencyOption.fallback!(),
    nodeId: 'n1',
    identity: identityOf({ numShards: 16, seed: '', codec: jsonCodec }, undefined),
    shards: staticShards('n1', new Set([1, 2]), systemRandom),
    router: createKeyRouter(16, '', () => undefined),
    handler: (request) => {
      requests.push(request);
      const gate = deferred<unknown>();
      gates.set(request.payload, gate);
      return gate.promise;
    },
    codec: jsonCodec,
    handlerTimeoutMs: 30_000,
    maxInFlight: 100,
    maxInFlightBytes: 100_000,
    maxRunning: 2,
    clock,
    random: systemRandom,
    metrics,
    tracing: noTracing,
    cluster: undefined,
    logger: recordLog(),
    shedding: false,
    types: ['Get'],
    ...options,
  });
  const port = recordAnswers();
  const send = (payload: number, fields: Partial<InboundEntry> = {}): InboundEntry => {
    const entry = entryOf({ payload: String(payload), receivedAtMs: clock.monoMs(), ...fields });
    dispatch.onEntry(entry, port);
    return entry;
  };
  const end = async (payload: number): Promise<void> => {
    gates.get(payload)!.resolve(payload);
    await clock.advance(0);
  };
  const started = (): unknown[] => requests.map((request) => request.payload);
  return { clock, dispatch, metrics, port, requests, send, end, started };
}

const refused = (code: string, message: string): unknown =>
  expect.objectContaining({ error: expect.objectContaining({ code, outcome: 'not-executed', message }) });

describe('with maxRunning', () => {
  test('so many handlers run, and the others wait for them in order', async () => {
    const { send, end, started, dispatch, port } = start();
    for (let i = 1; i <= 5; i++) send(i);
    expect(started()).toEqual([1, 2]);
    expect([dispatch.inFlight, dispatch.waiting]).toEqual([5, 3]);
    await end(2);
    expect(started()).toEqual([1, 2, 3]);
    await end(1);
    await end(3);
    expect(started()).toEqual([1, 2, 3, 4, 5]);
    await end(4);
    await end(5);
    expect(port.answers.map(({ value }) => value)).toEqual(['2', '1', '3', '4', '5']);
    expect([dispatch.inFlight, dispatch.waiting]).toEqual([0, 0]);
  });

  test('handlers that end at once, or throw, make room at once', async () => {
    const { send, port } = start({
      maxRunning: 1,
      handler: ({ payload }) => {
        if (payload === 2) throw new ClstrError('VALIDATION_FAILED', 'no');
        return payload;
      },
    });
    for (let i = 1; i <= 3; i++) send(i);
    expect(port.answers.map(({ value, error }) => value ?? error!.code)).toEqual(['1', 'HANDLER_ERROR', '3']);
  });

  test('thousands that wait and end at once leave other work its turn', async () => {
    const gate = deferred<unknown>();
    const { send, clock, port } = start({
      maxRunning: 1,
      maxInFlight: 10_000,
      handler: ({ payload }) => (payload === 0 ? gate.promise : payload),
    });
    for (let i = 0; i < 2_000; i++) send(i);
    let answersAtTurn: number | undefined;
    gate.resolve(0);
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        answersAtTurn = port.answers.length;
        resolve();
      });
    });
    expect(answersAtTurn).toBeLessThan(1_000);
    await clock.advance(0);
    expect(port.answers).toHaveLength(2_000);
  });

  test('the wait is no part of the time that a handler takes', async () => {
    const { send, end, clock, metrics } = start({ maxRunning: 1 });
    send(1);
    send(2);
    await clock.advance(40);
    await end(1);
    await clock.advance(7);
    await end(2);
    expect(metrics.calls).toEqual([
      ['handlerEnded', 'Get', true, 40, 0],
      ['handlerEnded', 'Get', true, 7, 40],
    ]);
  });

  test('a message that waits until its time is over is refused, a little before its caller gives up', async () => {
    const { send, end, clock, port, started } = start({ maxRunning: 1 });
    send(1);
    send(2, { ttlMs: 1_000 });
    await clock.advance(1_000);
    expect(port.answers).toEqual([
      refused('ENVELOPE_EXPIRED', '"Get" waited for others to end (maxRunning) until its deadline passed'),
    ]);
    await end(1);
    expect(started()).toEqual([1]);
  });

  test('a message whose caller gives up leaves the queue at once, and never runs', async () => {
    const { send, end, dispatch, started, port } = start({ maxRunning: 1 });
    send(1);
    const { clientId, attempt } = send(2);
    send(3);
    dispatch.onCancel(clientId, attempt);
    expect(dispatch.inFlight).toBe(2);
    await end(1);
    expect(started()).toEqual([1, 3]);
    expect(port.answers).toEqual([
      refused(
        'ABORTED',
        '"Get" waited for others to end (maxRunning) until it was aborted: the caller gave up',
      ),
      expect.objectContaining({ value: '1' }),
    ]);
  });

  test('a call of a handler of this node does not wait: the handler may be the one that has to end', () => {
    const { send, requests, started } = start({ maxRunning: 1 });
    send(1);
    const chain = chainTo(requests[0]!.callChain, 'a/1');
    send(2, { headers: { 'x-clstr-call-chain': '["a/1"]' } });
    send(3, { headers: withCallChain(undefined, chain) });
    expect(started()).toEqual([1, 3]);
  });

  test('messages of a shard that moves are refused, so that its next owner gets them', () => {
    const { send, dispatch, port } = start({ maxRunning: 1 });
    send(1);
    send(2, { shard: 2 });
    send(3, { shard: 1 });
    dispatch.refuseWaiting(2, new ClstrError('MOVED', 'it moves'));
    expect(port.answers).toEqual([refused('MOVED', 'it moves')]);
    expect(dispatch.waiting).toBe(1);
  });

  test('messages that wait while the node loses its lease are refused as not executed', async () => {
    const { send, dispatch, port } = start({ maxRunning: 1 });
    send(1);
    send(2);
    await dispatch.abortCalls(new ClstrError('FENCED', 'over'));
    expect(port.answers[1]).toEqual(
      refused('NOT_OWNER', '"Get" waited for others to end (maxRunning) until its node lost the shard'),
    );
  });

  test('the queue is bounded by maxInFlight', () => {
    const { send, port } = start({ maxInFlight: 3 });
    for (let i = 1; i <= 4; i++) send(i);
    expect(port.answers).toMatchObject([{ error: { code: 'OVERLOADED' } }]);
  });

  test.each([0, 1.5, '2'])('the value %o is refused', (maxRunning) => {
    const options = { transport: new ScriptedTransport(), shards: [], handler: () => 1, maxRunning };
    expect(() => createNode(options as NodeOptions)).toThrow(
      'createNode: maxRunning must be a whole number from 1',
    );
  });

  test('a handler with mailboxes of its own is refused', () => {
    const handler = Object.assign(() => 1, { hasMailboxes: true });
    const options = { transport: new ScriptedTransport(), shards: [], handler, maxRunning: 5 };
    expect(() => createNode(options)).toThrow(
      'createNode: maxRunning must be left out for actors: messages wait in mailboxes, got 5',
    );
  });
});

describe('with maxRunning and shedding', () => {
  const shedding = { targetMs: 20, intervalMs: 100 };

  test('a message behind more work than it has time for is refused when it arrives', async () => {
    const { send, end, clock, port } = start({ maxRunning: 1, shedding });
    send(1);
    await clock.advance(100);
    await end(1);
    for (let i = 2; i <= 4; i++) send(i, { ttlMs: 5_000 });
    send(5, { ttlMs: 299 });
    send(6, { ttlMs: 301 });
    expect(port.answers.slice(1)).toEqual([
      refused(
        'ENVELOPE_EXPIRED',
        '"Get" would end in about 300 ms, behind 2 messages (maxRunning): more time than it has left',
      ),
    ]);
  });

  test('messages too old when their turn comes are refused, but for critical ones and the last', async () => {
    const { send, end, clock, port, started, metrics, dispatch } = start({ maxRunning: 1, shedding });
    const critical = { [CRITICAL_HEADER]: '1' };
    send(0);
    for (let i = 1; i <= 4; i++) send(i);
    for (const i of [0, 1, 2]) {
      await clock.advance(60);
      await end(i);
    }
    // 180 ms after the first wait began: each of an interval was above the target.
    expect(started()).toEqual([0, 1, 2, 4]);
    expect(dispatch.isShedding).toBe(true);
    send(5);
    send(6, { headers: critical });
    send(7);
    send(8);
    await clock.advance(30);
    await end(4);
    expect(started().slice(4)).toEqual([6]);
    await end(6);
    expect(started().slice(5)).toEqual([8]);
    const overloaded = port.answers.filter(({ error }) => error?.code === 'OVERLOADED');
    expect(overloaded).toHaveLength(3);
    expect(overloaded[0]!.error).toMatchObject({
      details: { reason: 'age', retryAfterMs: 100 },
      outcome: 'not-executed',
    });
    expect(metrics.calls.filter(([name]) => name === 'messageShed')).toEqual([
      ['messageShed', 'age', false],
      ['messageShed', 'age', false],
      ['messageShed', 'age', false],
    ]);
    await end(8);
    await clock.advance(250);
    expect(dispatch.isShedding).toBe(false);
  });
});
