/** One trace through several processes, over a real nats-server, as a collector gets it. */
import { join } from 'node:path';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { defineActor, request } from '@clstr/actors';
import { connectClient } from '@clstr/app';
import { createClient } from '@clstr/core';
import type { Client, Tracing } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsCluster, natsTransport, provisionCluster } from '@clstr/transport-nats';
import type { Wire } from '@clstr/transport-nats';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openTelemetryTracing } from '../src/index.ts';
import { startOtlpReceiver } from './otlp-receiver.ts';
import type { ReceivedSpan } from './otlp-receiver.ts';
import { buildPackages, killPrograms, startProgram } from './process.ts';

const PROGRAM = join(import.meta.dirname, 'fixtures/traced-node.mjs');
const CALLS = 1_000;
const Order = defineActor('order', {
  place: request<{ to: string; sku: string }, { traceparent: string; baggage: string }>(),
  where: request<void, string>(),
});

beforeAll(buildPackages, 120_000);
afterEach(killPrograms);

interface Setting {
  /** The processes by the id of their node, with their roles. */
  readonly nodes: Readonly<Record<string, 'shop' | 'stock'>>;
  /** What each trace goes through, outermost first. */
  readonly path: readonly string[];
  connect(servers: string, tracing: Tracing): Promise<{ client: Client; close(): Promise<void> }>;
  provision?(servers: string): Promise<void>;
}

const first = ['call of caller', 'handler of shop-1', 'call of shop-1', 'handler of shop-2'];
const SETTINGS: Readonly<Record<Wire, Setting>> = {
  native: {
    nodes: { 'shop-1': 'shop', 'shop-2': 'shop', 'stock-1': 'stock' },
    path: [...first, 'call of shop-2', 'handler of stock-1'],
    async connect(servers, tracing) {
      const client = await connectClient({ cluster: natsCluster({ servers, name: 'shop' }), tracing });
      return { client, close: () => client.close() };
    },
    async provision(servers) {
      for (const service of ['default', 'inventory'])
        await provisionCluster({ servers, cluster: 'shop', service, numShards: 16, isNew: true });
    },
  },
  json: {
    nodes: { 'shop-1': 'shop', 'shop-2': 'shop' },
    path: first,
    async connect(servers, tracing) {
      const transport = await natsTransport({ servers, wire: 'json' });
      const client = createClient({ transport, numShards: 16, tracing });
      const close = async (): Promise<void> => {
        await client.close();
        await transport.close();
      };
      return { client, close };
    },
  },
};

/** The root of the i-th call, as an HTTP server before it would have sent it. */
const traceIdOf = (i: number): string => (i + 1).toString(16).padStart(32, '0');
const ROOT_SPAN = '00f067aa0ba902b7';

describe.skipIf(!hasNatsServer()).each(Object.entries(SETTINGS))('over the %s wire', (wire, setting) => {
  test(
    `each of ${CALLS} traces goes through all processes, from parent to child`,
    { timeout: 120_000 },
    async () => {
      await using server = await startNatsServer({ args: ['-js'] });
      const servers = server.url;
      const collector = await startOtlpReceiver();
      await setting.provision?.(servers);
      const programs = Object.entries(setting.nodes).map(([nodeId, role]) =>
        startProgram(PROGRAM, JSON.stringify({ servers, collector: collector.url, nodeId, role, wire })),
      );
      await Promise.all(programs.map((program) => program.printed('serving')));

      const exporter = new OTLPTraceExporter({ url: collector.url });
      const tracerProvider = new BasicTracerProvider({
        resource: resourceFromAttributes({ 'service.name': 'caller' }),
        spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: 100_000 })],
      });
      const { client, close } = await setting.connect(servers, openTelemetryTracing({ tracerProvider }));
      const from = await keysOn(client, 'shop-1');
      const to = await keysOn(client, 'shop-2');
      // At once: one frame has many calls, and those of one key wait in its mailbox.
      const answers = await Promise.all(
        Array.from({ length: CALLS }, (_, i) =>
          Order.ref(client, from[i % from.length]!).place(
            { to: to[i % to.length]!, sku: `sku-${i % 7}` },
            {
              timeoutMs: 60_000,
              headers: { traceparent: `00-${traceIdOf(i)}-${ROOT_SPAN}-01`, baggage: `call=${i}` },
            },
          ),
        ),
      );
      await close();
      await tracerProvider.shutdown();
      expect(await Promise.all(programs.map((program) => program.end()))).toEqual(programs.map(() => 0));
      await collector.close();

      const spans = new Map(collector.spans.map((span) => [span.spanId, span]));
      const paths = answers.map(({ traceparent }) => pathTo(traceparent.split('-')[2]!, spans));
      const rights = answers.filter(
        ({ traceparent, baggage }, i) =>
          traceparent.startsWith(`00-${traceIdOf(i)}-`) &&
          baggage === `call=${i}` &&
          paths[i]!.at(0) === ROOT_SPAN &&
          paths[i]!.slice(1).join() === setting.path.join(),
      );
      expect(paths[0]).toEqual([ROOT_SPAN, ...setting.path]);
      expect(rights).toHaveLength(CALLS);
      const perTrace = collector.spans.filter(({ traceId }) => traceId === traceIdOf(CALLS - 1));
      expect(perTrace).toHaveLength(setting.path.length);
    },
  );
});

/** Ten keys whose actors live on the node. */
async function keysOn(client: Client, nodeId: string): Promise<string[]> {
  const keys = Array.from({ length: 100 }, (_, i) => `order-${i}`);
  const found = await Promise.all(keys.map((key) => Order.ref(client, key).where()));
  return keys.filter((_, i) => found[i] === nodeId).slice(0, 10);
}

/** The spans from the root to this one; the root, which is nobody's here, by its id. */
function pathTo(spanId: string, spans: ReadonlyMap<string, ReceivedSpan>): string[] {
  const span = spans.get(spanId);
  if (span === undefined) return [spanId];
  return [...pathTo(span.parentSpanId ?? 'none', spans), `${span.kind} of ${span.service}`];
}
