/** What a call asks for in a few characters, so that two calls under one idempotency key can be told apart. */
import { textOfBytes } from '../base/byte-text.ts';
import { fingerprintOf } from '../placement/fingerprint.ts';
import { payloadBytes } from '../wire/codec.ts';
import type { InboundEntry } from '../wire/transport.ts';

/** Equal for equal calls, whether the transport has their payload as text or as bytes. */
export function callFingerprint({ type, key, payload, isRaw }: InboundEntry): string {
  const target = JSON.stringify([type, key ?? null, isRaw]);
  return fingerprintOf(target + textOfBytes(payloadBytes(payload)));
}
