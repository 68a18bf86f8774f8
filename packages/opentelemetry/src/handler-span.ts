/** The span of one message, from its acceptance to its answer. */
import type { Span } from '@opentelemetry/api';
import type { ClstrError, HandlerSpan, Headers } from '@clstr/core';
import { CLSTR_MAILBOX_WAIT } from './conventions.ts';
import { recordNodeFailure } from './failure.ts';

export class RecordedHandler implements HandlerSpan {
  readonly headers: Headers;
  readonly #span: Span;
  readonly #quotes: boolean;

  constructor(span: Span, headers: Headers, quotes: boolean) {
    this.#span = span;
    this.headers = headers;
    this.#quotes = quotes;
  }

  ended(error: ClstrError | undefined, waitedMs: number): void {
    this.#span.setAttribute(CLSTR_MAILBOX_WAIT, waitedMs / 1_000);
    if (error !== undefined) recordNodeFailure(this.#span, error, this.#quotes);
    this.#span.end();
  }
}
