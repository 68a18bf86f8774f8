/** A tracing that keeps what it is told, and numbers its spans in the header `traceparent`. */
import type { CallEnd, TracedCall, TracedMessage, Tracing } from '../src/wire/tracing.ts';

export interface RecordedTracing extends Required<Tracing> {
  readonly calls: TracedCall[];
  readonly messages: TracedMessage[];
  /** What happened to the spans, each as `[event, ...arguments]`; errors as their code. */
  readonly events: unknown[][];
}

export function recordTracing(): RecordedTracing {
  const calls: TracedCall[] = [];
  const messages: TracedMessage[] = [];
  const events: unknown[][] = [];
  return {
    calls,
    messages,
    events,
    startCall(call) {
      calls.push(call);
      return {
        headers: { ...call.headers, traceparent: `call-${calls.length}` },
        repeated: (reason, attempt) => void events.push(['repeated', reason, attempt]),
        retryDenied: (denial, reason) => void events.push(['denied', denial, reason]),
        ended: (error, end: CallEnd) => void events.push(['call ended', error?.code, end]),
      };
    },
    startHandler(message) {
      messages.push(message);
      return {
        headers: { ...message.headers, traceparent: `handler-${messages.length}` },
        ended: (error, waitedMs) => void events.push(['handler ended', error?.code, waitedMs]),
      };
    },
  };
}
