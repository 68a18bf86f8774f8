/** Converts values to payload bytes and back. The default is JSON; both ends must use the same codec. */
import { describe } from '../base/describe.ts';
import { decodeText, encodeText } from '../base/bytes.ts';
import { methods } from '../base/spec.ts';
import type { Option } from '../base/spec.ts';
import { checkJsonValue } from './json-value.ts';
import { PAYLOAD_BOUNDS, isHeavyJson } from './json-weight.ts';

export interface Codec {
  /** For messages, e.g. `json`. */
  readonly name: string;
  /** Text is sent as UTF-8. Throws when the value has no encoded form. `undefined` never gets here. */
  encode(value: unknown): string | Uint8Array;
  /** The bytes are only valid during the call: copy what you keep. Throws when they are malformed. */
  decode(payload: Uint8Array): unknown;
  /**
   * Decodes text instead of bytes, for a codec of text: a transport often has the text at less cost. The text is part of
   * a longer one: a piece cut out of it keeps all of it in memory.
   */
  decodeText?(payload: string): unknown;
}

/** Refuses what JSON would empty or change; docs/reference/values.md lists what travels. */
export const jsonCodec: Codec = {
  name: 'json',
  encode(value) {
    checkJsonValue(value);
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError('its toJSON() returns nothing that JSON can carry');
    checkWeight(text);
    return text;
  },
  decode: (payload) => parse(decodeText(payload)),
  decodeText: (payload) => parse(payload),
};

function parse(text: string): unknown {
  checkWeight(text);
  return JSON.parse(text) as unknown;
}

function checkWeight(text: string): void {
  if (!isHeavyJson(text, PAYLOAD_BOUNDS)) return;
  throw new TypeError(
    `the value has more than ${PAYLOAD_BOUNDS.containers} arrays and objects: send it in parts`,
  );
}

export const codecOption: Option<Codec> = methods(['encode', 'decode'], jsonCodec);

/** For payloads that are bytes only, e.g. from a serializer of your own: it carries no value but a `Uint8Array`. */
export const bytesCodec: Codec = {
  name: 'bytes',
  encode(value) {
    throw new TypeError(`codec bytes carries a Uint8Array or undefined, not ${describe(value)}`);
  },
  decode: (payload) => new Uint8Array(payload),
};

const EMPTY = new Uint8Array(0);
/** What the JSON codec makes of no value: no bytes, which a wire can tell from those of a value. */
const NO_JSON = '';

/** Whether a value travels as it is, without the codec. */
export function isRawPayload(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** Raw values are copied, as the caller may reuse them; `undefined` becomes no bytes at all; the rest goes through the codec. */
export function encodePayload(codec: Codec, value: unknown): string | Uint8Array {
  if (value === undefined) return codec === jsonCodec ? NO_JSON : EMPTY;
  if (isRawPayload(value)) return new Uint8Array(value);
  const encoded: unknown = codec.encode(value);
  if (typeof encoded === 'string' || encoded instanceof Uint8Array) return encoded;
  throw new TypeError(`codec ${codec.name} returned ${describe(encoded)}, which is neither text nor bytes`);
}

/** Reverses {@link encodePayload}; raw bytes are copied out of the buffer they arrived in. */
export function decodePayload(codec: Codec, payload: string | Uint8Array, isRaw: boolean): unknown {
  // On a Node Buffer `slice()` would return a view, which would pin and share the whole chunk.
  if (isRaw) return new Uint8Array(payloadBytes(payload));
  if (payload.length === 0) return undefined;
  if (typeof payload === 'string' && codec.decodeText !== undefined) return codec.decodeText(payload);
  return codec.decode(payloadBytes(payload));
}

/** The bytes of a payload, in whichever form the transport had it. */
export function payloadBytes(payload: string | Uint8Array): Uint8Array {
  return typeof payload === 'string' ? encodeText(payload) : payload;
}
