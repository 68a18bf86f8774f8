/** Merges the headers of one call: those of its client, its own, and the chain of calls that led to it. */
import { CALL_CHAIN_HEADER, attemptOf, encodeCallChain, isOnBehalfOfCritical } from '../wire/call-chain.ts';
import type { CallChain } from '../wire/call-chain.ts';
import type { Headers } from '../wire/envelope.ts';
import { ATTEMPT_HEADER, CRITICAL_HEADER, attemptIn } from '../wire/framework-headers.ts';
import { NO_HEADERS, copyHeaders } from '../wire/envelope.ts';
import { IDEMPOTENCY_KEY_HEADER, MAY_HAVE_RUN_HEADER } from '../wire/idempotency.ts';

/** @throws RESERVED_HEADER, INVALID_ENVELOPE */
export function mergeHeaders(base: Headers | undefined, own: Headers): Headers | undefined {
  const checked = copyHeaders(own);
  if (base === undefined || checked === undefined) return checked ?? base;
  return copyHeaders(Object.assign(Object.create(null) as object, base, checked)) ?? NO_HEADERS;
}

/** `critical`: as the call says it; otherwise it is as critical as the message on whose behalf it is made. */
export function withCallChain(
  headers: Headers | undefined,
  chain: CallChain | undefined,
  critical?: boolean,
): Headers | undefined {
  if (chain === undefined) return critical === true ? withCritical(headers) : headers;
  const copy: Record<string, string> = Object.assign(Object.create(null) as object, headers);
  copy[CALL_CHAIN_HEADER] = encodeCallChain(chain);
  const attempt = attemptOf(chain);
  if (attempt > 1) copy[ATTEMPT_HEADER] = String(attempt);
  if (critical ?? isOnBehalfOfCritical(chain)) copy[CRITICAL_HEADER] = '1';
  return copy;
}

/** Most critical calls have no other headers. */
function withCritical(headers: Headers | undefined): Headers {
  return headers === undefined ? CRITICAL : withHeader(headers, CRITICAL_HEADER, '1');
}

/** The headers of an attempt that is not the first of its call. */
export function withAttempt(headers: Headers | undefined, attempt: number): Headers {
  const inherited = attemptIn(headers?.[ATTEMPT_HEADER]);
  return withHeader(headers, ATTEMPT_HEADER, String(Math.max(attempt, inherited)));
}

const CRITICAL: Headers = Object.freeze(
  Object.assign(Object.create(null) as object, { [CRITICAL_HEADER]: '1' }),
);

export function withIdempotencyKey(headers: Headers | undefined, key: string): Headers {
  return withHeader(headers, IDEMPOTENCY_KEY_HEADER, key);
}

/** The headers of a call which may have run since `ms` before its deadline; it keeps an earlier time that it knows. */
export function withMayHaveRun(headers: Headers | undefined, ms: number): Headers | undefined {
  if (headers?.[MAY_HAVE_RUN_HEADER] !== undefined) return headers;
  return withHeader(headers, MAY_HAVE_RUN_HEADER, String(Math.ceil(ms)));
}

/** A copy with one header more. */
function withHeader(headers: Headers | undefined, name: string, value: string): Headers {
  return Object.assign(Object.create(null) as object, headers, { [name]: value });
}
