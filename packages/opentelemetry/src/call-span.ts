/** The span of one call, with all its attempts. */
import type { Span } from '@opentelemetry/api';
import type { CallEnd, CallSpan, ClstrError, ErrorCode, Headers, RetryDenial } from '@clstr/core';
import {
  CLSTR_ATTEMPTS,
  CLSTR_EPOCH,
  CLSTR_NODE_ID,
  OTHER_METHOD,
  RETRY_ATTEMPT,
  RETRY_DENIAL,
  RETRY_DENIED_EVENT,
  RETRY_EVENT,
  RETRY_REASON,
  RPC_METHOD,
  RPC_METHOD_ORIGINAL,
  SYSTEM,
} from './conventions.ts';
import { recordFailure } from './failure.ts';

export class RecordedCall implements CallSpan {
  readonly headers: Headers;
  readonly #span: Span;
  readonly #type: string;
  readonly #quotes: boolean;

  constructor(span: Span, headers: Headers, type: string, quotes: boolean) {
    this.#span = span;
    this.headers = headers;
    this.#type = type;
    this.#quotes = quotes;
  }

  repeated(reason: ErrorCode, attempt: number): void {
    this.#span.addEvent(RETRY_EVENT, { [RETRY_REASON]: reason, [RETRY_ATTEMPT]: attempt });
  }

  retryDenied(denial: RetryDenial, reason: ErrorCode): void {
    this.#span.addEvent(RETRY_DENIED_EVENT, { [RETRY_DENIAL]: denial, [RETRY_REASON]: reason });
  }

  ended(error: ClstrError | undefined, { attempts, nodeId, epoch }: CallEnd): void {
    const span = this.#span;
    span.setAttribute(CLSTR_ATTEMPTS, attempts);
    if (nodeId !== undefined) span.setAttribute(CLSTR_NODE_ID, nodeId);
    if (epoch !== undefined) span.setAttribute(CLSTR_EPOCH, epoch);
    if (error !== undefined) {
      recordFailure(span, error, this.#quotes);
      if (error.code === 'UNKNOWN_TYPE') this.#hideMethod();
    }
    span.end();
  }

  /** No node knows the type, so somebody may have made it up: it must not become the name of a span. */
  #hideMethod(): void {
    this.#span.updateName(SYSTEM);
    this.#span.setAttribute(RPC_METHOD, OTHER_METHOD);
    this.#span.setAttribute(RPC_METHOD_ORIGINAL, this.#type);
  }
}

/** For a call without a span that carries the trace of its caller. */
export class CarriedTrace implements CallSpan {
  readonly headers: Headers;

  constructor(headers: Headers) {
    this.headers = headers;
  }

  ended(): void {
    /* there is no span to end */
  }
}
