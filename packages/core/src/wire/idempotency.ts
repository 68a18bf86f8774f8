/**
 * The reserved headers of a call with an idempotency key: the key, by which its node recognizes repeats, and since when the
 * call may have run.
 */
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import { isShortText } from './envelope.ts';
import type { Headers } from './envelope.ts';

export const IDEMPOTENCY_KEY_HEADER = 'x-clstr-idempotency-key';

/**
 * How long before the deadline of its message the first attempt left that may have run, in whole milliseconds; absent if
 * none has. It counts from the deadline because the time that is left travels with each message, whereas the clocks of two
 * machines are never compared.
 */
export const MAY_HAVE_RUN_HEADER = 'x-clstr-may-have-run';

/** The longest time that a message may be on its way: an attempt may have left that much earlier than it says. */
export const TRANSIT_MS = 30_000;

/** The longest idempotency key, in bytes of UTF-8. */
export const MAX_IDEMPOTENCY_KEY_BYTES = 255;

export function isIdempotencyKey(value: unknown): value is string {
  return isShortText(value, MAX_IDEMPOTENCY_KEY_BYTES);
}

/** @throws INVALID_ENVELOPE for a value that no client sends */
export function idempotencyKeyIn({ [IDEMPOTENCY_KEY_HEADER]: key }: Headers): string {
  if (isIdempotencyKey(key)) return key;
  throw new ClstrError(
    'INVALID_ENVELOPE',
    `the header ${IDEMPOTENCY_KEY_HEADER} must be printable text of 1 to ${MAX_IDEMPOTENCY_KEY_BYTES} bytes, ` +
      `got ${describe(key)}`,
  );
}

/** Undefined if no earlier attempt can have run. A value that is not a time is the longest one: it proves nothing. */
export function mayHaveRunMs({ [MAY_HAVE_RUN_HEADER]: sent }: Headers): number | undefined {
  if (sent === undefined) return undefined;
  return /^\d{1,15}$/.test(sent) ? Number(sent) : Infinity;
}
