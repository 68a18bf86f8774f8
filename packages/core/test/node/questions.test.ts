import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { identityOf } from '../../src/wire/cluster-identity.ts';
import { jsonCodec } from '../../src/wire/codec.ts';
import { Dispatch } from '../../src/node/dispatch.ts';
import { idempotencyOption } from '../../src/node/idempotency-options.ts';
import type { DispatchOptions } from '../../src/node/dispatch.ts';
import { noMetrics } from '../../src/base/metrics.ts';
import { noTracing } from '../../src/wire/tracing.ts';
import { systemRandom } from '../../src/base/random.ts';
import { staticShards } from '../../src/node/static-shards.ts';
import type { Shards, Topology } from '../../src/cluster/shards.ts';
import { createKeyRouter } from '../../src/placement/shard.ts';
import { NOWHERE } from '../../src/wire/transport.ts';
import type { InboundEntry } from '../../src/wire/transport.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { recordLog } from '@clstr/testing/internal';

const NUM_SHARDS = 16;
const IDENTITY = identityOf({ numShards: NUM_SHARDS, seed: '', codec: jsonCodec }, undefined);

/** A node that knows the owners of `count` shards, and counts how often it is asked for them. */
function start(count = 2, options: Partial<DispatchOptions> = {}) {
  const clock = fakeClock({ monoMs: 1_000_000 });
  const view = { topology: topologyOf(count, 1), asked: 0 };
  const shards: Shards = {
    ...staticShards('n1', new Set([1, 3]), systemRandom),
    topology: () => {
      view.asked++;
      return view.topology;
    },
  };
  const dispatch = new Dispatch({
    nodeId: 'n1',
    identity: IDENTITY,
    shards,
    codec: jsonCodec,
    metrics: noMetrics,
    tracing: noTracing,
    cluster: undefined,
    shedding: false,
    logger: recordLog(),
    router: createKeyRouter(NUM_SHARDS, '', () => undefined),
    handler: () => new Promise<never>(() => undefined),
    idempotency: idempotencyOption.fallback!(),
    handlerTimeoutMs: 1_000,
    maxInFlight: 2,
    maxInFlightBytes: 1_000,
    clock,
    random: { bytes: (length) => new Uint8Array(length) },
    ...options,
  });
  let batch = 0;
  /** Comes in a batch of its own. */
  const ask = (fields: Partial<InboundEntry> = {}, known?: string) => {
    const port = recordAnswers();
    const payload = JSON.stringify(known === undefined ? null : { known });
    dispatch.onEntry(entryOf({ type: 'clstr.topology', payload, receivedAtMs: ++batch, ...fields }), port);
    return port.last;
  };
  return { dispatch, clock, view, ask };
}

function topologyOf(count: number, epoch: number): Topology {
  const owners = Array.from({ length: count }, (_, shard) => [shard, epoch, 'n1', 'run'] as const);
  return { clusterId: 'c', owners };
}

const read = (answer: { value?: unknown } | undefined) =>
  JSON.parse(answer!.value as string) as Topology & { version: string; cluster: unknown };

describe('a question for the owners', () => {
  test('is answered with all of them, and the cluster they belong to', () => {
    const { ask, view } = start();
    expect(read(ask())).toEqual({ ...view.topology, cluster: IDENTITY, version: expect.any(String) });
  });

  test.each([
    ['nobody hears', (dispatch: Dispatch, entry: InboundEntry) => dispatch.onEntry(entry, NOWHERE)],
    [
      'waits for no answer',
      (dispatch: Dispatch, entry: InboundEntry, port) => dispatch.onEntry({ ...entry, isNotify: true }, port),
    ],
    [
      'comes on the subject of a shard',
      (dispatch: Dispatch, entry: InboundEntry, port) => dispatch.onShardSubjects.onEntry(entry, port),
    ],
    [
      'came before',
      (dispatch: Dispatch, entry: InboundEntry, port) => {
        dispatch.onEntry({ ...entry, type: 'Get', shard: 1 }, NOWHERE);
        dispatch.onEntry(entry, port);
      },
    ],
  ] satisfies [
    string,
    (dispatch: Dispatch, entry: InboundEntry, port: ReturnType<typeof recordAnswers>) => void,
  ][])('that %s costs nothing, and gets no answer', (_what, send) => {
    const { dispatch, view } = start();
    const port = recordAnswers();
    send(dispatch, entryOf({ type: 'clstr.topology', payload: 'null' }), port);
    expect([port.answers, view.asked]).toEqual([[], 0]);
  });

  test('is refused unseen by a node that drains, is full, or gets it too late', () => {
    const { dispatch, view, ask } = start();
    expect(ask({ ttlMs: 5, receivedAtMs: 999_990 })?.error?.code).toBe('ENVELOPE_EXPIRED');
    for (let i = 0; i < 2; i++) dispatch.onEntry(entryOf(), recordAnswers());
    expect(ask()?.error).toMatchObject({ code: 'OVERLOADED', outcome: 'not-executed', retryable: true });
    dispatch.stopAdmitting();
    expect(ask()?.error?.code).toBe('DRAINING');
    expect(view.asked).toBe(0);
  });

  test('is refused when its answer has no room beside messages in progress, but alone may use all room', () => {
    const { dispatch, ask } = start(100);
    expect((ask()?.value as string).length).toBeGreaterThan(1_000);
    dispatch.onEntry(entryOf(), recordAnswers());
    expect(ask()?.error?.code).toBe('OVERLOADED');
  });

  test('is answered once for each batch, and each inbox', () => {
    const { dispatch } = start();
    const [one, other] = [recordAnswers(), recordAnswers()];
    const send = (port: typeof one, receivedAtMs: number) =>
      dispatch.onEntry(entryOf({ type: 'clstr.topology', payload: 'null', receivedAtMs }), port);
    for (let i = 0; i < 5; i++) send(one, 7);
    send(other, 7);
    send(one, 8);
    send(one, 9);
    expect([one.answers.length, other.answers.length]).toEqual([3, 1]);
  });

  test('has the same text for all, until another node owns a shard', () => {
    const { ask, view } = start();
    const first = ask();
    expect(ask()?.value).toBe(first?.value);
    view.topology = topologyOf(2, 2);
    const next = read(ask());
    expect([next.owners, next.version === read(first).version]).toEqual([view.topology.owners, false]);
  });

  test('has the same version from each node that knows the same', () => {
    expect(read(start().ask()).version).toBe(read(start().ask()).version);
  });

  test('gets a short answer when it names that version, and a whole one when it names another', () => {
    const { ask } = start(1_000, { maxInFlightBytes: 1_000_000 });
    const { version, clusterId } = read(ask());
    expect(read(ask({}, version))).toEqual({ clusterId, cluster: IDENTITY, version });
    expect(read(ask({}, 'another')).owners).toHaveLength(1_000);
  });

  test.each(['', '{', '5', '"known"', '[]', `{"known":"${'x'.repeat(10_000)}"}`])(
    'gets a whole answer to the payload %.20j',
    (payload) => {
      const { ask } = start();
      const room = payload.length > 1_000 ? { maxInFlightBytes: 100_000 } : {};
      expect(read(start(2, room).ask({ payload })).owners).toHaveLength(2);
      expect(ask()).toBeDefined();
    },
  );

  test('is not read when it is longer than a question has to be', () => {
    const { ask } = start(2, { maxInFlightBytes: 100_000 });
    const { version } = read(ask());
    const long = JSON.stringify({ known: version, more: 'x'.repeat(256) });
    expect(read(ask({ payload: long })).owners).toHaveLength(2);
  });

  test('costs a share of the second however short its answer is, and gets back what time has passed', async () => {
    const { ask, clock } = start();
    const { version } = read(ask());
    const answersInOneGo = (): number => {
      let answered = 0;
      while (answered < 10_000 && ask({}, version)?.error === undefined) answered++;
      return answered;
    };
    expect(answersInOneGo()).toBeLessThan(2_100);
    await clock.advance(10);
    expect(answersInOneGo()).toBeLessThan(90);
  });

  test('is refused after 2 MiB of answers in one go, and answered again later', async () => {
    const { ask, clock, view } = start(1_024, { maxInFlightBytes: 1_000_000 });
    const { length } = ask()!.value as string;
    let answered = 1;
    while (answered < 10_000 && ask()?.error === undefined) answered++;
    expect(answered * length).toBeLessThan(2_150_000);
    expect(answered * length).toBeGreaterThan(1_500_000);
    expect(ask()?.error).toMatchObject({ code: 'OVERLOADED', retryable: true });
    await clock.advance(500);
    expect(ask()?.error).toBeUndefined();
    // To make answers is dearer than to give them.
    let made = 0;
    do view.topology = topologyOf(1_024, ++made);
    while (made < 10_000 && ask()?.error === undefined);
    expect(made * length * 8).toBeLessThan(2_400_000);
  });
});

describe('the common subject of the nodes', () => {
  test('answers questions for the owners and nothing else', () => {
    const { dispatch } = start();
    const port = recordAnswers();
    for (const type of ['clstr.node.info', 'clstr.probe', 'Get']) {
      dispatch.onCommonSubject.onEntry(entryOf({ type }), port);
    }
    expect([port.answers, dispatch.inFlight]).toEqual([[], 0]);
    dispatch.onCommonSubject.onEntry(entryOf({ type: 'clstr.topology', payload: 'null' }), port);
    expect(port.answers).toHaveLength(1);
  });
});

describe('a question about the node', () => {
  const about = { type: 'clstr.node.info', shard: 1, payload: '' };

  test('is a message for its shard, and its answer is made once', () => {
    const { ask } = start();
    const answer = ask(about);
    expect(JSON.parse(answer!.value as string)).toEqual({
      node_id: 'n1',
      shards: [1, 3],
      cluster: IDENTITY,
      inc: '',
    });
    expect(ask(about)?.value).toBe(answer?.value);
    expect(ask({ ...about, shard: 2 })?.error?.code).toBe('NOT_OWNER');
  });

  test('that nobody waits for uses up no answer of this second', () => {
    const { dispatch, ask } = start();
    for (let i = 0; i < 50_000; i++) dispatch.onEntry(entryOf(about), NOWHERE);
    expect(ask(about)?.error).toBeUndefined();
  });
});
