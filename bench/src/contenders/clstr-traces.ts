/** The product with typed actors, traced by `@clstr/opentelemetry`: 1 of 100 calls, or every one. */
import { actorHandler } from '@clstr/actors';
import type { Tracing } from '@clstr/core';
import { openTelemetryTracing } from '@clstr/opentelemetry';
import type { OpenTelemetryTracingOptions } from '@clstr/opentelemetry';
import { ExportResultCode } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import type { Sampler, SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Contender } from '../contender.ts';
import { ask, oracle } from './clstr-actors.ts';
import { memoryClient, natsClient, natsNode } from './clstr-sides.ts';

/** 1 of 100 calls asks the tracer. */
export const [traces1, traces1Memory] = traced('1', '1 %', () => sampled(0.01));
/** Every call asks the tracer, whose sampler drops 99 of 100. */
export const [traces1Sdk, traces1SdkMemory] = traced('1-sdk', "1 % by the SDK's sampler", () =>
  spans({}, new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.01) })),
);
export const [traces100, traces100Memory] = traced('100', '100 %', () => sampled(1));

function traced(part: string, share: string, tracing: () => Tracing): [Contender, Contender] {
  const name = `clstr-actors-traces-${part}`;
  const title = `clstr actors, traces ${share}`;
  return [
    {
      name,
      title,
      isLeftOutOfQuick: true,
      startNode: (site) => natsNode(site, actorHandler([oracle]), { tracing: tracing() }),
      startClient: (site) => natsClient(site, ask, { tracing: tracing() }),
    },
    {
      name: `${name}-memory`,
      title: `${title}, in memory`,
      isLeftOutOfQuick: true,
      startClient: ({ numShards }) =>
        memoryClient(numShards, actorHandler([oracle]), ask, { tracing: tracing() }),
    },
  ];
}

/** Leaves calls alone before the SDK sees them, but for this share. */
export function sampled(rootRatio: number): Tracing {
  return spans({ rootRatio });
}

/** With the SDK as in production, but for what the exporter sends: that is work of the exporter, and grows with its format. */
function spans(options: OpenTelemetryTracingOptions, sampler?: Sampler): Tracing {
  const exporter: SpanExporter = {
    export: (_spans, done) => done({ code: ExportResultCode.SUCCESS }),
    shutdown: () => Promise.resolve(),
  };
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new BatchSpanProcessor(exporter)],
    ...(sampler === undefined ? {} : { sampler }),
  });
  return openTelemetryTracing({ ...options, tracerProvider });
}
