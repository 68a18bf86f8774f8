import { deferred, fakeClock } from '@clstr/testing';
import { processorGrowth } from '@clstr/testing/internal';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { attemptOf } from '../../src/wire/call-chain.ts';
import { identityOf } from '../../src/wire/cluster-identity.ts';
import { bytesCodec, jsonCodec } from '../../src/wire/codec.ts';
import { Dispatch } from '../../src/node/dispatch.ts';
import { idempotencyOption } from '../../src/node/idempotency-options.ts';
import type { DispatchOptions } from '../../src/node/dispatch.ts';
import { ActorError, ClstrError, asRefusal, forCaller } from '../../src/base/errors.ts';
import type { Handler, HandlerContext, HandlerRequest } from '../../src/node/handler.ts';
import { systemRandom } from '../../src/base/random.ts';
import { noMetrics } from '../../src/base/metrics.ts';
import { noTracing } from '../../src/wire/tracing.ts';
import { staticShards } from '../../src/node/static-shards.ts';
import { createKeyRouter } from '../../src/placement/shard.ts';
import type { KeyRouter } from '../../src/placement/shard.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { recordLog } from '@clstr/testing/internal';
import { ManualClock } from '../manual-clock.ts';
import { withCallChain } from '../../src/client/call-headers.ts';
import { CALL_CHAIN_HEADER } from '../../src/wire/call-chain.ts';
import { CRITICAL_HEADER, isCritical } from '../../src/wire/framework-headers.ts';
import { TurningClock } from './turning-clock.ts';
import { recordMetrics } from '../recorded-metrics.ts';

const NUM_SHARDS = 16;
const IDENTITY = identityOf({ numShards: NUM_SHARDS, seed: '', codec: jsonCodec }, undefined);

function start(options: Partial<DispatchOptions> = {}) {
  const clock = fakeClock({ monoMs: 1_000_000 });
  const logger = recordLog();
  const requests: HandlerRequest[] = [];
  const dispatch = new Dispatch({
    nodeId: 'n1',
    identity: IDENTITY,
    shards: staticShards('n1', new Set([3, 1]), systemRandom),
    router: createKeyRouter(NUM_SHARDS, '', () => undefined),
    handler: (request) => {
      requests.push(request);
      return 'reply';
    },
    codec: jsonCodec,
    handlerTimeoutMs: 1_000,
    idempotency: idempotencyOption.fallback!(),
    maxInFlight: 10,
    maxInFlightBytes: 1_000,
    clock,
    random: { bytes: (count) => new Uint8Array(count) },
    metrics: noMetrics,
    tracing: noTracing,
    cluster: undefined,
    shedding: false,
    logger,
    ...options,
  });
  return { dispatch, clock, logger, requests, port: recordAnswers() };
}

/** A handler that stays open until told, and the context of its newest call. */
function openHandler() {
  const gates: ReturnType<typeof deferred<unknown>>[] = [];
  const contexts: HandlerContext[] = [];
  return {
    gates,
    contexts,
    handler: (_request: HandlerRequest, context: HandlerContext) => {
      const gate = deferred<unknown>();
      gates.push(gate);
      contexts.push(context);
      return gate.promise;
    },
  };
}

describe('a probe', () => {
  test('of this run is answered without the handler on either address, and does not count as a message', () => {
    const metrics = recordMetrics();
    const { dispatch, requests, port } = start({ metrics });
    dispatch.inc = 'run';
    dispatch.onEntry(entryOf({ type: 'clstr.probe', key: 'run' }), port);
    dispatch.onShardSubjects.onEntry(entryOf({ type: 'clstr.probe', key: 'run', shard: 3 }), port);
    expect(port.answers.map(({ value }) => value)).toEqual(['null', 'null']);
    expect([requests, metrics.calls, dispatch.inbound]).toEqual([[], [], 0]);
  });

  test('is answered on the subject of a shard that the node may not serve just now', () => {
    const shards = { ...staticShards('n1', new Set([3]), systemRandom), holds: () => false };
    const { dispatch, port } = start({ shards });
    dispatch.inc = 'run';
    dispatch.onShardSubjects.onEntry(entryOf({ type: 'clstr.probe', key: 'run', shard: 3 }), port);
    dispatch.onShardSubjects.onEntry(entryOf({ shard: 3 }), port);
    expect(port.answers.map(({ value }) => value)).toEqual(['null']);
  });

  test('is answered although another sender has used its attempt, whose client id is not secret', () => {
    const { dispatch, port } = start();
    dispatch.inc = 'run';
    const probe = entryOf({ type: 'clstr.probe', key: 'run' });
    dispatch.onEntry({ ...probe, type: 'Get', key: undefined }, { ...port, inbox: '_INBOX.other' });
    dispatch.onEntry(probe, { ...port, inbox: '_INBOX.node' });
    expect(port.answers.at(-1)).toMatchObject({ attempt: probe.attempt, value: 'null' });
  });

  test('of another run gets no answer', () => {
    const { dispatch, port } = start();
    dispatch.inc = 'run';
    dispatch.onEntry(entryOf({ type: 'clstr.probe', key: 'before' }), port);
    expect(port.answers).toEqual([]);
  });
});

test('messages that arrive are counted, refused ones too', () => {
  const { dispatch, port } = start();
  dispatch.onEntry(entryOf(), port);
  dispatch.onEntry(entryOf({ shard: 5 }), port);
  dispatch.onEntry(entryOf({ type: 'clstr.topology' }), port);
  expect(dispatch.inbound).toBe(2);
});

/** Lets everything that waits for a settled promise run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

function raise(error: Error): never {
  throw error;
}

const failed = (code: string, outcome: string) => ({ error: { code, outcome } });

describe('an entry', () => {
  test('reaches the handler decoded, and its value comes back encoded', () => {
    const { dispatch, port, requests } = start();
    const payload = new TextEncoder().encode('{"a":1}');
    dispatch.onEntry(entryOf({ attempt: 50, payload, headers: { tenant: 'x' } }), port);
    expect(requests).toMatchObject([
      { key: undefined, shard: 1, type: 'Get', payload: { a: 1 }, headers: { tenant: 'x' }, isNotify: false },
    ]);
    expect(port.answers).toEqual([{ attempt: 50, value: '"reply"', isRaw: false }]);
    expect(dispatch.inFlight).toBe(0);
  });

  test('without headers has frozen empty ones', () => {
    const { dispatch, port, requests } = start();
    dispatch.onEntry(entryOf(), port);
    dispatch.onEntry(entryOf({ headers: {} }), port);
    for (const { headers } of requests) {
      expect({ ...headers }).toEqual({});
      expect(Object.isFrozen(headers)).toBe(true);
    }
  });

  test('whose handler returns bytes is answered raw', async () => {
    const { dispatch, port } = start({ handler: async () => Uint8Array.of(1, 2) });
    dispatch.onEntry(entryOf(), port);
    await settle();
    expect(port.last).toMatchObject({ value: Uint8Array.of(1, 2), isRaw: true });
  });

  test('whose handler returns something thenable is awaited', async () => {
    const { dispatch, port } = start({
      handler: () => ({ then: (resolve: (value: string) => void) => resolve('later') }),
    });
    dispatch.onEntry(entryOf(), port);
    await settle();
    expect(port.last).toMatchObject({ value: '"later"' });
  });

  test('whose handler throws from a getter named then is answered', () => {
    const { dispatch, port } = start({
      handler: () => ({
        get then(): never {
          throw new Error('trap');
        },
      }),
    });
    dispatch.onEntry(entryOf(), port);
    expect(port.last).toMatchObject(failed('INTERNAL', 'executed'));
    expect(dispatch.inFlight).toBe(0);
  });

  test('for a shard that is not served is refused', () => {
    const { dispatch, port, requests } = start();
    dispatch.onEntry(entryOf({ shard: 2 }), port);
    expect(port.last).toMatchObject(failed('NOT_OWNER', 'not-executed'));
    expect(requests).toEqual([]);
  });

  test('whose key belongs to another shard here is refused without naming that shard', () => {
    const home = 11;
    const router: KeyRouter = { shardOf: () => home };
    const { dispatch, port } = start({ router });
    dispatch.onEntry(entryOf({ key: 'key', shard: 3 }), port);
    const { code, message, details } = port.last!.error!;
    expect([code, details]).toEqual(['CLUSTER_CONFIG_MISMATCH', undefined]);
    expect(message).not.toMatch(/\d/);
  });

  test('is refused without a stack, which would cost more than the rest', () => {
    const { dispatch, port } = start({ maxInFlightBytes: 100 });
    dispatch.onEntry(entryOf({ shard: 2 }), port);
    dispatch.onEntry(entryOf({ key: 'key', shard: 1 }), port);
    dispatch.onEntry(entryOf({ key: 'key', shard: 3 }), port);
    dispatch.onEntry(entryOf({ ttlMs: 0 }), port);
    dispatch.onEntry(entryOf({ payload: new Uint8Array(101) }), port);
    dispatch.stopAdmitting();
    dispatch.onEntry(entryOf(), port);
    const errors = port.answers.flatMap(({ error }) => error ?? []);
    expect(new Set(errors.map(({ code }) => code))).toEqual(
      new Set(['NOT_OWNER', 'CLUSTER_CONFIG_MISMATCH', 'ENVELOPE_EXPIRED', 'OVERLOADED', 'DRAINING']),
    );
    for (const error of errors) expect(error).not.toBeInstanceOf(Error);
  });

  test('whose payload the codec cannot decode is refused', () => {
    const { dispatch, port, requests } = start();
    dispatch.onEntry(entryOf({ payload: new TextEncoder().encode('{') }), port);
    expect(port.last).toMatchObject({
      error: {
        code: 'INVALID_ENVELOPE',
        outcome: 'not-executed',
        message: 'the payload of "Get" is not valid json',
      },
    });
    expect(requests).toEqual([]);
  });

  test.each(['clstr.secret', 'clstr.', 'clstr.node.info.x'])('of the reserved type %s is refused', (type) => {
    const { dispatch, port, requests } = start();
    dispatch.onEntry(entryOf({ type }), port);
    expect(port.last).toMatchObject(failed('UNKNOWN_TYPE', 'not-executed'));
    expect(requests).toEqual([]);
  });

  test('has its type checked even beyond the remembered types', () => {
    const { dispatch, port } = start();
    for (let i = 0; i <= 1_024; i++) dispatch.onEntry(entryOf({ type: `Type${i}` }), port);
    expect(port.last).toMatchObject({ value: '"reply"' });
    for (const type of ['clstr.secret', 'a\nb']) {
      dispatch.onEntry(entryOf({ type }), port);
      expect(port.last?.error).toBeDefined();
    }
  });

  test('with a reserved header is refused', () => {
    const { dispatch, port } = start();
    dispatch.onEntry(entryOf({ headers: { 'x-clstr-admin': 'yes' } }), port);
    expect(port.last).toMatchObject(failed('RESERVED_HEADER', 'not-executed'));
  });

  test('which attempt it is goes to the calls that are made for it, and not to the handler', () => {
    const { dispatch, port, requests } = start();
    dispatch.onEntry(entryOf({ headers: { 'x-clstr-attempt': '3', mine: 'x' } }), port);
    dispatch.onEntry(entryOf({ headers: { 'x-clstr-attempt': '2', 'x-clstr-call-chain': '["a/b"]' } }), port);
    dispatch.onEntry(entryOf({ headers: { mine: 'x' } }), port);
    expect(requests.map(({ headers }) => ({ ...headers }))).toEqual([{ mine: 'x' }, {}, { mine: 'x' }]);
    expect(requests.map(({ callChain }) => attemptOf(callChain))).toEqual([3, 2, 1]);
  });

  test.each(['', '0', '-1', '1e3', '0x10', '2.5', ' 2', '99999999', '__proto__'])(
    'takes an attempt of %j for the first',
    (attempt) => {
      const { dispatch, port, requests } = start();
      dispatch.onEntry(entryOf({ headers: { 'x-clstr-attempt': attempt } }), port);
      expect(attemptOf(requests[0]!.callChain)).toBe(1);
    },
  );
});

describe('clstr.node.info', () => {
  test('is answered with the id and the shards in order, without the handler', () => {
    const { dispatch, port, requests } = start();
    dispatch.onEntry(entryOf({ type: 'clstr.node.info', payload: new Uint8Array(0) }), port);
    const value = JSON.stringify({ node_id: 'n1', shards: [1, 3], cluster: IDENTITY, inc: '' });
    expect(port.last).toMatchObject({ value });
    expect(requests).toEqual([]);
  });

  test('does not count as a handler, and its payload is left alone', () => {
    const metrics = recordMetrics();
    const { dispatch, port } = start({ metrics });
    dispatch.onEntry(entryOf({ type: 'clstr.node.info', payload: '{' }), port);
    const value = JSON.stringify({ node_id: 'n1', shards: [1, 3], cluster: IDENTITY, inc: '' });
    expect(port.last).toMatchObject({ value });
    expect(metrics.calls).toEqual([]);
  });

  test('is not answered when nobody waits for an answer', () => {
    const { dispatch, port } = start();
    for (const type of ['clstr.node.info', 'clstr.topology']) {
      dispatch.onEntry(entryOf({ type, isNotify: true }), port);
    }
    expect(port.answers).toEqual([]);
  });

  test.each(['clstr.node.info', 'clstr.topology'])('and %s are JSON with a codec of bytes', (type) => {
    const { dispatch, port } = start({ codec: bytesCodec });
    dispatch.onEntry(entryOf({ type, payload: 'null' }), port);
    expect(JSON.parse(port.last?.value as string)).toBeTypeOf('object');
  });
});

describe('a second copy of an attempt', () => {
  test('is dropped without an answer, whatever became of the first', () => {
    const { dispatch, port, requests } = start();
    const entry = entryOf();
    dispatch.onEntry(entry, port);
    dispatch.onEntry(entry, port);
    expect(requests).toHaveLength(1);
    expect(port.answers).toHaveLength(1);
  });

  test('is dropped also when the first was refused: the caller may have given up on it', () => {
    const open = openHandler();
    const { dispatch, port } = start({ maxInFlight: 1, handler: open.handler });
    dispatch.onEntry(entryOf(), port);
    const entry = entryOf();
    dispatch.onEntry(entry, port);
    expect(port.last).toMatchObject(failed('OVERLOADED', 'not-executed'));
    open.gates[0]!.resolve(1);
    dispatch.onEntry(entry, port);
    expect(port.answers).toHaveLength(1);
    expect(open.gates).toHaveLength(1);
  });

  test('cannot be told from another message without an attempt id', () => {
    const { dispatch, port, requests } = start();
    const entry = entryOf({ clientId: 0, attempt: 0 });
    dispatch.onEntry(entry, port);
    dispatch.onEntry(entry, port);
    expect(requests).toHaveLength(2);
  });

  test('of another client is another attempt', () => {
    const { dispatch, port, requests } = start();
    const entry = entryOf({ clientId: 1, attempt: 5 });
    dispatch.onEntry(entry, port);
    dispatch.onEntry({ ...entry, clientId: 2 }, port);
    expect(requests).toHaveLength(2);
  });
});

describe('admission', () => {
  test('refuses beyond maxInFlight until a message has ended', async () => {
    const open = openHandler();
    const { dispatch, port } = start({ maxInFlight: 2, handler: open.handler });
    for (let i = 0; i < 3; i++) dispatch.onEntry(entryOf(), port);
    expect(dispatch.inFlight).toBe(2);
    expect(port.answers).toMatchObject([failed('OVERLOADED', 'not-executed')]);
    expect(port.last?.error?.message).toBe('node n1 has 2 messages (2 bytes) in progress');
    open.gates[0]!.resolve(1);
    await settle();
    dispatch.onEntry(entryOf(), port);
    expect(open.gates).toHaveLength(3);
  });

  test('refuses beyond maxInFlightBytes until a message has ended', async () => {
    const open = openHandler();
    const { dispatch, port } = start({ maxInFlightBytes: 10, handler: open.handler });
    const of = (bytes: number) => entryOf({ payload: new Uint8Array(bytes), isRaw: true });
    dispatch.onEntry(of(6), port);
    dispatch.onEntry(of(5), port);
    expect(port.answers).toMatchObject([failed('OVERLOADED', 'not-executed')]);
    dispatch.onEntry(of(4), port);
    expect(open.gates).toHaveLength(2);
    open.gates[0]!.resolve(1);
    await settle();
    dispatch.onEntry(of(6), port);
    expect(open.gates).toHaveLength(3);
  });

  test('counts the bytes of keys and headers like those of payloads', () => {
    const open = openHandler();
    const { dispatch, port } = start({ maxInFlightBytes: 100, handler: open.handler });
    const fields = { key: undefined, payload: '1' };
    dispatch.onEntry(entryOf({ ...fields, headers: { a: 'x'.repeat(90) } }), port);
    dispatch.onEntry(entryOf({ ...fields, headers: { a: 'x'.repeat(7) } }), port);
    expect(port.last).toMatchObject(failed('OVERLOADED', 'not-executed'));
    dispatch.onEntry(entryOf({ ...fields, key: 'x'.repeat(8), shard: 1 }), port);
    expect(port.last).toMatchObject(failed('OVERLOADED', 'not-executed'));
    dispatch.onEntry(entryOf({ ...fields, headers: { a: 'x'.repeat(6) } }), port);
    expect(open.gates).toHaveLength(2);
  });

  test('releases the payload of a message that stays: it may pin the whole batch', () => {
    const open = openHandler();
    const { dispatch, port } = start({ handler: open.handler });
    const entry = entryOf({ payload: new Uint8Array(1_000_000).subarray(0, 1), isRaw: true });
    dispatch.onEntry(entry, port);
    expect(open.gates).toHaveLength(1);
    expect(entry.payload).toBe('');
  });

  test('refuses and counts a message that used up its budget on the way', async () => {
    const metrics = recordMetrics();
    const { dispatch, port, clock, requests } = start({ metrics });
    await clock.advance(100);
    dispatch.onEntry(entryOf({ ttlMs: 100 }), port);
    expect(port.last).toMatchObject(failed('ENVELOPE_EXPIRED', 'not-executed'));
    expect(metrics.calls).toEqual([
      ['messageRefused', 'ENVELOPE_EXPIRED'],
      ['transportError', 'ttl_expired'],
      ['messageShed', 'expired', false],
    ]);
    dispatch.onEntry(entryOf({ ttlMs: 101 }), port);
    expect(requests).toHaveLength(1);
  });

  test('refuses everything once the node drains, and lets running handlers end', async () => {
    const open = openHandler();
    const { dispatch, port } = start({ handler: open.handler });
    dispatch.onEntry(entryOf({ attempt: 900_001 }), port);
    dispatch.stopAdmitting();
    dispatch.onEntry(entryOf(), port);
    expect(port.last).toMatchObject(failed('DRAINING', 'not-executed'));
    let isIdle = false;
    const idle = dispatch.whenIdle().then(() => (isIdle = true));
    await settle();
    expect(isIdle).toBe(false);
    open.gates[0]!.resolve('done');
    await idle;
    expect(port.last).toMatchObject({ attempt: 900_001, value: '"done"' });
    await dispatch.whenIdle();
  });
});

describe('what a handler throws', () => {
  async function thrown(error: unknown, fields = {}) {
    const started = start({
      handler: () => {
        throw error;
      },
    });
    started.dispatch.onEntry(entryOf(fields), started.port);
    const { error: sync } = started.port.last ?? {};
    const again = start({ handler: () => Promise.reject(error) });
    again.dispatch.onEntry(entryOf(fields), again.port);
    await settle();
    expect(again.port.last?.error).toEqual(sync);
    expect(started.dispatch.inFlight + again.dispatch.inFlight).toBe(0);
    return { error: sync, logger: started.logger };
  }

  test('on purpose reaches the caller whole', async () => {
    const error = new ActorError('NO_SUCH_USER', 'no', { id: 5 });
    expect((await thrown(error)).error).toBe(error);
  });

  test('for the caller keeps its code, but never claims that it may be repeated', async () => {
    const error = forCaller(new ClstrError('OVERLOADED', 'my own queue', { details: { size: 5 } }));
    expect((await thrown(error)).error).toMatchObject({
      code: 'OVERLOADED',
      outcome: 'executed',
      retryable: false,
      details: { size: 5 },
    });
  });

  test('for the caller keeps an unknown outcome, and loses only the leave to repeat', async () => {
    const options = { outcome: 'unknown', retryable: true } as const;
    const error = forCaller(new ClstrError('VALIDATION_FAILED', 'maybe', options));
    expect((await thrown(error)).error).toMatchObject({ outcome: 'unknown', retryable: false });
  });

  test('as a refusal before user code ran stays not executed', async () => {
    const error = asRefusal(new ClstrError('OVERLOADED', 'cache full'));
    expect((await thrown(error)).error).toBe(error);
  });

  test('by a call that the handler made becomes HANDLER_ERROR, with the inner code', async () => {
    const { error } = await thrown(new ClstrError('NO_SUBSCRIBER', 'nobody'));
    expect(error).toMatchObject({
      code: 'HANDLER_ERROR',
      outcome: 'executed',
      details: { code: 'NO_SUBSCRIBER', message: 'nobody' },
    });
  });

  test.each([new TypeError('secret'), 'secret', undefined])(
    'unexpectedly (%s) becomes INTERNAL under an id, and is logged under it',
    async (err) => {
      const { error, logger } = await thrown(err, { key: undefined });
      expect(error).toMatchObject({ code: 'INTERNAL', outcome: 'executed', details: { nodeId: 'n1' } });
      expect(error?.message).not.toContain('secret');
      const id = error?.details?.['id'];
      expect(id).toHaveLength(10);
      expect(logger.lines).toMatchObject([
        { level: 'error', fields: { err, id, type: 'Get', shard: 1, nodeId: 'n1' } },
      ]);
    },
  );

  test('and a reply that has no encoded form is a failure after execution', () => {
    const { dispatch, port, logger } = start({ handler: () => ({ total: 5n }) });
    dispatch.onEntry(entryOf(), port);
    const message =
      'the reply of "Get" cannot be encoded as json: total is a bigint, which JSON cannot carry: ' +
      'send it as a text, or use a codec that carries it';
    expect(port.last).toMatchObject({ error: { code: 'INVALID_ENVELOPE', outcome: 'executed', message } });
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { type: 'Get', nodeId: 'n1' }, message }]);
    expect(dispatch.inFlight).toBe(0);
  });

  test('and an error that the codec throws on purpose is one of the handler', () => {
    const codec = { ...jsonCodec, encode: (): never => raise(new ClstrError('VALIDATION_FAILED', 'no')) };
    const { dispatch, port } = start({ codec });
    dispatch.onEntry(entryOf(), port);
    expect(port.last).toMatchObject(failed('HANDLER_ERROR', 'executed'));
  });
});

describe('a notify', () => {
  test('is not answered, even when its value has no encoded form', () => {
    const { dispatch, port, logger } = start({ handler: () => 5n });
    dispatch.onEntry(entryOf({ isNotify: true }), port);
    expect(port.answers).toEqual([]);
    expect(logger.lines).toEqual([]);
    expect(dispatch.inFlight).toBe(0);
  });

  test('that is refused is reported, so that it can be sent again', () => {
    const { dispatch, port } = start();
    dispatch.onEntry(entryOf({ isNotify: true, shard: 2 }), port);
    expect(port.last).toMatchObject(failed('NOT_OWNER', 'not-executed'));
  });

  test('that the handler refuses before it ran user code is reported as well', () => {
    const { dispatch, port } = start({
      handler: () => {
        throw asRefusal(new ClstrError('OVERLOADED', 'cache full'));
      },
    });
    dispatch.onEntry(entryOf({ isNotify: true }), port);
    expect(port.last).toMatchObject(failed('OVERLOADED', 'not-executed'));
  });

  test('whose handler fails on purpose is logged, as no caller gets the error', () => {
    const { dispatch, port, logger } = start({
      handler: () => {
        throw new ActorError('NO_SUCH_USER', 'no');
      },
    });
    dispatch.onEntry(entryOf({ isNotify: true }), port);
    expect(port.answers).toEqual([]);
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        fields: {
          event: 'handler.notify_failed',
          type: 'Get',
          shard: 1,
          key: undefined,
          code: 'ACTOR_ERROR',
          nodeId: 'n1',
        },
        message: 'no',
      },
    ]);
  });

  test('whose handler throws unexpectedly is logged once', () => {
    const { dispatch, port, logger } = start({
      handler: () => {
        throw new Error('oops');
      },
    });
    dispatch.onEntry(entryOf({ isNotify: true }), port);
    expect(port.answers).toEqual([]);
    expect(logger.lines.map(({ level }) => level)).toEqual(['error']);
  });

  test('whose handler takes too long is logged', async () => {
    const open = openHandler();
    const { dispatch, port, logger, clock } = start({ handler: open.handler });
    dispatch.onEntry(entryOf({ isNotify: true }), port);
    await clock.advance(1_020);
    expect(port.answers).toEqual([]);
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { code: 'HANDLER_TIMEOUT' } }]);
  });
});

describe('a running handler', () => {
  test('is answered HANDLER_TIMEOUT, unknown, at the end of its time, and its signal fires', async () => {
    const open = openHandler();
    const { dispatch, port, clock } = start({ handler: open.handler });
    dispatch.onEntry(entryOf(), port);
    const { signal } = open.contexts[0]!;
    expect(open.contexts[0]!.remainingMs()).toBe(1_000);
    await clock.advance(999);
    expect(signal.aborted).toBe(false);
    await clock.advance(21);
    expect(port.last).toMatchObject(failed('HANDLER_TIMEOUT', 'unknown'));
    expect(port.last?.error?.message).toMatch(
      /^the handler of "Get" on node n1 did not end within 10[012]0 ms$/,
    );
    expect(signal.reason).toBe(port.last?.error);
    expect(open.contexts[0]!.remainingMs()).toBe(0);
    open.gates[0]!.resolve('late');
    await settle();
    expect(port.answers).toHaveLength(1);
    expect(dispatch.inFlight).toBe(0);
  });

  test('that fails after its time is not answered again, nor logged', async () => {
    const open = openHandler();
    const { dispatch, port, clock, logger } = start({ handler: open.handler });
    dispatch.onEntry(entryOf(), port);
    await clock.advance(1_020);
    open.gates[0]!.reject(new Error('late'));
    await settle();
    expect(port.answers).toHaveLength(1);
    expect(logger.lines).toEqual([]);
  });

  test('has no more time than the caller', async () => {
    const open = openHandler();
    const { dispatch, port, clock } = start({ handler: open.handler });
    dispatch.onEntry(entryOf({ ttlMs: 100 }), port);
    expect(open.contexts[0]!.remainingMs()).toBe(100);
    await clock.advance(120);
    expect(port.last).toMatchObject(failed('HANDLER_TIMEOUT', 'unknown'));
  });

  test('that asks for its signal late gets one that has fired', async () => {
    const open = openHandler();
    const { dispatch, port, clock } = start({ handler: open.handler });
    dispatch.onEntry(entryOf(), port);
    await clock.advance(1_020);
    const { signal } = open.contexts[0]!;
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ code: 'HANDLER_TIMEOUT' });
    expect(open.contexts[0]!.signal).toBe(signal);
  });

  test('is cancelled by its caller: the signal fires, nothing is answered', async () => {
    const open = openHandler();
    const { dispatch, port } = start({ handler: open.handler });
    const entry = entryOf();
    dispatch.onEntry(entry, port);
    const { signal } = open.contexts[0]!;
    dispatch.onCancel(entry.clientId, entry.attempt + 1);
    dispatch.onCancel(entry.clientId + 1, entry.attempt);
    expect(signal.aborted).toBe(false);
    dispatch.onCancel(entry.clientId, entry.attempt);
    expect(signal.reason).toMatchObject({ code: 'ABORTED' });
    expect(dispatch.inFlight).toBe(0);
    dispatch.onCancel(entry.clientId, entry.attempt);
    open.gates[0]!.resolve('unwanted');
    await settle();
    expect(port.answers).toEqual([]);
    expect(dispatch.inFlight).toBe(0);
  });

  test('keeps its siblings: cancelling one attempt of a client leaves the others', async () => {
    const open = openHandler();
    const { dispatch, port } = start({ handler: open.handler });
    const [a, b] = [entryOf(), entryOf()];
    dispatch.onEntry(a, port);
    dispatch.onEntry(b, port);
    dispatch.onCancel(a.clientId, a.attempt);
    expect(open.contexts[1]!.signal.aborted).toBe(false);
    dispatch.onCancel(b.clientId, b.attempt);
    expect(open.contexts[1]!.signal.aborted).toBe(true);
  });

  test('knows its node and its logger', () => {
    const open = openHandler();
    const { dispatch, port, logger } = start({ handler: open.handler });
    dispatch.onEntry(entryOf({ clientId: 0, attempt: 0 }), port);
    expect(open.contexts[0]!.nodeId).toBe('n1');
    open.contexts[0]!.log.info({ a: 1 }, 'hello');
    expect(logger.lines).toEqual([{ level: 'info', fields: { a: 1 }, message: 'hello' }]);
  });

  test('is aborted with the error that ends everything', async () => {
    const open = openHandler();
    const { dispatch, port } = start({ handler: open.handler });
    dispatch.onEntry(entryOf(), port);
    dispatch.onEntry(entryOf({ clientId: 0, attempt: 0 }), port);
    const error = new ClstrError('ABORTED', 'closing');
    void dispatch.abortRunning(error);
    expect(port.answers.map((answer) => answer.error)).toEqual([error, error]);
    expect(open.contexts[1]!.signal.reason).toBe(error);
    await dispatch.whenIdle();
  });

  test('whose abort listener ends everything again is answered once', () => {
    const open = openHandler();
    const { dispatch, port } = start({ handler: open.handler });
    dispatch.onEntry(entryOf(), port);
    dispatch.onEntry(entryOf(), port);
    const again = () => {
      void dispatch.abortRunning(new ClstrError('ABORTED', 'again'));
    };
    for (const { signal } of open.contexts) signal.addEventListener('abort', again);
    void dispatch.abortRunning(new ClstrError('ABORTED', 'closing'));
    again();
    expect(port.answers.map(({ error }) => error?.message)).toEqual(['closing', 'again']);
    expect(dispatch.inFlight).toBe(0);
  });
});

describe('metrics', () => {
  test('get the duration of each handler', async () => {
    const open = openHandler();
    const metrics = recordMetrics();
    const { dispatch, port, clock } = start({ handler: open.handler, metrics, types: ['A', 'B'] });
    dispatch.onEntry(entryOf({ type: 'A' }), port);
    await clock.advance(30);
    dispatch.onEntry(entryOf({ type: 'B' }), port);
    open.gates[0]!.resolve(1);
    open.gates[1]!.reject(new Error('no'));
    await settle();
    expect(metrics.calls).toEqual([
      ['handlerEnded', 'A', true, 30, 0],
      ['handlerEnded', 'B', false, 0, 0],
    ]);
  });

  test('take one reading of the clock per message of a frame: one ends when the next begins', () => {
    const [metrics, clock] = [recordMetrics(), new ManualClock(1_000_000)];
    const read = vi.spyOn(clock, 'monoMs');
    const handler = ({ type }: HandlerRequest): number => (clock.nowMs += type === 'Slow' ? 40 : 1);
    const { dispatch, port } = start({ metrics, clock, handler, types: ['Get', 'Slow'] });
    const arrive = (receivedAtMs: number, ...types: string[]): void => {
      read.mockClear();
      for (const type of types) dispatch.onEntry(entryOf({ type, receivedAtMs }), port);
    };
    arrive(1_000_000, 'Get', 'Slow', 'Get');
    expect(read).toHaveBeenCalledTimes(4);
    // Another frame: time has passed since.
    clock.nowMs += 500;
    arrive(1_000_500, 'Get');
    expect(read).toHaveBeenCalledTimes(2);
    expect(metrics.calls.map(([, , , ...ms]) => ms)).toEqual([
      [1, 0],
      [40, 0],
      [1, 0],
      [1, 0],
    ]);
  });

  test('read the clock anew after a handler that has not ended within its frame', () => {
    const [metrics, clock, open] = [recordMetrics(), new ManualClock(1_000_000), openHandler()];
    const handler: Handler = (request, context) => {
      clock.nowMs += 10;
      return request.type === 'Open' ? open.handler(request, context) : 1;
    };
    const { dispatch, port } = start({ metrics, clock, handler, types: ['Get', 'Open'] });
    for (const type of ['Get', 'Open', 'Get']) dispatch.onEntry(entryOf({ type }), port);
    expect(metrics.calls).toEqual([
      ['handlerEnded', 'Get', true, 10, 0],
      ['handlerEnded', 'Get', true, 10, 0],
    ]);
  });

  test('count a cancelled handler as failed', () => {
    const open = openHandler();
    const metrics = recordMetrics();
    const { dispatch, port } = start({ handler: open.handler, metrics, types: ['Get'] });
    const entry = entryOf();
    dispatch.onEntry(entry, port);
    dispatch.onCancel(entry.clientId, entry.attempt);
    expect(metrics.calls.at(-1)).toEqual(['handlerEnded', 'Get', false, 0, 0]);
  });

  test('separate the wait for a handler from the time that it takes', async () => {
    const open = openHandler();
    const metrics = recordMetrics();
    const { dispatch, port, clock } = start({ handler: open.handler, metrics });
    dispatch.onEntry(entryOf(), port);
    await clock.advance(30);
    open.contexts[0]!.started();
    await clock.advance(5);
    open.gates[0]!.resolve(1);
    await settle();
    expect(metrics.calls.at(-1)).toEqual(['handlerEnded', 'Get', true, 5, 30]);
  });

  test('count a message refused while it waited as a wait, and its expiry as a transport error', async () => {
    const open = openHandler();
    const metrics = recordMetrics();
    const { dispatch, port, clock } = start({ handler: open.handler, metrics, types: ['Get'] });
    dispatch.onEntry(entryOf(), port);
    await clock.advance(30);
    open.contexts[0]!.refuse(new ClstrError('ENVELOPE_EXPIRED', 'it waited for too long'));
    expect(metrics.calls.slice(-4)).toEqual([
      ['handlerEnded', 'Get', false, undefined, 30],
      ['messageRefused', 'ENVELOPE_EXPIRED'],
      ['transportError', 'ttl_expired'],
      ['messageShed', 'expired', false],
    ]);
  });

  test('name no type that the handler does not declare', () => {
    const metrics = recordMetrics();
    const { dispatch, port } = start({ metrics, types: ['Get'] });
    for (const type of ['Get', 'made-up-1', 'made-up-2']) dispatch.onEntry(entryOf({ type }), port);
    const ended = metrics.calls.filter(([name]) => name === 'handlerEnded');
    expect(ended.map(([, type]) => type)).toEqual(['Get', 'other', 'other']);
  });

  test('name a type of a handler without a declaration once it was answered with success', () => {
    const metrics = recordMetrics();
    const handler = ({ type }: HandlerRequest): unknown => {
      if (type !== 'Get') throw asRefusal(new ClstrError('UNKNOWN_TYPE', 'no'));
      return 1;
    };
    const { dispatch, port } = start({ metrics, handler });
    for (let i = 0; i < 1_000; i++) dispatch.onEntry(entryOf({ type: `made-up-${i}` }), port);
    dispatch.onEntry(entryOf(), port);
    const types = metrics.calls.filter(([name]) => name === 'handlerEnded').map(([, type]) => type);
    expect(types).toHaveLength(1_001);
    expect(new Set(types)).toEqual(new Set(['other', 'Get']));
  });
});

describe('a flood of failures', () => {
  test.each([
    ['requests that throw', false, () => new Error('boom')],
    ['notifies that throw', true, () => new Error('boom')],
    ['notifies that fail on purpose', true, () => new ActorError('NO', 'no')],
  ] as const)('of %s is ten lines and a count', async (_what, isNotify, made) => {
    const handler = (): never => {
      throw made();
    };
    const { dispatch, logger, port, clock } = start({ handler });
    for (let i = 0; i < 1_000; i++) dispatch.onEntry(entryOf({ isNotify }), port);
    expect(logger.lines).toHaveLength(10);
    await clock.advance(1_000);
    expect(logger.lines).toHaveLength(11);
    expect(logger.lines[10]!.message).toMatch(/: 990 more times in one second$/);
  });

  test('gives callers the id of an error only when the log has it', () => {
    const handler = (): never => {
      throw new Error('boom');
    };
    const { dispatch, logger, port } = start({ handler });
    for (let i = 0; i < 11; i++) dispatch.onEntry(entryOf(), port);
    const errors = port.answers.map(({ error }) => error!);
    const last = errors[10]!;
    expect(errors[0]!.details).toEqual({ id: logger.lines[0]!.fields['id'], nodeId: 'n1' });
    expect(last.details).toEqual({ nodeId: 'n1' });
    expect(last.message).toBe('the handler failed; node n1 has too many such errors to log each');
  });
});

describe('what runs for many shards', () => {
  /** So many runs, two for each shard. */
  function running(count: number) {
    const open = openHandler();
    const shards = Array.from({ length: count / 2 }, (_, shard) => shard);
    const started = start({
      shards: staticShards('n1', new Set(shards), systemRandom),
      handler: open.handler,
      maxInFlight: 2 * count,
      maxInFlightBytes: 64 * count,
      clock: systemClock,
    });
    onTestFinished(() => started.dispatch.abortRunning(new ClstrError('ABORTED', 'the end')));
    for (let i = 0; i < count; i++)
      started.dispatch.onEntry(entryOf({ shard: i % shards.length }), started.port);
    return { ...started, ...open, shards };
  }

  test('is aborted shard by shard in proportional time', async () => {
    const growth = await processorGrowth(2_000, running, async ({ dispatch, shards }) => {
      const error = new ClstrError('FENCED', 'lost');
      for (const shard of shards) await dispatch.abortCalls(error, shard);
      expect(dispatch.inFlight).toBe(0);
    });
    expect(growth).toBeLessThan(4);
  });

  test('is waited for shard by shard in proportional time', async () => {
    const growth = await processorGrowth(2_000, running, async ({ dispatch, shards, gates }) => {
      const vacant = shards.map((shard) => dispatch.whenVacant(shard));
      for (const gate of gates) gate.resolve('done');
      await Promise.all(vacant);
      expect(dispatch.inFlight).toBe(0);
    });
    expect(growth).toBeLessThan(4);
  });

  test('is aborted in slices: other work gets its turn in between', async () => {
    const { dispatch } = running(1_000);
    const aborted = dispatch.abortCalls(new ClstrError('FENCED', 'its lease is over'));
    expect(dispatch.inFlight).toBe(1_000 - 256);
    await aborted;
    expect(dispatch.inFlight).toBe(0);
  });

  test('is vacant when the last of the shard has ended, whichever that is', async () => {
    const { dispatch, gates } = running(4);
    dispatch.onEntry(entryOf({ shard: 1 }), recordAnswers());
    let isVacant = false;
    const both = Promise.all([dispatch.whenVacant(1), dispatch.whenVacant(1)]).then(() => (isVacant = true));
    for (const i of [3, 0, 4]) gates[i]!.resolve('done');
    await settle();
    expect(isVacant).toBe(false);
    gates[1]!.resolve('done');
    await both;
    expect(dispatch.inFlight).toBe(1);
    await dispatch.whenVacant(1);
  });
});

describe('shedding', () => {
  const shedding = { targetMs: 5, intervalMs: 100 };
  const critical = { [CRITICAL_HEADER]: '1' };

  /** A node whose handlers take 2 ms each, in one turn of the loop that has lasted for too long. */
  function flooded(options: Partial<DispatchOptions> = {}) {
    const clock = new TurningClock(1_000_000);
    const handler = (): number => (clock.nowMs += 2);
    const started = start({ clock, handler, shedding, types: ['Get'], ...options });
    for (let i = 0; i < 60; i++) started.dispatch.onEntry(entryOf(), started.port);
    started.port.answers.length = 0;
    return { ...started, clock };
  }

  test('refuses messages that are not critical, and counts why', () => {
    const metrics = recordMetrics();
    const { dispatch, port } = flooded({ metrics });
    metrics.calls.length = 0;
    expect(dispatch.isShedding).toBe(true);
    dispatch.onEntry(entryOf(), port);
    dispatch.onEntry(entryOf({ headers: critical }), port);
    expect(port.answers).toMatchObject([failed('OVERLOADED', 'not-executed'), { value: '1000108' }]);
    expect(metrics.calls).toEqual([
      ['messageRefused', 'OVERLOADED'],
      ['messageShed', 'age', false],
      ['handlerEnded', 'Get', true, 2, 0],
    ]);
  });

  test('is off without the option: the same messages run, and no turn of the loop is watched', () => {
    const { dispatch, port, clock } = flooded({ shedding: false });
    dispatch.onEntry(entryOf(), port);
    expect(port.answers).toMatchObject([{ value: '1000122' }]);
    expect([dispatch.isShedding, clock.isWatched]).toEqual([false, false]);
  });

  test('tells layers how long handlers of the type have taken, and refuses what cannot end', async () => {
    const [open, metrics] = [openHandler(), recordMetrics()];
    const { dispatch, port, clock } = start({ handler: open.handler, shedding, metrics });
    dispatch.onEntry(entryOf(), port);
    expect(open.contexts[0]!.expectedMs).toBe(0);
    await clock.advance(30);
    open.contexts[0]!.started();
    await clock.advance(12);
    open.gates[0]!.resolve(1);
    await settle();
    dispatch.onEntry(entryOf({ receivedAtMs: clock.monoMs() }), port);
    expect(open.contexts[1]!.expectedMs).toBe(12);
    metrics.calls.length = 0;
    dispatch.onEntry(entryOf({ receivedAtMs: clock.monoMs(), ttlMs: 11, headers: critical }), port);
    expect(port.last).toMatchObject(failed('ENVELOPE_EXPIRED', 'not-executed'));
    expect(metrics.calls.at(-1)).toEqual(['messageShed', 'deadline', true]);
  });

  test('takes no more readings of the clock per message of a frame than there are messages, and one', () => {
    const clock = new TurningClock(1_000_000);
    const read = vi.spyOn(clock, 'monoMs');
    const { dispatch, port } = start({ clock, shedding });
    read.mockClear();
    for (let i = 0; i < 10; i++) dispatch.onEntry(entryOf(), port);
    expect(read).toHaveBeenCalledTimes(11);
  });

  test('hides the header from the handler, whose calls are critical too', () => {
    const { dispatch, port, requests } = start();
    dispatch.onEntry(entryOf({ headers: { ...critical, user: 'u' } }), port);
    dispatch.onEntry(entryOf({ headers: { ...critical, [CALL_CHAIN_HEADER]: '["a/1"]' } }), port);
    dispatch.onEntry(entryOf({ headers: { [CRITICAL_HEADER]: 'yes' } }), port);
    expect(requests.map(({ headers }) => ({ ...headers }))).toEqual([{ user: 'u' }, {}, {}]);
    const passedOn = requests.map(({ callChain }) => isCritical(withCallChain(undefined, callChain)));
    expect(passedOn).toEqual([true, true, false]);
  });
});
