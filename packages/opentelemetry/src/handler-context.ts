/** The OpenTelemetry context of a message, for spans that its handler makes. */
import { ROOT_CONTEXT, context, propagation, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import type { Headers, NodeInterceptor } from '@clstr/core';
import { HandlerHeaders } from './handler-headers.ts';
import { spanContextOf } from './trace-context.ts';

/** A message as its handler sees it: an actor's `ctx`, or the request of a handler without actors. */
export interface HandledMessage {
  readonly headers: Headers;
}

/**
 * The context whose span is that of the message, with its baggage: `tracer.startSpan('query', {}, contextOf(ctx))`.
 * Without a trace it is the root context.
 */
export function contextOf({ headers }: HandledMessage): Context {
  const { baggage } = headers;
  const base = baggage === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { baggage });
  const span = HandlerHeaders.spanOf(headers);
  if (span !== undefined) return trace.setSpan(base, span);
  const named = spanContextOf(headers, true);
  return named === undefined ? base : trace.setSpanContext(base, named);
}

/**
 * Makes the span of each message active around its handler, so that other instrumentation finds it without
 * {@link contextOf}: `createNode({ interceptors: [activateSpans] })`. It costs a context of `AsyncLocalStorage` per
 * message, and needs a context manager, which the SDK for Node registers.
 */
export const activateSpans: NodeInterceptor = (request, _context, next) =>
  context.with(contextOf(request), next, undefined, request);
