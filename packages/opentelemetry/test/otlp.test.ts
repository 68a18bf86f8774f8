/** Traces as a collector gets them: exported by the SDK over HTTP. */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { defineActor, request } from '@clstr/actors';
import { testCluster } from '@clstr/testing';
import { expect, test } from 'vitest';
import { openTelemetryTracing } from '../src/index.ts';
import { startOtlpReceiver } from './otlp-receiver.ts';

const Counter = defineActor('counter', { add: request<void, number>() });

test('a collector gets the call and the message below it', async () => {
  const receiver = await startOtlpReceiver();
  const tracerProvider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'shop' }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: receiver.url }))],
  });
  const tracing = openTelemetryTracing({ tracerProvider });
  const counter = Counter.implement({ setup: () => undefined, handlers: { add: () => 1 } });
  await using cluster = await testCluster({
    nodes: ['n1'],
    actors: [counter],
    client: { tracing },
    node: { tracing },
  });
  await cluster.ref(Counter, 'a').add();
  await tracerProvider.forceFlush();
  await receiver.received(2);
  const call = receiver.spans.find(({ kind }) => kind === 'call')!;
  const handler = receiver.spans.find(({ kind }) => kind === 'handler')!;
  expect(call).toMatchObject({
    service: 'shop',
    scope: '@clstr/opentelemetry',
    name: 'counter.add',
    parentSpanId: undefined,
    attributes: { 'rpc.system.name': 'clstr', 'rpc.method': 'counter.add', 'clstr.attempts': 1 },
  });
  expect(handler).toMatchObject({ traceId: call.traceId, parentSpanId: call.spanId });
  expect(handler.attributes).toMatchObject({ 'rpc.method': 'counter.add', 'clstr.node.id': 'n1' });
  await tracerProvider.shutdown();
  await receiver.close();
});
