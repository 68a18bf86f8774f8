/** The valid keys, revisions and patterns of a {@link ClusterStore}: every store refuses the rest alike. */
import { checkString } from '../base/options.ts';

const KEY = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const PATTERN = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?:\.\*)?$/;

/** Checks the key of a `read`. @throws INVALID_OPTION */
export function checkStoreKey(key: unknown): string {
  return checkString('read', 'key', key, KEY, 'dot-separated tokens of A-Z a-z 0-9 _ -');
}

/** Checks the pattern of a `watch`. @throws INVALID_OPTION */
export function checkWatchPattern(pattern: unknown): string {
  return checkString('watch', 'pattern', pattern, PATTERN, 'a key, or a key whose last token is *');
}

/** Whether the arguments of a `cas` are valid: it never rejects, so otherwise its result is `unknown`. */
export function isWritable(key: unknown, revision: unknown): boolean {
  return typeof key === 'string' && KEY.test(key) && Number.isSafeInteger(revision) && Number(revision) >= 0;
}
