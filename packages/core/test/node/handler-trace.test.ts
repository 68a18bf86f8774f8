import { deferred, fakeClock } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { noMetrics } from '../../src/base/metrics.ts';
import { systemRandom } from '../../src/base/random.ts';
import { Dispatch } from '../../src/node/dispatch.ts';
import { idempotencyOption } from '../../src/node/idempotency-options.ts';
import type { DispatchOptions } from '../../src/node/dispatch.ts';
import type { HandlerContext, HandlerRequest } from '../../src/node/handler.ts';
import { resolveNodeOptions } from '../../src/node/options.ts';
import { staticShards } from '../../src/node/static-shards.ts';
import { createKeyRouter } from '../../src/placement/shard.ts';
import { identityOf } from '../../src/wire/cluster-identity.ts';
import { jsonCodec } from '../../src/wire/codec.ts';
import { noTracing } from '../../src/wire/tracing.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { recordTracing } from '../recorded-tracing.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

function start(options: Partial<DispatchOptions> = {}) {
  const clock = fakeClock({ monoMs: 1_000_000 });
  const tracing = recordTracing();
  const logger = recordLog();
  const requests: HandlerRequest[] = [];
  const dispatch = new Dispatch({
    nodeId: 'n1',
    identity: identityOf({ numShards: 16, seed: '', codec: jsonCodec }, undefined),
    shards: { ...staticShards('n1', new Set([1]), systemRandom), epochOf: () => 7 },
    router: createKeyRouter(16, '', () => undefined),
    handler: (request) => {
      requests.push(request);
      return 'reply';
    },
    idempotency: idempotencyOption.fallback!(),
    codec: jsonCodec,
    handlerTimeoutMs: 1_000,
    maxInFlight: 10,
    maxInFlightBytes: 100_000,
    clock,
    logger,
    tracing,
    random: systemRandom,
    metrics: noMetrics,
    cluster: { name: 'shop', prefix: 'clstr.shop' },
    shedding: false,
    ...options,
  });
  return { dispatch, clock, logger, tracing, requests, port: recordAnswers() };
}

test('is off by identity, so that a message takes the same way as without the option', () => {
  const given = { transport: new ScriptedTransport(), shards: [], handler: () => undefined };
  expect(resolveNodeOptions(given).tracing).toBe(noTracing);
});

describe('a traced message', () => {
  test('shows what arrived and where', () => {
    const { dispatch, tracing, port } = start({ types: ['Get'] });
    dispatch.onEntry(entryOf({ headers: { x: 'y' } }), port);
    dispatch.onEntry(entryOf({ type: 'Made.Up', isNotify: true }), port);
    const where = { shard: 1, nodeId: 'n1', epoch: 7, cluster: { name: 'shop', prefix: 'clstr.shop' } };
    expect(tracing.messages).toEqual([
      { ...where, type: 'Get', isDeclared: true, key: undefined, isNotify: false, headers: { x: 'y' } },
      { ...where, type: 'Made.Up', isDeclared: false, key: undefined, isNotify: true, headers: {} },
    ]);
  });

  test('gives its handler the headers of its span', () => {
    const { dispatch, requests, port } = start();
    dispatch.onEntry(entryOf({ headers: { x: 'y', traceparent: 'caller' } }), port);
    expect(requests[0]!.headers).toEqual({ x: 'y', traceparent: 'handler-1' });
  });

  test('keeps its headers if its span has none, or there is no span', () => {
    for (const startHandler of [() => ({ headers: undefined, ended: () => undefined }), () => undefined]) {
      const { dispatch, requests, port } = start({ tracing: { startHandler } });
      dispatch.onEntry(entryOf({ headers: { x: 'y' } }), port);
      expect(requests[0]!.headers).toEqual({ x: 'y' });
    }
  });

  test('ends with its answer', () => {
    const { dispatch, tracing, port } = start();
    dispatch.onEntry(entryOf(), port);
    expect(tracing.events).toEqual([['handler ended', undefined, 0]]);
  });

  test('ends with the error that its caller gets', () => {
    const { dispatch, tracing, port } = start({
      handler: () => {
        throw new Error('secret');
      },
    });
    dispatch.onEntry(entryOf(), port);
    expect(tracing.events).toEqual([['handler ended', 'INTERNAL', 0]]);
  });

  test('ends once, when the handler is too late', async () => {
    const gate = deferred<unknown>();
    const { dispatch, tracing, clock, port } = start({ handler: () => gate.promise });
    dispatch.onEntry(entryOf(), port);
    await clock.advance(1_100);
    gate.resolve('late');
    await gate.promise;
    expect(tracing.events).toEqual([['handler ended', 'HANDLER_TIMEOUT', 0]]);
  });

  test('that its caller gave up ends as aborted', () => {
    const { dispatch, tracing, port } = start({ handler: () => new Promise(() => undefined) });
    const entry = entryOf();
    dispatch.onEntry(entry, port);
    dispatch.onCancel(entry.clientId, entry.attempt);
    expect(tracing.events).toEqual([['handler ended', 'ABORTED', 0]]);
  });

  test('says how long it waited for its turn', async () => {
    const contexts: HandlerContext[] = [];
    const gate = deferred<unknown>();
    const { dispatch, tracing, clock, port } = start({
      handler: (_request, context) => {
        contexts.push(context);
        return gate.promise;
      },
    });
    dispatch.onEntry(entryOf(), port);
    await clock.advance(40);
    contexts[0]!.started();
    await clock.advance(20);
    gate.resolve('r');
    await gate.promise;
    expect(tracing.events).toEqual([['handler ended', undefined, 40]]);
  });

  test('that never got its turn has waited all its time', async () => {
    const contexts: HandlerContext[] = [];
    const { dispatch, tracing, clock, port } = start({
      handler: (_request, context) => {
        contexts.push(context);
        return new Promise(() => undefined);
      },
    });
    dispatch.onEntry(entryOf(), port);
    await clock.advance(30);
    contexts[0]!.refuse(new ClstrError('ENVELOPE_EXPIRED', 'late'));
    expect(tracing.events).toEqual([['handler ended', 'ENVELOPE_EXPIRED', 30]]);
  });
});

test('a message that is not admitted has no span', () => {
  const { dispatch, tracing, port } = start();
  dispatch.onEntry(entryOf({ shard: 2 }), port);
  expect(tracing.messages).toEqual([]);
});

test('an error of the tracing does not reach the message', () => {
  const fail = (): never => {
    throw new Error('broken');
  };
  for (const [message, tracing] of [
    ['tracing.startHandler() threw', { startHandler: fail }],
    ['ended() of a span threw', { startHandler: () => ({ headers: undefined, ended: fail }) }],
  ] as const) {
    const { dispatch, port, logger } = start({ tracing });
    dispatch.onEntry(entryOf(), port);
    expect(port.last?.value).toBe('"reply"');
    expect(logger.lines[0]?.message).toBe(message);
  }
});
