/** A program that watches its app: with metrics for Prometheus, spans and durations of OpenTelemetry, and its own. */
import { createServer } from 'node:http';
import { defineActor, request } from '@clstr/actors';
import { createApp, healthHandler } from '@clstr/app';
import type { Metrics, WatchedClient } from '@clstr/core';
import { activateSpans, contextOf, openTelemetryMetrics, openTelemetryTracing } from '@clstr/opentelemetry';
import { prometheusMetrics } from '@clstr/prometheus';
import type { PrometheusMetrics } from '@clstr/prometheus';
import { memoryCluster } from '@clstr/transport-memory';
import { trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';

export const Page = defineActor('page', { visit: request<void, number>() });
export const page = Page.implement({
  setup: () => ({ visits: 0 }),
  handlers: {
    visit(state, _input, ctx) {
      const context: Context = contextOf(ctx);
      trace.getTracer('page').startSpan('count', {}, context).end();
      return ++state.visits;
    },
  },
});

/** A `Metrics` of the program's own has the methods that it needs. */
export class Repeats implements Metrics {
  readonly clients: WatchedClient[] = [];
  count = 0;
  callRepeated(): void {
    this.count++;
  }
  watchClient(client: WatchedClient): void {
    this.clients.push(client);
  }
}

export async function run(): Promise<void> {
  const prometheus: PrometheusMetrics = prometheusMetrics();
  const health = healthHandler();
  await using app = await createApp({
    cluster: memoryCluster(),
    actors: [page],
    metrics: [prometheus, openTelemetryMetrics(), new Repeats()],
    tracing: openTelemetryTracing(),
    node: { interceptors: [activateSpans] },
    client: { retry: { maxAttempts: 4 }, breaker: true, route: 'owner' },
    health,
  });
  // @ts-expect-error -- there is no such preset
  await createApp({ cluster: memoryCluster(), actors: [page], client: { retry: 'often' } });
  createServer(health.node).listen(0).close();
  const visits: number = await app.ref(Page, 'home').visit();
  const text: string = await app.metrics();
  console.log(visits, text, prometheus.contentType);
}
