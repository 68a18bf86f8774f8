/** The options of the traces, checked once. */
import { trace } from '@opentelemetry/api';
import type { Tracer, TracerProvider } from '@opentelemetry/api';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  callback,
  flag,
  invalidOption,
  methods,
  option,
  optional,
  orMade,
  resolve,
} from '@clstr/core/internal';
import { SCHEMA_URL, SCOPE, VERSION } from './conventions.ts';

export interface OpenTelemetryTracingOptions {
  /** Where the tracer comes from. Default: the global provider, whenever it is registered. */
  tracerProvider?: TracerProvider | undefined;
  /** The tracer itself, in place of the provider. */
  tracer?: Tracer | undefined;
  /**
   * The share of calls without a parent, from 0 to 1, for which the tracer is asked to begin a trace; the SDK's sampler
   * decides after that. A call that is left out costs a tenth of one that the sampler drops. Default 1.
   */
  rootRatio?: number | undefined;
  /**
   * Nodes begin traces for messages without a `traceparent`: for callers that do not trace, such as Go peers. Callers
   * that trace send none with a call that they have not sampled, so that nodes then count as callers of their own.
   * Default false.
   */
  nodeRoots?: boolean | undefined;
  /**
   * Asks the sampler also where the parent is not sampled: for samplers that record such spans. Without it, these calls
   * and messages only pass their parent on. Default false.
   */
  asksSampler?: boolean | undefined;
  /** Records routing keys, as `clstr.key`, and the messages of errors, which quote keys. Default false. */
  keys?: boolean | undefined;
  /** Message types by which a node names its spans although its handler does not declare them. Default: none. */
  types?: readonly string[] | undefined;
  /** The source of chance for `rootRatio`: returns a number from 0 up to 1. Default: that of the runtime. */
  random?: (() => number) | undefined;
}

export type TracingTable = Resolved<OpenTelemetryTracingOptions, 'tracerProvider' | 'tracer'>;

export interface ResolvedTracingOptions extends Omit<TracingTable, 'tracerProvider' | 'types'> {
  readonly tracer: Tracer;
  readonly types: ReadonlySet<string>;
}

const defaults = {
  rootRatio: 1,
  nodeRoots: false,
  asksSampler: false,
  keys: false,
} as const;
Object.freeze(defaults);

export const tracingSpec: Spec<TracingTable> = {
  tracerProvider: optional(methods(['getTracer'])),
  tracer: optional(methods(['startSpan'])),
  rootRatio: option(checkRatio, defaults.rootRatio),
  nodeRoots: flag(defaults.nodeRoots),
  asksSampler: flag(defaults.asksSampler),
  keys: flag(defaults.keys),
  types: option(checkTypes, []),
  random: orMade(callback<() => number>(), () => Math.random),
};

const OWNER = 'openTelemetryTracing';

/** @throws INVALID_OPTION */
export function resolveTracingOptions(given: OpenTelemetryTracingOptions): ResolvedTracingOptions {
  const { tracerProvider = trace, ...options } = resolve(OWNER, tracingSpec, given, checkSource);
  return Object.freeze({
    ...options,
    tracer: options.tracer ?? tracerProvider.getTracer(SCOPE, VERSION, { schemaUrl: SCHEMA_URL }),
    types: new Set(options.types),
  });
}

function checkSource({ tracer, tracerProvider }: OpenTelemetryTracingOptions): void {
  if (tracer === undefined || tracerProvider === undefined) return;
  throw invalidOption(OWNER, 'tracerProvider', tracerProvider, 'left out with tracer');
}

function checkRatio(owner: string, name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw invalidOption(owner, name, value, 'a number from 0 to 1');
}

function checkTypes(owner: string, name: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((type) => typeof type === 'string')) return value;
  throw invalidOption(owner, name, value, 'a list of message types');
}
