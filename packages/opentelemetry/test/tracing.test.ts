import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CBaggagePropagator, suppressTracing } from '@opentelemetry/core';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  SamplingDecision,
} from '@opentelemetry/sdk-trace-base';
import type { Sampler } from '@opentelemetry/sdk-trace-base';
import { defineActor, notify, request } from '@clstr/actors';
import type { ActorContext } from '@clstr/actors';
import type { Headers } from '@clstr/core';
import { deferred, testCluster } from '@clstr/testing';
import type { TestClusterOptions } from '@clstr/testing';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openTelemetryTracing } from '../src/index.ts';
import type { OpenTelemetryTracingOptions } from '../src/index.ts';
import { createRecorder, parentIdOf, pathOf } from './recorder.ts';

const Counter = defineActor('counter', {
  add: request<{ by: number }, Headers>(),
  poke: notify<void>(),
});
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const UNSAMPLED = `00-${TRACE}-00f067aa0ba902b7-00`;

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CBaggagePropagator());
});
afterEach(() => {
  context.disable();
  propagation.disable();
});

const headersOf = ({ headers }: ActorContext): Headers => ({ ...headers });

interface Setting extends Omit<OpenTelemetryTracingOptions, 'tracer' | 'tracerProvider'> {
  sampler?: Sampler;
  /** What the actor of each key does; the others answer with their headers. */
  steps?: Record<string, (ctx: ActorContext) => unknown>;
  cluster?: Partial<TestClusterOptions>;
}

async function start({ sampler, steps = {}, cluster: further, ...options }: Setting = {}) {
  const recorder = createRecorder(sampler);
  const tracing = openTelemetryTracing({ tracerProvider: recorder.tracerProvider, ...options });
  const counter = Counter.implement({
    setup: () => undefined,
    handlers: {
      add: (_state, _input, ctx) => (steps[ctx.key] ?? headersOf)(ctx) as Headers | Promise<Headers>,
      poke: async (_state, _input, ctx) => {
        await steps[ctx.key]?.(ctx);
      },
    },
  });
  const cluster = await testCluster({
    nodes: ['n1'],
    numShards: 8,
    actors: [counter],
    client: { tracing },
    node: { tracing },
    ...further,
  });
  onTestFinished(() => cluster.close());
  const add = (key = 'ada', headers?: Record<string, string>) =>
    cluster.ref(Counter, key).add({ by: 1 }, headers === undefined ? {} : { headers });
  return { recorder, cluster, add };
}

describe('a call', () => {
  test('has a client span and below it a server span, with the attributes of the conventions', async () => {
    const { recorder, cluster, add } = await start();
    const { traceparent } = await add();
    const call = recorder.span('call', 'counter.add');
    const handler = recorder.span('handler', 'counter.add');
    const common = {
      'rpc.system.name': 'clstr',
      'rpc.method': 'counter.add',
      'server.address': 'clstr',
      'clstr.shard': cluster.client.shardOf('ada'),
      'clstr.node.id': 'n1',
    };
    expect(call.attributes).toEqual({ ...common, 'clstr.attempts': 1 });
    expect(handler.attributes).toEqual({ ...common, 'clstr.mailbox.wait': expect.any(Number) as number });
    expect([call.kind, handler.kind]).toEqual([SpanKind.CLIENT, SpanKind.SERVER]);
    expect(parentIdOf(call)).toBeUndefined();
    expect(parentIdOf(handler)).toBe(call.spanContext().spanId);
    const { traceId, spanId } = handler.spanContext();
    expect(traceparent).toBe(`00-${traceId}-${spanId}-01`);
    expect(call.spanContext().traceId).toBe(traceId);
    expect([call.status.code, handler.status.code]).toEqual([SpanStatusCode.UNSET, SpanStatusCode.UNSET]);
    expect(call.instrumentationScope).toMatchObject({
      name: '@clstr/opentelemetry',
      schemaUrl: 'https://opentelemetry.io/schemas/1.45.0',
    });
  });

  test('to a node itself has no shard', async () => {
    const recorder = createRecorder();
    const tracing = openTelemetryTracing({ tracerProvider: recorder.tracerProvider });
    const cluster = await testCluster({
      nodes: ['n1'],
      numShards: 8,
      handler: () => 'shard',
      client: { tracing },
      node: { tracing, nodeHandlers: { ask: () => 'node' } },
    });
    onTestFinished(() => cluster.close());
    expect(await cluster.client.any().request('ask')).toBe('node');
    // No handler declares the type, so that it names no span at the node.
    for (const span of [recorder.span('call', 'ask'), recorder.span('handler', 'clstr')]) {
      expect(Object.keys(span.attributes)).not.toContain('clstr.shard');
    }
  });

  test('is a child of the span that its headers name', async () => {
    const { recorder, add } = await start();
    await add('ada', { traceparent: PARENT, tracestate: 'vendor=1', baggage: 'a=b' });
    const call = recorder.span('call', 'counter.add');
    expect(call.spanContext().traceId).toBe(TRACE);
    expect(call.parentSpanContext).toMatchObject({ spanId: '00f067aa0ba902b7', isRemote: true });
    const handler = recorder.span('handler', 'counter.add');
    expect(handler.spanContext().traceState?.serialize()).toBe('vendor=1');
  });

  test('is a child of the active span, and carries the active baggage', async () => {
    const { recorder, add } = await start();
    const span = recorder.tracerProvider.getTracer('app').startSpan('page');
    const baggage = propagation.createBaggage({ tenant: { value: 'a b' } });
    const active = propagation.setBaggage(trace.setSpan(ROOT_CONTEXT, span), baggage);
    const seen = await context.with(active, () => add());
    expect(parentIdOf(recorder.span('call', 'counter.add'))).toBe(span.spanContext().spanId);
    expect(seen).toMatchObject({ baggage: 'tenant=a%20b' });
  });

  test('prefers the span that its headers name to the active one, and its own baggage', async () => {
    const { recorder, add } = await start();
    const span = recorder.tracerProvider.getTracer('app').startSpan('page');
    const baggage = propagation.createBaggage({ tenant: { value: 'active' } });
    const active = propagation.setBaggage(trace.setSpan(ROOT_CONTEXT, span), baggage);
    const seen = await context.with(active, () => add('ada', { traceparent: PARENT, baggage: 'own=1' }));
    expect(parentIdOf(recorder.span('call', 'counter.add'))).toBe('00f067aa0ba902b7');
    expect(seen).toMatchObject({ baggage: 'own=1' });
  });

  test('from outside a handler takes the span that its headers name, even where a later one of its trace is active', async () => {
    const { recorder, add } = await start();
    const active = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: TRACE,
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
    });
    await context.with(active, () => add('ada', { traceparent: PARENT }));
    expect(parentIdOf(recorder.span('call', 'counter.add'))).toBe('00f067aa0ba902b7');
  });

  test('with a traceparent that means nothing begins a trace', async () => {
    const { recorder, add } = await start();
    await add('ada', { traceparent: 'nonsense', tracestate: 'x=1' });
    expect(parentIdOf(recorder.span('call', 'counter.add'))).toBeUndefined();
  });

  test('that is a notify says so', async () => {
    const poked = deferred<undefined>();
    const { recorder, cluster } = await start({ steps: { ada: () => poked.resolve(undefined) } });
    await cluster.ref(Counter, 'ada').poke();
    await poked.promise;
    await cluster.close();
    expect(recorder.span('call', 'counter.poke').attributes['clstr.notify']).toBe(true);
    expect(recorder.span('handler', 'counter.poke').attributes['clstr.notify']).toBe(true);
  });

  test('of a handler is a child of its span', async () => {
    const { recorder, add } = await start({
      steps: { ada: (ctx) => ctx.ref(Counter, 'bob').add({ by: 2 }) },
    });
    await add();
    expect(recorder.spans.map((span) => pathOf(span, recorder.spans)).sort()).toEqual([
      'call',
      'call/handler',
      'call/handler/call',
      'call/handler/call/handler',
    ]);
  });

  test('of a handler is a child of the span that the handler has activated', async () => {
    const { recorder, add } = await start({
      steps: {
        ada: (ctx) => {
          const [, traceId, spanId] = ctx.headers['traceparent']!.split('-') as [string, string, string];
          const above = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1 });
          const span = recorder.tracerProvider.getTracer('app').startSpan('query', {}, above);
          const work = (): unknown => ctx.ref(Counter, 'bob').add({ by: 2 });
          const result = context.with(trace.setSpan(above, span), work);
          span.end();
          return result;
        },
      },
    });
    await add();
    const paths = recorder.spans.map((span) => pathOf(span, recorder.spans));
    expect(paths).toContain('call/handler/query/call/handler');
  });
});

describe('a failure', () => {
  test('has its code, outcome and status, but no message, which would quote the key', async () => {
    const { recorder, add } = await start({
      steps: {
        ada: () => {
          throw new Error('secret text');
        },
      },
    });
    await expect(add()).rejects.toThrow();
    const failed = {
      attributes: { 'error.type': 'INTERNAL', 'rpc.status_code': 'INTERNAL', 'clstr.outcome': 'executed' },
      status: { code: SpanStatusCode.ERROR },
    };
    expect(recorder.span('call', 'counter.add')).toMatchObject(failed);
    expect(recorder.span('handler', 'counter.add')).toMatchObject(failed);
    expect(recorder.span('call', 'counter.add').status.message).toBeUndefined();
  });

  test('that the caller caused is no failure of the node', async () => {
    const gate = deferred<undefined>();
    const begun = deferred<undefined>();
    const { recorder, cluster } = await start({
      steps: {
        ada: () => {
          begun.resolve(undefined);
          return gate.promise;
        },
      },
    });
    const controller = new AbortController();
    const call = cluster.ref(Counter, 'ada').add({ by: 1 }, { signal: controller.signal });
    await begun.promise;
    controller.abort();
    await expect(call).rejects.toThrow();
    gate.resolve(undefined);
    await cluster.close();
    const handler = recorder.span('handler', 'counter.add');
    expect(handler.attributes['rpc.status_code']).toBe('ABORTED');
    expect(handler.attributes['error.type']).toBeUndefined();
    expect(handler.status.code).toBe(SpanStatusCode.UNSET);
    expect(recorder.span('call', 'counter.add').attributes['error.type']).toBe('ABORTED');
  });

  test('for a type that no node knows names no span', async () => {
    const { recorder, cluster } = await start();
    await expect(cluster.client.requestKey('ada', 'made.up')).rejects.toThrow();
    for (const kind of ['call', 'handler'] as const) {
      expect(recorder.span(kind, 'clstr').attributes).toMatchObject({
        'rpc.method': '_OTHER',
        'rpc.method_original': 'made.up',
        'error.type': 'UNKNOWN_TYPE',
      });
    }
  });
});

describe('privacy', () => {
  const secrets = async (options: Setting) => {
    const { recorder, cluster, add } = await start({
      ...options,
      steps: {
        'key-1815': () => {
          throw new Error('secret text');
        },
      },
    });
    await add('key-1815').catch(() => undefined);
    await cluster.client.requestKey('key-1815', 'made.up', 'payload-77').catch(() => undefined);
    const text = JSON.stringify(
      recorder.spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
    );
    return ['key-1815', 'secret text', 'payload-77'].filter((secret) => text.includes(secret));
  };

  test('neither keys nor payloads nor the texts of errors are recorded', async () => {
    expect(await secrets({})).toEqual([]);
  });

  test('keys are, if the option asks for them', async () => {
    expect(await secrets({ keys: true })).toEqual(['key-1815']);
  });
});

describe('a handler without actors', () => {
  const plain = { actors: undefined, handler: () => 'r' } as unknown as Partial<TestClusterOptions>;

  test('declares no types, so that anybody may have made up the type', async () => {
    const recorder = createRecorder();
    const tracing = openTelemetryTracing({ tracerProvider: recorder.tracerProvider });
    await using cluster = await testCluster({
      nodes: 1,
      handler: () => 'r',
      client: { tracing },
      node: { tracing },
    });
    await cluster.client.requestKey('k', 'Get');
    expect(recorder.span('handler', 'clstr').attributes).toMatchObject({
      'rpc.method': '_OTHER',
      'rpc.method_original': 'Get',
    });
  });

  test('is named by the types of the option', async () => {
    const { recorder, cluster } = await start({ types: ['Get'], cluster: plain });
    await cluster.client.requestKey('k', 'Get');
    expect(recorder.span('handler', 'Get').attributes['rpc.method_original']).toBeUndefined();
  });
});

describe('sampling', () => {
  test('a call that the sampler drops sends no header, and nothing below it has a span', async () => {
    const { recorder, add } = await start({
      sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }),
      steps: { ada: (ctx) => ctx.ref(Counter, 'bob').add({ by: 2 }) },
    });
    expect(await add()).toEqual({});
    expect(recorder.spans).toEqual([]);
  });

  test('with rootRatio the tracer is asked for that share of calls', async () => {
    const numbers = [0.3, 0.1, 0.05, 0.2];
    const { recorder, add } = await start({ rootRatio: 0.2, random: () => numbers.shift()! });
    for (let i = 0; i < 4; i++) await add();
    expect(recorder.spans.filter((span) => span.kind === SpanKind.CLIENT)).toHaveLength(2);
    await add('ada', { traceparent: PARENT });
    expect(recorder.spans.filter((span) => span.kind === SpanKind.CLIENT)).toHaveLength(3);
  });

  test('a parent that is not sampled goes on unchanged, through all calls below', async () => {
    const { recorder, add } = await start({
      steps: { ada: (ctx) => ctx.ref(Counter, 'bob').add({ by: 2 }) },
    });
    const headers = { traceparent: UNSAMPLED, tracestate: 'v=1' };
    expect(await add('ada', headers)).toEqual(headers);
    expect(recorder.spans).toEqual([]);
  });

  test('an active parent that is not sampled goes on too', async () => {
    const { add } = await start();
    const active = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: TRACE,
      spanId: '00f067aa0ba902b7',
      traceFlags: 0,
    });
    expect(await context.with(active, () => add())).toEqual({ traceparent: UNSAMPLED });
  });

  test('with asksSampler a sampler may record below a parent that is not sampled', async () => {
    const record: Sampler = {
      shouldSample: () => ({ decision: SamplingDecision.RECORD }),
      toString: () => 'record',
    };
    const { recorder, add } = await start({ sampler: record, asksSampler: true });
    const { traceparent } = await add('ada', { traceparent: UNSAMPLED });
    expect(traceparent).toMatch(/-00$/);
    expect(traceparent).not.toBe(UNSAMPLED);
    expect(recorder.spans).toEqual([]); // the exporter takes sampled spans alone
  });

  test('a call that the sampler drops below a sampled parent tells the nodes', async () => {
    const { add } = await start({ sampler: new AlwaysOffSampler() });
    const { traceparent } = await add('ada', { traceparent: PARENT });
    expect(traceparent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
  });

  test('the calls of a message without a trace begin none, while calls from outside do', async () => {
    const { recorder, cluster } = await start({
      steps: { ada: (ctx) => ctx.ref(Counter, 'bob').add({ by: 2 }) },
      cluster: { client: {} },
    });
    await cluster.ref(Counter, 'ada').add({ by: 1 });
    expect(recorder.spans).toEqual([]);
  });

  test('a node begins no trace by itself', async () => {
    const { recorder, cluster } = await start({ cluster: { client: {} } });
    await cluster.ref(Counter, 'ada').add({ by: 1 });
    expect(recorder.spans).toEqual([]);
  });

  test('with nodeRoots a node begins traces for messages without one', async () => {
    const { recorder, cluster } = await start({ nodeRoots: true, cluster: { client: {} } });
    const { traceparent } = await cluster.ref(Counter, 'ada').add({ by: 1 });
    const handler = recorder.span('handler', 'counter.add');
    expect(parentIdOf(handler)).toBeUndefined();
    expect(traceparent).toContain(handler.spanContext().spanId);
  });

  test('a call of an exporter, which suppresses its own traces, has no span', async () => {
    const { recorder, add } = await start({ sampler: new AlwaysOnSampler() });
    const active = suppressTracing(ROOT_CONTEXT);
    expect(await context.with(active, () => add())).toEqual({});
    const parent = trace.setSpanContext(active, {
      traceId: TRACE,
      spanId: '00f067aa0ba902b7',
      traceFlags: 1,
    });
    expect(await context.with(parent, () => add())).toEqual({});
    expect(recorder.spans).toEqual([]);
  });
});

test('without an SDK a trace of others goes on, and none begins', async () => {
  const tracing = openTelemetryTracing({ nodeRoots: true });
  const counter = Counter.implement({
    setup: () => undefined,
    handlers: { add: (_state, _input, { headers }) => ({ ...headers }), poke: () => undefined },
  });
  await using cluster = await testCluster({
    nodes: 1,
    actors: [counter],
    client: { tracing },
    node: { tracing },
  });
  expect(await cluster.ref(Counter, 'a').add({ by: 1 })).toEqual({});
  const seen = await cluster.ref(Counter, 'a').add({ by: 1 }, { headers: { traceparent: PARENT } });
  expect(seen).toEqual({ traceparent: PARENT });
});
