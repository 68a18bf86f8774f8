/** Merges the headers of one call: those of its client, its own, and the chain of calls that led to it. */
import { CALL_CHAIN_HEADER, attemptOf, encodeCallChain } from '../wire/call-chain.ts';
import type { CallChain } from '../wire/call-chain.ts';
import type { Headers } from '../wire/envelope.ts';
import { ATTEMPT_HEADER, attemptIn } from '../wire/framework-headers.ts';
import { NO_HEADERS, copyHeaders } from '../wire/envelope.ts';

/** @throws RESERVED_HEADER, INVALID_ENVELOPE */
export function mergeHeaders(base: Headers | undefined, own: Headers): Headers | undefined {
  const checked = copyHeaders(own);
  if (base === undefined || checked === undefined) return checked ?? base;
  return copyHeaders(Object.assign(Object.create(null) as object, base, checked)) ?? NO_HEADERS;
}

export function withCallChain(
  headers: Headers | undefined,
  chain: CallChain | undefined,
): Headers | undefined {
  if (chain === undefined) return headers;
  const copy: Record<string, string> = Object.assign(Object.create(null) as object, headers);
  copy[CALL_CHAIN_HEADER] = encodeCallChain(chain);
  const attempt = attemptOf(chain);
  if (attempt > 1) copy[ATTEMPT_HEADER] = String(attempt);
  return copy;
}

/** The headers of an attempt that is not the first of its call. */
export function withAttempt(headers: Headers | undefined, attempt: number): Headers {
  const inherited = attemptIn(headers?.[ATTEMPT_HEADER]);
  const copy: Record<string, string> = Object.assign(Object.create(null) as object, headers);
  copy[ATTEMPT_HEADER] = String(Math.max(attempt, inherited));
  return copy;
}
