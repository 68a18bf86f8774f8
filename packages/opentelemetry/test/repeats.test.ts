/** Calls that wait, move with their shard and are sent again: each keeps its trace, over all its attempts. */
import { SpanKind } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { createApp } from '@clstr/app';
import { createClient } from '@clstr/core';
import type { CallSpan, HandlerSpan, Tracing } from '@clstr/core';
import { deferred, testCluster } from '@clstr/testing';
import type { Deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import { expect, test } from 'vitest';
import { openTelemetryTracing } from '../src/index.ts';
import { createRecorder, parentIdOf } from './recorder.ts';
import type { Recorder } from './recorder.ts';

const CALLS = 1_000;
const KEYS = 10;
const TIME = { timeoutMs: 50_000 };
const ROOT_SPAN = '00f067aa0ba902b7';
const Worker = defineActor('worker', { work: request<void, string>({ idempotent: true }) });

/** Its handlers wait at the gate, and answer with the span that they see. */
function gatedWorker(gate: Deferred<undefined>): Actor {
  return Worker.implement({
    setup: () => undefined,
    handlers: {
      work: async (_state, _input, ctx) => {
        await gate.promise;
        return ctx.headers['traceparent']!;
      },
    },
  });
}

/**
 * Resolves `accepted` when the nodes have as many messages as there are calls, `refused` when they have refused all but
 * one of each key, and `again` at the first repeat.
 */
function watched(tracing: Tracing) {
  const [accepted, refused, again] = [deferred<undefined>(), deferred<undefined>(), deferred<undefined>()];
  let [messages, refusals] = [0, 0];
  const watching: Required<Tracing> = {
    startCall(call) {
      const span = tracing.startCall!(call)!;
      const repeated = (...repeat: Parameters<NonNullable<CallSpan['repeated']>>): void => {
        span.repeated!(...repeat);
        again.resolve(undefined);
      };
      return { headers: span.headers, repeated, ended: (error, end) => span.ended(error, end) };
    },
    startHandler(message) {
      const span = tracing.startHandler!(message)!;
      if (++messages === CALLS) accepted.resolve(undefined);
      const ended = (...end: Parameters<HandlerSpan['ended']>): void => {
        span.ended(...end);
        if (end[0] !== undefined && ++refusals === CALLS - KEYS) refused.resolve(undefined);
      };
      return { headers: span.headers, ended };
    },
  };
  return { watching, accepted: accepted.promise, refused: refused.promise, again: again.promise };
}

const traceIdOf = (i: number): string => (i + 1).toString(16).padStart(32, '0');

/** Makes the calls at once, each with a root of its own. */
function callAll(call: (key: number, headers: Record<string, string>) => Promise<string>): Promise<string[]> {
  const one = (i: number) => call(i % KEYS, { traceparent: `00-${traceIdOf(i)}-${ROOT_SPAN}-01` });
  return Promise.all(Array.from({ length: CALLS }, (_, i) => one(i)));
}

/**
 * Returns the spans of the calls. Fails unless each answer comes from a handler below its own call, which is below its
 * own root, and every other span of a node is below one of the calls.
 */
function checkedCalls(answers: readonly string[], { spans }: Recorder): ReadableSpan[] {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
  const callOf = (spanId: string | undefined) => {
    const call = byId.get(parentIdOf(byId.get(spanId!)!)!);
    return call?.kind === SpanKind.CLIENT && parentIdOf(call) === ROOT_SPAN ? call : undefined;
  };
  const right = answers.filter((traceparent, i) => {
    const [, traceId, spanId] = traceparent.split('-');
    return traceId === traceIdOf(i) && callOf(spanId)?.spanContext().traceId === traceId;
  });
  expect(right).toHaveLength(CALLS);
  const handlers = spans.filter((span) => span.kind === SpanKind.SERVER);
  expect(handlers.filter((span) => callOf(span.spanContext().spanId) === undefined)).toEqual([]);
  const calls = spans.filter((span) => span.kind === SpanKind.CLIENT);
  expect(new Set(calls.map((span) => span.spanContext().traceId)).size).toBe(CALLS);
  expect(calls).toHaveLength(CALLS);
  for (const call of calls) expect(call.attributes['clstr.attempts']).toBe(1 + call.events.length);
  return calls;
}

function repeatedFor(reason: string, calls: readonly ReadableSpan[]): readonly ReadableSpan[] {
  const isOne = ({ name, attributes = {} }: ReadableSpan['events'][number], i: number) =>
    name === 'clstr.retry' &&
    attributes['clstr.retry.reason'] === reason &&
    attributes['clstr.retry.attempt'] === i + 2;
  return calls.filter(({ events }) => events.some(isOne));
}

test('calls that wait in mailboxes move with their shards', { timeout: 60_000 }, async () => {
  const recorder = createRecorder();
  const { tracerProvider } = recorder;
  const { watching, accepted, refused } = watched(openTelemetryTracing({ tracerProvider }));
  const gate = deferred<undefined>();
  await using cluster = await testCluster({
    nodes: ['n1', 'n2'],
    isDynamic: true,
    numShards: 8,
    actors: [gatedWorker(gate)],
    client: { tracing: watching },
    node: { tracing: watching },
  });
  const candidates = Array.from({ length: 200 }, (_, i) => `key-${i}`);
  const keys = candidates.filter((key) => cluster.nodeOf(key).id === 'n1').slice(0, KEYS);
  const answers = callAll((key, headers) =>
    cluster.ref(Worker, keys[key]!).work(undefined, { headers, ...TIME }),
  );
  await accepted;
  // One message of each key runs. The others wait behind it, and are refused when their shard leaves.
  const draining = cluster.nodes[0]!.drain({ graceMs: 40_000 });
  await refused;
  gate.resolve(undefined);
  await draining;
  const calls = checkedCalls(await answers, recorder);
  const moved = repeatedFor('MOVED', calls);
  expect(moved).toHaveLength(CALLS - KEYS);
  for (const { attributes } of moved) expect(attributes['clstr.node.id']).toBe('n2');
  // A client that has the answer may not know the epoch yet; the node that gave it does.
  const at = recorder.spans.filter(({ kind }) => kind === SpanKind.SERVER);
  for (const { attributes } of at) expect(attributes['clstr.epoch']).toBeTypeOf('number');
});

test.skipIf(!hasNatsServer())(
  'calls are sent again after a lost connection',
  { timeout: 60_000 },
  async () => {
    const recorder = createRecorder();
    const { tracerProvider } = recorder;
    const { watching, accepted, again } = watched(openTelemetryTracing({ tracerProvider }));
    const gate = deferred<undefined>();
    await using server = await startNatsServer();
    const transport = (): ReturnType<typeof natsTransport> => natsTransport({ servers: server.url });
    const tracing = { startHandler: watching.startHandler };
    const app = await createApp({
      transport,
      actors: [gatedWorker(gate)],
      tracing,
      signals: [],
      logger: false,
    });
    const outside = await transport();
    const client = createClient({ transport: outside, tracing: { startCall: watching.startCall } });
    const answers = callAll((key, headers) =>
      Worker.ref(client, `key-${key}`).work(undefined, { headers, ...TIME }),
    );
    await accepted;
    await server.kill();
    await server.restart();
    await again;
    gate.resolve(undefined);
    const calls = checkedCalls(await answers, recorder);
    expect(repeatedFor('CONNECTION_LOST', calls)).toHaveLength(CALLS);
    await client.close();
    await outside.close();
    await app.close();
  },
);
