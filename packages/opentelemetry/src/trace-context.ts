/**
 * The headers `traceparent` and `tracestate` of W3C Trace Context, which is what clstr's nested calls carry whatever
 * propagator a program has. https://www.w3.org/TR/trace-context/
 */
import { TraceFlags, createTraceState } from '@opentelemetry/api';
import type { SpanContext } from '@opentelemetry/api';
import type { Headers } from '@clstr/core';

export const TRACEPARENT = 'traceparent';
const TRACESTATE = 'tracestate';

/** Version, trace id, span id, flags; a version after 00 may go on. No id is all zeros. */
const FORM =
  /^(?:00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}|(?!00|ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?)$/;

/** The span that the headers name; undefined if they name none, or not in the form that the standard wants. */
export function spanContextOf(headers: Headers | undefined, isRemote: boolean): SpanContext | undefined {
  const traceparent = headers?.[TRACEPARENT];
  if (traceparent === undefined || !FORM.test(traceparent)) return undefined;
  // Slices instead of groups: a match would allocate twice as much.
  const named: SpanContext = {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: parseInt(traceparent.slice(53, 55), 16) & TraceFlags.SAMPLED,
    isRemote,
  };
  const tracestate = headers![TRACESTATE];
  return tracestate === undefined ? named : { ...named, traceState: createTraceState(tracestate) };
}

interface TraceHeaders {
  [name: string]: string;
  tracestate?: string;
}

/** Makes headers name this span. */
export function nameSpan(headers: TraceHeaders, span: SpanContext): void {
  headers[TRACEPARENT] = `00-${span.traceId}-${span.spanId}-0${span.traceFlags & TraceFlags.SAMPLED}`;
  const tracestate = span.traceState?.serialize();
  if (tracestate !== undefined && tracestate !== '') headers.tracestate = tracestate;
  else if (headers.tracestate !== undefined) delete headers.tracestate;
}

export function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0;
}
