/** The nodes of a large cluster are scored before they are placed: heartbeats are not to wait for all of them. */
import type { Clock } from '../clock.ts';
import type { ScoreBook } from '../placement-scores.ts';
import type { StoreEntry } from './cluster-store.ts';
import { readMember } from './records.ts';

/** About 60 ms of hashing, on a machine at rest: well below the time a heartbeat has to be acknowledged. */
const HASHES_PER_TURN = 16_384;

export interface ScoringOptions {
  readonly scores: ScoreBook;
  readonly clock: Clock;
  /** When it says no: give up. */
  readonly isWanted: () => boolean;
}

/**
 * Scores the nodes that `entries` call up and the book does not have, with turns of the event loop in between. False when
 * they were so few that it let them be, or it gave up.
 */
export async function scoreAhead(
  entries: readonly StoreEntry[],
  { scores, clock, isWanted }: ScoringOptions,
): Promise<boolean> {
  const strangers = namesOfUp(entries).filter((id) => !scores.has(id));
  if (strangers.length * scores.numShards <= HASHES_PER_TURN) return false;
  let hashes = 0;
  for (const id of strangers) {
    scores.score(id);
    hashes += scores.numShards;
    if (hashes < HASHES_PER_TURN) continue;
    hashes = 0;
    await new Promise<void>((resolve) => clock.macrotask(resolve));
    if (!isWanted()) return false;
  }
  return true;
}

function namesOfUp(entries: readonly StoreEntry[]): string[] {
  return entries.flatMap(({ key, value }) =>
    key.startsWith('m.') && readMember(value)?.state === 'up' ? key.slice(2) : [],
  );
}
