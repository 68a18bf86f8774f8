/** How the error of a call or message appears in its span. */
import { SpanStatusCode } from '@opentelemetry/api';
import type { Span } from '@opentelemetry/api';
import type { ActorError, ClstrError, ErrorCode } from '@clstr/core';
import { CLSTR_ACTOR_CODE, CLSTR_OUTCOME, ERROR_TYPE, RPC_STATUS_CODE } from './conventions.ts';

/** @param quotes whether the error's message, which quotes keys, may be recorded */
export function recordFailure(span: Span, error: ClstrError, quotes: boolean): void {
  recordStatus(span, error);
  span.setAttribute(ERROR_TYPE, error.code);
  span.setStatus(
    quotes ? { code: SpanStatusCode.ERROR, message: error.message } : { code: SpanStatusCode.ERROR },
  );
}

/** At a node, what its caller caused is an answer like any other. */
export function recordNodeFailure(span: Span, error: ClstrError, quotes: boolean): void {
  if (CAUSED_BY_CALLER.has(error.code)) recordStatus(span, error);
  else recordFailure(span, error, quotes);
}

const CAUSED_BY_CALLER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ACTOR_ERROR',
  'VALIDATION_FAILED',
  'ABORTED',
]);

function recordStatus(span: Span, error: ClstrError): void {
  span.setAttribute(RPC_STATUS_CODE, error.code);
  span.setAttribute(CLSTR_OUTCOME, error.outcome);
  const { actorCode } = error as Partial<ActorError>;
  if (actorCode !== undefined) span.setAttribute(CLSTR_ACTOR_CODE, actorCode);
}
