/**
 * Keys as tokens of a subject. A key of `A-Z a-z 0-9 _ - : @ /` is its own token; each byte of anything else becomes `=XX`.
 * Where that is too long, the token is a hash, and the record itself says the key.
 */
import { ClstrError } from '@clstr/core';
import { decodeText, describe, encodeText, fingerprintOf } from '@clstr/core/internal';

const READABLE = /^[A-Za-z0-9_\-:@/]+$/;
/** The line that names a message's subject has 4,096 bytes at most, and the server keeps each subject in memory. */
const MAX_LENGTH = 200;
/** No escape begins like this, so that no other token is a hash. */
const HASHED = '=h';

/** Different keys have different tokens, hashes aside. @throws INVALID_OPTION for a key that is not text */
export function tokenOf(key: string): string {
  if (key.length <= MAX_LENGTH) {
    if (READABLE.test(key)) return key;
    checkText(key);
    const token = escaped(key);
    if (token.length <= MAX_LENGTH) return token;
  } else checkText(key);
  // Two hashes of 64 bits with different beginnings are one of 128.
  return HASHED + fingerprintOf('0' + key) + fingerprintOf('1' + key);
}

/** Whether a token does not say its key. */
export function isHashed(token: string): boolean {
  return token.startsWith(HASHED);
}

/** Reads a token that is not a hash. @throws TypeError for what `tokenOf` does not make */
export function keyOf(token: string): string {
  return token.replace(/(?:=[0-9A-F]{2})+/g, (run) => {
    const bytes = run.slice(1).split('=');
    return decodeText(Uint8Array.from(bytes, (digits) => Number.parseInt(digits, 16)));
  });
}

function escaped(key: string): string {
  let token = '';
  for (const byte of encodeText(key)) {
    const character = String.fromCharCode(byte);
    if (READABLE.test(character)) token += character;
    else token += `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return token;
}

/** Half a surrogate pair has no bytes of its own: two keys could become one. */
function checkText(key: string): void {
  if (key !== '' && !/\p{Surrogate}/u.test(key)) return;
  throw new ClstrError('INVALID_OPTION', `the key ${describe(key)} is not text that a store can hold`);
}
