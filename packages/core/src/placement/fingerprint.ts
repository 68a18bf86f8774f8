/** A short text that two sides compare in place of a long one, or of one that should not be shown. */
import { hash64 } from './hash64.ts';

/** 16 hexadecimal digits. */
export function fingerprintOf(text: string): string {
  const { high, low } = hash64(text);
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}
