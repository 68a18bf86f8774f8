/** JSON to bytes and back, for the contenders that speak to NATS themselves. */
import type { Payload } from '../payload.ts';

export function encodeJson(value: Payload): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

export function decodeJson(bytes: Uint8Array): Payload {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as Payload;
}
