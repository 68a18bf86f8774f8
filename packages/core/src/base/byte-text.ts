/** Bytes as text with one character for each, which JSON carries and a text hash takes. */
import { byteString } from './bytes.ts';

export function textOfBytes(bytes: Uint8Array): string {
  return byteString(bytes) ?? Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

/** Reverses {@link textOfBytes}. */
export function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
