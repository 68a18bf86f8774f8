/** `openTelemetryMetrics`: the two histograms of the RPC conventions. */
import type { Attributes, Histogram } from '@opentelemetry/api';
import type { Metrics } from '@clstr/core';
import {
  CLIENT_DURATION,
  ERROR_TYPE,
  ERROR_TYPE_OTHER,
  OTHER_METHOD,
  RPC_METHOD,
  RPC_SYSTEM_NAME,
  SERVER_DURATION,
  SYSTEM,
} from './conventions.ts';
import { resolveMetricsOptions } from './metrics-options.ts';
import type { OpenTelemetryMetricsOptions } from './metrics-options.ts';

/**
 * Metrics for `createClient`, `createNode` and `createApp`, as their option `metrics`: `rpc.client.call.duration` for
 * requests, and `rpc.server.call.duration` for messages. Both are histograms in seconds.
 *
 * @throws INVALID_OPTION
 */
export function openTelemetryMetrics(options: OpenTelemetryMetricsOptions = {}): Metrics {
  const { meter, buckets } = resolveMetricsOptions(options);
  const histogram = (name: string, description: string): (() => Histogram) =>
    once(() =>
      meter().createHistogram(name, {
        unit: 's',
        description,
        advice: { explicitBucketBoundaries: [...buckets] },
      }),
    );
  const client = histogram(CLIENT_DURATION, 'Duration of outgoing calls, with all attempts.');
  const server = histogram(
    SERVER_DURATION,
    'Duration of messages at their node, the wait for the handler included.',
  );
  const attributesOf = cachedAttributes();
  return {
    requestEnded: (type, isSuccess, durationMs) => {
      client().record(durationMs / 1_000, attributesOf(type, isSuccess));
    },
    // Like the span of a message, from its acceptance to its answer.
    handlerEnded: (type, isSuccess, durationMs = 0, waitedMs) => {
      server().record((waitedMs + durationMs) / 1_000, attributesOf(type, isSuccess));
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** One object per type and outcome; core names 257 types at most. */
function cachedAttributes(): (type: string, isSuccess: boolean) => Attributes {
  const [succeeded, failed] = [new Map<string, Attributes>(), new Map<string, Attributes>()];
  return (type, isSuccess) => {
    const known = isSuccess ? succeeded : failed;
    let attributes = known.get(type);
    if (attributes === undefined) {
      const method = type === 'other' ? OTHER_METHOD : type;
      attributes = { [RPC_SYSTEM_NAME]: SYSTEM, [RPC_METHOD]: method };
      if (!isSuccess) attributes[ERROR_TYPE] = ERROR_TYPE_OTHER;
      known.set(type, attributes);
    }
    return attributes;
  };
}
