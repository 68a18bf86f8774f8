/** What the messages of an actor wait for, as errors name it. */
import type { Clock } from '@clstr/core';

export interface Blocker {
  readonly what: string;
  readonly verb: 'arrived' | 'began';
  /** When its message arrived, or when it began. */
  readonly sinceMs: number | undefined;
}

/** The text by which an error names the blocking turn: only its type and age. */
export function behind(blocker: Blocker | undefined, clock: Clock): string {
  if (blocker === undefined) return '';
  const { what, verb, sinceMs } = blocker;
  const age = sinceMs === undefined ? '' : `, which ${verb} ${Math.round(clock.monoMs() - sinceMs)} ms ago`;
  return `, behind ${what}${age}`;
}
