/** An actor as messages name it: its key comes from callers. */
import { printable } from '@clstr/core/internal';

export function actorName(actor: string, key: string): string {
  return `${actor}/${printable(key, MAX_KEY_LENGTH)}`;
}

/** As it travels: for programs to compare, not to be shown. */
export function chainLink(actor: string, whole: string): string {
  return `${actor}/${whole}`;
}

/** Actors and keys that a call came through. */
export function pathOf(chain: readonly string[]): string {
  return chain.map((link) => printable(link, 2 * MAX_KEY_LENGTH)).join(' → ');
}

const MAX_KEY_LENGTH = 64;
