/** The SDK for Node 20 wants `@opentelemetry/api` 1.9, the one after it 1.10: this package works with both. */
import * as own from '@opentelemetry/api';
import * as next from 'opentelemetry-api-1.10';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { contextOf, openTelemetryTracing } from '../src/index.ts';

test('the range of the peer has both versions', () => {
  expect(manifest.peerDependencies).toEqual({ '@opentelemetry/api': '^1.9.0' });
  expect(manifest.devDependencies['@opentelemetry/api']).toBe('1.9.1');
  expect(manifest.devDependencies['opentelemetry-api-1.10']).toContain('@1.10.0');
});

test('a tracer of either version is accepted, and both share the global one', () => {
  openTelemetryTracing({ tracer: own.trace.getTracer('app') });
  openTelemetryTracing({ tracer: next.trace.getTracer('app'), keys: true });
  openTelemetryTracing({ tracerProvider: next.trace });
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const context = contextOf({ headers: { traceparent } });
  expect(next.trace.getSpanContext(context)).toEqual(own.trace.getSpanContext(context));
});

test('1.10 has all that this package uses', () => {
  const used = ['ROOT_CONTEXT', 'SpanKind', 'SpanStatusCode', 'TraceFlags', 'context', 'createTraceState'];
  for (const name of [...used, 'isSpanContextValid', 'propagation', 'trace'])
    expect(next).toHaveProperty(name);
});
