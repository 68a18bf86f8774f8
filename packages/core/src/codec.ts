/** Values to payload bytes and back. JSON unless told otherwise; both ends must use the same codec. */
import { decodeText } from './internal/bytes.ts';
import { describe } from './options.ts';

export interface Codec {
  /** For messages, e.g. `json`. */
  readonly name: string;
  /** Text is sent as UTF-8. Throws when the value has no encoded form. `undefined` never gets here. */
  encode(value: unknown): string | Uint8Array;
  /** The bytes are only valid during the call: copy what is kept. Throws when they are malformed. */
  decode(payload: Uint8Array): unknown;
}

export const jsonCodec: Codec = {
  name: 'json',
  encode(value) {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON form`);
    return text;
  },
  decode: (payload) => JSON.parse(decodeText(payload)) as unknown,
};

const EMPTY = new Uint8Array(0);

/** Whether a value travels as it is, without the codec. */
export function isRawPayload(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** Raw values are copied, as the caller may reuse them; `undefined` is no bytes; the rest goes through the codec. */
export function encodePayload(codec: Codec, value: unknown): string | Uint8Array {
  if (value === undefined) return EMPTY;
  if (isRawPayload(value)) return new Uint8Array(value);
  const encoded: unknown = codec.encode(value);
  if (typeof encoded === 'string' || encoded instanceof Uint8Array) return encoded;
  throw new TypeError(`codec ${codec.name} made ${describe(encoded)} of it, which is neither text nor bytes`);
}

/** The opposite of {@link encodePayload}; raw bytes are copied out of the buffer they arrived in. */
export function decodePayload(codec: Codec, bytes: Uint8Array, isRaw: boolean): unknown {
  // Not `slice()`: on a Node Buffer that is a view, and the view would pin and share the whole chunk.
  if (isRaw) return new Uint8Array(bytes);
  return bytes.length === 0 ? undefined : codec.decode(bytes);
}
