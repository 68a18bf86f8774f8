/** One compare-and-set, repeated with the same bytes until its result is certain. */
import { pause } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import type { ClusterStore, StoreEntry } from './store.ts';
import { refusalOf } from './refusal.ts';
import type { OnFailure } from './refusal.ts';
import type { Timing } from './timing.ts';

export interface WriteRequest {
  readonly key: string;
  /** The revision to replace; 0 for a key that was never written. */
  readonly revision: number;
  /** Holds a nonce: no other write may have equal bytes. */
  readonly value: string;
  /** Called before each sending; if it returns false, the write is given up, though the store may still do it later. */
  readonly isWanted: () => boolean;
  /** Called for each attempt that decided nothing; if it throws, the write ends. */
  readonly onFailure?: OnFailure | undefined;
  /** Called with the newest write of the key before the result is returned. */
  readonly onKnown?: ((newest: StoreEntry) => void) | undefined;
}

export type WriteResult =
  | { readonly kind: 'acked'; readonly entry: StoreEntry }
  /** Another write came first: `newest` is undefined when the key is gone, and with it perhaps its bucket. */
  | { readonly kind: 'lost'; readonly newest: StoreEntry | undefined }
  | { readonly kind: 'given-up' };

export interface Writer {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly timing: Pick<Timing, 'ackTimeoutMs'>;
}

/**
 * The pause between two attempts: longer than an answer takes, shorter than any time limit. It doubles with each refusal
 * in a row, up to the time that an answer may take: a full store stays full for longer than 50 ms.
 */
const PAUSE_MS = 50;

/** @throws what `onFailure` throws */
export async function writeUntilKnown(writer: Writer, request: WriteRequest): Promise<WriteResult> {
  const { ackTimeoutMs } = writer.timing;
  const { key, revision, value, isWanted, onFailure, onKnown } = request;
  let pauseMs = PAUSE_MS;
  while (isWanted()) {
    const outcome = await writer.store.cas(key, revision, value, ackTimeoutMs);
    if (outcome.kind === 'acked') return acked({ key, revision: outcome.revision, value }, onKnown);
    // A read at or below the replaced revision says nothing about a lost write: it is older than what won.
    const newest = await readBack(writer, request, outcome.kind === 'lost');
    if (newest === GIVEN_UP) break;
    const isUnread = newest instanceof NoAnswer;
    if (!isUnread) {
      if (newest?.value === value) return acked(newest, onKnown);
      if ((newest?.revision ?? 0) > revision || (newest === undefined && revision > 0)) {
        if (newest !== undefined) onKnown?.(newest);
        return { kind: 'lost', newest };
      }
    }
    const isUnknown = outcome.kind === 'unknown';
    const refusal = (isUnknown ? outcome.refusal : undefined) ?? (isUnread ? newest.refusal : undefined);
    if (isUnknown || isUnread) onFailure?.(refusal);
    await pause(writer.clock, pauseMs);
    pauseMs = refusal === undefined ? PAUSE_MS : Math.min(2 * pauseMs, Math.max(PAUSE_MS, ackTimeoutMs));
  }
  return { kind: 'given-up' };
}

function acked(entry: StoreEntry, onKnown: WriteRequest['onKnown']): WriteResult {
  onKnown?.(entry);
  return { kind: 'acked', entry };
}

/** The result of a read that failed. */
class NoAnswer {
  readonly refusal: ClstrError | undefined;

  constructor(error: unknown) {
    this.refusal = refusalOf(error);
  }
}

const GIVEN_UP = Symbol('given up');

async function readBack(
  { store, clock, timing }: Writer,
  { key, revision, isWanted }: WriteRequest,
  isLost: boolean,
): Promise<StoreEntry | undefined | NoAnswer | typeof GIVEN_UP> {
  while (isWanted()) {
    let newest: StoreEntry | undefined;
    try {
      newest = await store.read(key, timing.ackTimeoutMs);
    } catch (error) {
      return new NoAnswer(error);
    }
    const isStale = isLost && (newest?.revision ?? 0) <= revision && !(newest === undefined && revision > 0);
    if (!isStale) return newest;
    await pause(clock, PAUSE_MS);
  }
  return GIVEN_UP;
}
