/** The options of the metrics, checked once. */
import { metrics } from '@opentelemetry/api';
import type { Meter, MeterProvider } from '@opentelemetry/api';
import type { Resolved, Spec } from '@clstr/core/internal';
import { invalidOption, methods, option, optional, resolve } from '@clstr/core/internal';
import { DURATION_BUCKETS, SCHEMA_URL, SCOPE, VERSION } from './conventions.ts';

export interface OpenTelemetryMetricsOptions {
  /** Where the meter comes from. Default: the global provider, which has to be registered before the first call. */
  meterProvider?: MeterProvider | undefined;
  /** The meter itself, in place of the provider. */
  meter?: Meter | undefined;
  /** Upper bounds of the histograms' buckets, in seconds, ascending. Default: what the conventions advise. */
  buckets?: readonly number[] | undefined;
}

export type MetricsTable = Resolved<OpenTelemetryMetricsOptions, 'meterProvider' | 'meter' | 'buckets'>;

export interface ResolvedMetricsOptions {
  /** Finds the meter, late: the global provider has no meter that works before its registration and after it. */
  readonly meter: () => Meter;
  readonly buckets: readonly number[];
}

export const metricsSpec: Spec<MetricsTable> = {
  meterProvider: optional(methods(['getMeter'])),
  meter: optional(methods(['createHistogram'])),
  buckets: optional(option(checkBuckets)),
};

const OWNER = 'openTelemetryMetrics';

/** @throws INVALID_OPTION */
export function resolveMetricsOptions(given: OpenTelemetryMetricsOptions): ResolvedMetricsOptions {
  const { meterProvider = metrics, meter, buckets } = resolve(OWNER, metricsSpec, given, checkSource);
  return {
    meter: () => meter ?? meterProvider.getMeter(SCOPE, VERSION, { schemaUrl: SCHEMA_URL }),
    buckets: buckets ?? DURATION_BUCKETS,
  };
}

function checkSource({ meter, meterProvider }: OpenTelemetryMetricsOptions): void {
  if (meter === undefined || meterProvider === undefined) return;
  throw invalidOption(OWNER, 'meterProvider', meterProvider, 'left out with meter');
}

function checkBuckets(owner: string, name: string, value: unknown): readonly number[] {
  const isList = Array.isArray(value) && value.length > 0;
  if (isList && value.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > value[i - 1])))
    return value as number[];
  throw invalidOption(owner, name, value, 'a list of ascending numbers of seconds');
}
