/** An SDK with an exporter in memory, and clusters that it traces. */
import {
  InMemorySpanExporter,
  BasicTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan, Sampler } from '@opentelemetry/sdk-trace-base';
import { SpanKind } from '@opentelemetry/api';

export interface Recorder {
  readonly tracerProvider: BasicTracerProvider;
  /** Spans that have ended, in this order. */
  readonly spans: readonly ReadableSpan[];
  /** The only span of this kind and name. */
  span(kind: 'call' | 'handler', name: string): ReadableSpan;
  reset(): void;
}

export function createRecorder(sampler?: Sampler): Recorder {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
    ...(sampler === undefined ? {} : { sampler }),
  });
  return {
    tracerProvider,
    get spans() {
      return exporter.getFinishedSpans();
    },
    span(kind, name) {
      const wanted = kind === 'call' ? SpanKind.CLIENT : SpanKind.SERVER;
      const found = exporter.getFinishedSpans().filter((span) => span.kind === wanted && span.name === name);
      if (found.length !== 1) throw new Error(`there are ${found.length} spans of the ${kind} ${name}`);
      return found[0]!;
    },
    reset: () => exporter.reset(),
  };
}

/** The id of the parent span; undefined for a root. */
export function parentIdOf(span: ReadableSpan): string | undefined {
  return span.parentSpanContext?.spanId;
}

/** What is above the span and itself, outermost first, as in `call/handler`. */
export function pathOf(span: ReadableSpan, spans: readonly ReadableSpan[]): string {
  const parent = spans.find((other) => other.spanContext().spanId === parentIdOf(span));
  const own = KINDS.get(span.kind) ?? span.name;
  return parent === undefined ? own : `${pathOf(parent, spans)}/${own}`;
}

const KINDS: ReadonlyMap<SpanKind, string> = new Map([
  [SpanKind.CLIENT, 'call'],
  [SpanKind.SERVER, 'handler'],
]);
