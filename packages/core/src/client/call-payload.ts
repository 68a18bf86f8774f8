/** Encodes the payload of a call. */
import { describe } from '../base/describe.ts';
import { ClstrError, isClstrError } from '../base/errors.ts';
import type { Codec } from '../wire/codec.ts';
import { encodePayload } from '../wire/codec.ts';

/** @throws INVALID_ENVELOPE, naming the message type */
export function encodeCall(codec: Codec, type: string, payload: unknown): string | Uint8Array {
  try {
    return encodePayload(codec, payload);
  } catch (cause) {
    if (isClstrError(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the payload of ${describe(type)} cannot be encoded as ${codec.name}: ${why}`;
    throw new ClstrError('INVALID_ENVELOPE', message, { cause });
  }
}
