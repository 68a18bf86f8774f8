/** The reserved headers in which the framework sends values of its own beside those of the caller. */
import { CALL_CHAIN_HEADER } from './call-chain.ts';
import type { Headers } from './envelope.ts';
import { IDEMPOTENCY_KEY_HEADER, MAY_HAVE_RUN_HEADER } from './idempotency.ts';

/** Which attempt of its call a message is, from 2; higher if the call is made on behalf of such an attempt. */
export const ATTEMPT_HEADER = 'x-clstr-attempt';

/** `1` on a call that nodes should refuse last. Anyone can write it: it is a claim, as the actors in the call chain are. */
export const CRITICAL_HEADER = 'x-clstr-critical';

/** Handlers do not see them. */
export const FRAMEWORK_HEADERS: ReadonlySet<string> = new Set([
  CALL_CHAIN_HEADER,
  ATTEMPT_HEADER,
  CRITICAL_HEADER,
  IDEMPOTENCY_KEY_HEADER,
  MAY_HAVE_RUN_HEADER,
]);

/** Any other value means the same as none. */
export function isCritical(headers: Headers | undefined): boolean {
  return headers !== undefined && headers[CRITICAL_HEADER] === '1';
}

/** Returns 1 for a message without the header, and for a value that is not a number. */
export function attemptIn(header: string | undefined): number {
  if (header === undefined || !/^[1-9]\d{0,6}$/.test(header)) return 1;
  return Number(header);
}
