/** One compare-and-set, repeated with the same bytes until it is certain what became of it. */
import { pause } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import type { ClusterStore, StoreEntry } from './store.ts';
import { refusalOf } from './refusal.ts';
import type { OnFailure } from './refusal.ts';

export interface WriteRequest {
  readonly key: string;
  /** The revision to replace; 0 for a key that was never written. */
  readonly revision: number;
  /** Holds a nonce: no other write may have equal bytes. */
  readonly value: string;
  /** Asked before each sending; when it says no, the write is given up, and may still be done later. */
  readonly isWanted: () => boolean;
  /** Told of each try that decided nothing; what it throws ends the write. */
  readonly onFailure?: OnFailure | undefined;
}

export type WriteResult =
  | { readonly kind: 'acked'; readonly entry: StoreEntry }
  /** Another write came first: `newest` is undefined when the key is gone, and with it perhaps its bucket. */
  | { readonly kind: 'lost'; readonly newest: StoreEntry | undefined }
  | { readonly kind: 'given-up' };

/** The newest write of the key that the result tells of. */
export function newestOf(result: WriteResult): StoreEntry | undefined {
  if (result.kind === 'acked') return result.entry;
  return result.kind === 'lost' ? result.newest : undefined;
}

export interface Writer {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly ackTimeoutMs: number;
}

/**
 * Between two tries: longer than an answer takes, shorter than anything waits for. Doubled with each refusal in a row, up
 * to the time that an answer may take: a store that is full is not full for 50 ms.
 */
const PAUSE_MS = 50;

/** @throws what `onFailure` throws */
export async function writeUntilKnown(writer: Writer, request: WriteRequest): Promise<WriteResult> {
  const { store, ackTimeoutMs } = writer;
  const { key, revision, value, isWanted, onFailure } = request;
  let pauseMs = PAUSE_MS;
  while (isWanted()) {
    const outcome = await store.cas(key, revision, value, ackTimeoutMs);
    if (outcome.kind === 'acked') return { kind: 'acked', entry: { key, revision: outcome.revision, value } };
    const isLost = outcome.kind === 'lost';
    // A read at or below the replaced revision is no answer to a lost write: it is older than what won.
    const newest = await readBack(writer, request, isLost);
    if (newest === GIVEN_UP) break;
    if (!(newest instanceof NoAnswer)) {
      if (newest?.value === value) return { kind: 'acked', entry: newest };
      if ((newest?.revision ?? 0) > revision || (newest === undefined && revision > 0)) {
        return { kind: 'lost', newest };
      }
    }
    const isUnread = newest instanceof NoAnswer;
    const isUnknown = outcome.kind === 'unknown';
    const refusal = (isUnknown ? outcome.refusal : undefined) ?? (isUnread ? newest.refusal : undefined);
    if (isUnknown || isUnread) onFailure?.(refusal);
    await pause(writer.clock, pauseMs);
    pauseMs = refusal === undefined ? PAUSE_MS : Math.min(2 * pauseMs, Math.max(PAUSE_MS, ackTimeoutMs));
  }
  return { kind: 'given-up' };
}

/** A read that failed. */
class NoAnswer {
  readonly refusal: ClstrError | undefined;

  constructor(error: unknown) {
    this.refusal = refusalOf(error);
  }
}

const GIVEN_UP = Symbol('given up');

async function readBack(
  { store, clock, ackTimeoutMs }: Writer,
  { key, revision, isWanted }: WriteRequest,
  isLost: boolean,
): Promise<StoreEntry | undefined | NoAnswer | typeof GIVEN_UP> {
  while (isWanted()) {
    let newest: StoreEntry | undefined;
    try {
      newest = await store.read(key, ackTimeoutMs);
    } catch (error) {
      return new NoAnswer(error);
    }
    const isStale = isLost && (newest?.revision ?? 0) <= revision && !(newest === undefined && revision > 0);
    if (!isStale) return newest;
    await pause(clock, PAUSE_MS);
  }
  return GIVEN_UP;
}
