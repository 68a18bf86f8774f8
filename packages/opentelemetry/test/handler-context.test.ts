import { ROOT_CONTEXT, context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CBaggagePropagator } from '@opentelemetry/core';
import { defineActor, request } from '@clstr/actors';
import type { ActorContext } from '@clstr/actors';
import { testCluster } from '@clstr/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { activateSpans, contextOf, openTelemetryTracing } from '../src/index.ts';
import { createRecorder, parentIdOf } from './recorder.ts';

const Worker = defineActor('worker', { work: request<void, string>() });
const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CBaggagePropagator());
});
afterEach(() => {
  context.disable();
  propagation.disable();
});

async function start(work: (ctx: ActorContext) => unknown, isActive = false) {
  const recorder = createRecorder();
  const tracing = openTelemetryTracing({ tracerProvider: recorder.tracerProvider });
  const worker = Worker.implement({
    setup: () => undefined,
    handlers: { work: async (_state, _input, ctx) => String(await work(ctx)) },
  });
  const cluster = await testCluster({
    nodes: 1,
    actors: [worker],
    node: { tracing, ...(isActive ? { interceptors: [activateSpans] } : {}) },
  });
  const tracer = recorder.tracerProvider.getTracer('app');
  return { recorder, cluster, tracer };
}

describe('contextOf()', () => {
  test('has the span of the handler, for children and attributes of it', async () => {
    const { recorder, cluster, tracer } = await start((ctx) => {
      trace.getSpan(contextOf(ctx))?.setAttribute('rows', 3);
      tracer.startSpan('query', {}, contextOf(ctx)).end();
    });
    await using _ = cluster;
    await cluster.ref(Worker, 'a').work(undefined, { headers: { traceparent: PARENT } });
    const handler = recorder.span('handler', 'worker.work');
    expect(handler.attributes['rows']).toBe(3);
    const query = recorder.spans.find((span) => span.name === 'query')!;
    expect(parentIdOf(query)).toBe(handler.spanContext().spanId);
  });

  test('has the baggage of the message', () => {
    const found = propagation.getBaggage(contextOf({ headers: { baggage: 'tenant=acme' } }));
    expect(found?.getEntry('tenant')?.value).toBe('acme');
  });

  test('has the span that the headers name, if an interceptor has copied them', () => {
    const named = trace.getSpanContext(contextOf({ headers: { traceparent: PARENT } }));
    expect(named?.spanId).toBe('00f067aa0ba902b7');
  });

  test('is the root context without a trace', () => {
    expect(contextOf({ headers: {} })).toBe(ROOT_CONTEXT);
  });
});

describe('activateSpans', () => {
  test('makes the span active in the handler, for each of several messages at a time', async () => {
    const { recorder, cluster } = await start(async () => {
      await Promise.resolve();
      return trace.getActiveSpan()?.spanContext().spanId;
    }, true);
    await using _ = cluster;
    const calls = ['a', 'a', 'b'].map((key) =>
      cluster.ref(Worker, key).work(undefined, { headers: { traceparent: PARENT } }),
    );
    const seen = await Promise.all(calls);
    const handlers = recorder.spans.map((span) => span.spanContext().spanId);
    expect(new Set(seen).size).toBe(3);
    expect(seen.sort()).toEqual(handlers.sort());
  });

  test('is not needed for tracing: without it no span is active', async () => {
    const { cluster } = await start(() => trace.getActiveSpan());
    await using _ = cluster;
    const call = cluster.ref(Worker, 'a').work(undefined, { headers: { traceparent: PARENT } });
    expect(await call).toBe('undefined');
  });
});

test('the headers of a traced message have no names but those that were sent', async () => {
  const { cluster } = await start(({ headers }) => {
    const odd = headers as Record<string, unknown>;
    return [
      Object.keys(headers).sort().join(),
      odd['constructor'],
      odd['toString'],
      `${Object.getPrototypeOf({})['x']}`,
    ];
  });
  await using _ = cluster;
  const sent = { traceparent: PARENT, ['__proto__']: 'text', constructor: 'own' };
  const headers = Object.fromEntries(Object.entries(sent));
  const names = await cluster.ref(Worker, 'a').work(undefined, { headers });
  expect(names).toBe('__proto__,constructor,traceparent,own,,undefined');
});
