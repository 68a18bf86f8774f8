/** Keys and patterns of a store: dot-separated tokens. */
import { checkString } from '@clstr/core';

const KEY = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const PATTERN = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?:\.\*)?$/;

export function isKey(key: unknown): boolean {
  return typeof key === 'string' && KEY.test(key);
}

/** @throws INVALID_OPTION */
export function checkKey(owner: string, key: unknown): string {
  return checkString(owner, 'key', key, KEY, 'dot-separated tokens of A-Z a-z 0-9 _ -');
}

/** Whether a key matches `pattern`. @throws INVALID_OPTION */
export function matcherOf(owner: string, pattern: unknown): (key: string) => boolean {
  const text = checkString(owner, 'pattern', pattern, PATTERN, 'a key, or a key whose last token is *');
  if (!text.endsWith('.*')) return (key) => key === text;
  const start = text.slice(0, -1);
  return (key) => key.startsWith(start) && !key.includes('.', start.length);
}
