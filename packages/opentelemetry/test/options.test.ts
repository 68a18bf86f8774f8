import { metrics, trace } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { openTelemetryMetrics, openTelemetryTracing } from '../src/index.ts';
import type { OpenTelemetryMetricsOptions, OpenTelemetryTracingOptions } from '../src/index.ts';

test.each<[object, RegExp]>([
  [{ rootRatio: 1.1 }, /rootRatio must be a number from 0 to 1, got 1.1/],
  [{ rootRatio: NaN }, /rootRatio must be a number from 0 to 1/],
  [{ rootRatio: '0.5' }, /rootRatio must be a number from 0 to 1/],
  [{ nodeRoots: 1 }, /nodeRoots must be true or false/],
  [{ asksSampler: 1 }, /asksSampler must be true or false/],
  [{ keys: 'yes' }, /keys must be true or false/],
  [{ types: 'Get' }, /types must be a list of message types/],
  [{ types: [1] }, /types must be a list of message types/],
  [{ random: 5 }, /random must be a function/],
  [{ tracer: {} }, /tracer must be an object with a method startSpan\(\)/],
  [{ tracerProvider: {} }, /tracerProvider must be an object with a method getTracer\(\)/],
  [{ tracer: trace.getTracer('x'), tracerProvider: trace }, /tracerProvider must be left out with tracer/],
  [{ sampler: 1 }, /unknown option "sampler"/],
])('traces with %o are refused', (options, message) => {
  expect(() => openTelemetryTracing(options as OpenTelemetryTracingOptions)).toThrow(message);
});

test.each<[object, RegExp]>([
  [{ buckets: [] }, /buckets must be a list of ascending numbers of seconds/],
  [{ buckets: [1, 1] }, /buckets must be a list of ascending numbers/],
  [{ buckets: [1, NaN] }, /buckets must be a list of ascending numbers/],
  [{ meter: {} }, /meter must be an object with a method createHistogram\(\)/],
  [{ meterProvider: {} }, /meterProvider must be an object with a method getMeter\(\)/],
  [{ meter: metrics.getMeter('x'), meterProvider: metrics }, /meterProvider must be left out with meter/],
  [{ unit: 'ms' }, /unknown option "unit"/],
])('metrics with %o are refused', (options, message) => {
  expect(() => openTelemetryMetrics(options as OpenTelemetryMetricsOptions)).toThrow(message);
});
