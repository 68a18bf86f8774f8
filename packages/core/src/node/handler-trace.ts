/** One message and the span that observes it, whose errors never reach the message. */
import type { ClstrError } from '../base/errors.ts';
import type { FloodLog } from '../base/flood-log.ts';
import type { Headers } from '../wire/envelope.ts';
import type { HandlerSpan, TracedMessage, Tracing } from '../wire/tracing.ts';

/** Returns undefined if the tracing leaves the message alone. */
export function traceHandler(
  tracing: Tracing,
  log: FloodLog,
  message: TracedMessage,
): HandlerTrace | undefined {
  let span: HandlerSpan | undefined;
  try {
    span = tracing.startHandler?.(message);
  } catch (err) {
    log.error('tracing.threw', { err }, 'tracing.startHandler() threw');
  }
  return span === undefined ? undefined : new HandlerTrace(span, message.headers, log);
}

export class HandlerTrace {
  /** What the handler sees. */
  readonly headers: Headers;
  readonly #span: HandlerSpan;
  readonly #log: FloodLog;

  constructor(span: HandlerSpan, given: Headers, log: FloodLog) {
    this.#span = span;
    this.#log = log;
    this.headers = span.headers ?? given;
  }

  ended(error: ClstrError | undefined, waitedMs: number): void {
    try {
      this.#span.ended(error, waitedMs);
    } catch (err) {
      this.#log.error('tracing.threw', { err }, 'ended() of a span threw');
    }
  }
}
