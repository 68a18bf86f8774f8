/** The one place that relies on what the NATS client does inside. */
import type { Msg, MsgHdrs, NatsConnection, NatsError } from 'nats';

/**
 * The last `-ERR` of the server that was not about a permission, a new object each time. `status()` gives only its code,
 * and later than the answer to a flush.
 */
export function lastProtocolError(nats: NatsConnection): NatsError | undefined {
  return (nats as { protocol?: { lastError?: NatsError } }).protocol?.lastError;
}

/** Headers that are bytes already: all that `publish` does with headers is to encode them. */
export function encodedHeaders(bytes: Uint8Array): MsgHdrs {
  return { encode: () => bytes } as unknown as MsgHdrs;
}

/** The headers of a message as text, '' if it has none: the client would make an object of each, at 3 µs per message. */
export function headText(message: Msg): string {
  const { _msg: place, _rdata: bytes } = message as unknown as { _msg: { hdr: number }; _rdata?: Uint8Array };
  if (bytes === undefined || place.hdr <= 0) return '';
  return Buffer.from(bytes.buffer, bytes.byteOffset, place.hdr).toString('latin1');
}
