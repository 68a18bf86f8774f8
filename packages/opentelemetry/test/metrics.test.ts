import { metrics as api } from '@opentelemetry/api';
import { DataPointType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import { defineActor, request } from '@clstr/actors';
import { fakeClock, testCluster } from '@clstr/testing';
import { expect, onTestFinished, test } from 'vitest';
import { openTelemetryMetrics } from '../src/index.ts';

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  async metric(name: string): Promise<MetricData> {
    const { resourceMetrics } = await this.collect();
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return all.find(({ descriptor }) => descriptor.name === name)!;
  }
}

const Counter = defineActor('counter', { add: request<{ fails: boolean }, number>() });

async function start(options: Parameters<typeof openTelemetryMetrics>[0] = {}) {
  const reader = new Reader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  const metrics = openTelemetryMetrics({ meterProvider, ...options });
  const clock = fakeClock();
  const counter = Counter.implement({
    setup: () => undefined,
    handlers: {
      add: (_state, { fails }) => {
        if (fails) throw new Error('no');
        return 1;
      },
    },
  });
  const cluster = await testCluster({
    nodes: 1,
    actors: [counter],
    clock,
    client: { metrics },
    node: { metrics },
  });
  onTestFinished(() => cluster.close());
  return { cluster, reader };
}

test.each(['rpc.client.call.duration', 'rpc.server.call.duration'])(
  '%s is a histogram in seconds, with the buckets that the conventions advise',
  async (name) => {
    const { cluster, reader } = await start();
    await cluster.ref(Counter, 'a').add({ fails: false });
    await cluster
      .ref(Counter, 'a')
      .add({ fails: true })
      .catch(() => undefined);
    await cluster.client.requestKey('a', 'made.up').catch(() => undefined);
    const { descriptor, dataPointType, dataPoints } = await reader.metric(name);
    expect(descriptor.unit).toBe('s');
    expect(dataPointType).toBe(DataPointType.HISTOGRAM);
    const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
    expect((dataPoints[0]!.value as { buckets: { boundaries: number[] } }).buckets.boundaries).toEqual(
      bounds,
    );
    const common = { 'rpc.system.name': 'clstr', 'rpc.method': 'counter.add' };
    expect(dataPoints.map(({ attributes }) => attributes)).toEqual([
      common,
      { ...common, 'error.type': '_OTHER' },
      { ...common, 'rpc.method': '_OTHER', 'error.type': '_OTHER' },
    ]);
  },
);

test('other buckets may be given', async () => {
  const { cluster, reader } = await start({ buckets: [0.000_5, 0.001] });
  await cluster.ref(Counter, 'a').add({ fails: false });
  const { dataPoints } = await reader.metric('rpc.client.call.duration');
  expect((dataPoints[0]!.value as { buckets: { boundaries: number[] } }).buckets.boundaries).toEqual([
    0.000_5, 0.001,
  ]);
});

test('a duration is in seconds, and that of a message includes its wait', async () => {
  const reader = new Reader();
  const metrics = openTelemetryMetrics({ meterProvider: new MeterProvider({ readers: [reader] }) });
  metrics.requestEnded!('Get', true, 250);
  metrics.handlerEnded!('Get', true, 100, 50);
  metrics.handlerEnded!('Get', true, undefined, 40);
  const sumOf = async (name: string) =>
    ((await reader.metric(name)).dataPoints[0]!.value as { sum: number }).sum;
  expect(await sumOf('rpc.client.call.duration')).toBeCloseTo(0.25);
  expect(await sumOf('rpc.server.call.duration')).toBeCloseTo(0.19);
});

test('a global provider may be registered after the metrics are made, before the first call', async () => {
  const metrics = openTelemetryMetrics();
  const reader = new Reader();
  api.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  onTestFinished(() => api.disable());
  metrics.requestEnded!('Get', true, 1);
  expect((await reader.metric('rpc.client.call.duration')).dataPoints).toHaveLength(1);
});
