/**
 * All that membership asks of the world: a bucket of keys with compare-and-set.
 *
 * Every decision that safety rests on is an acknowledged {@link ClusterStore.cas}. What `read`, `list` and `watch` tell
 * may be old: hints for when to try.
 */

import type { ClstrError } from '../base/errors.ts';

/** The newest write of a key, as far as the store that was asked knows. */
export interface StoreEntry {
  readonly key: string;
  /** Place of this write among all writes of the bucket, from 1; greater is newer, whatever the key. */
  readonly revision: number;
  /** Undefined once the key was deleted: the deletion is a write with a revision too. */
  readonly value: string | undefined;
}

/**
 * What became of a compare-and-set. `lost` is certain: the key's newest write has another revision, which may be the
 * fruit of an earlier sending of the same write. `undecided`: another write of the key is in flight, often an earlier
 * sending of one's own. `unknown`: no answer came; the write may have been done, be done later, or never. With a
 * `refusal` the store answered, and said why it did not write: for people, as nothing that is decided rests on it.
 */
export type CasOutcome =
  | { readonly kind: 'acked'; readonly revision: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'undecided' }
  | { readonly kind: 'unknown'; readonly refusal?: ClstrError | undefined };

export interface StoreListener {
  onEntry(entry: StoreEntry): void;
  /**
   * The watch broke off and something may have been missed; it goes on, beginning with the newest of each key. With the
   * `reason`, unless that is the connection.
   */
  onGap(reason?: ClstrError): void;
}

export interface Watch {
  /** Idempotent; the listener hears nothing more. */
  close(): void;
}

/** One member's own way to the bucket of its cluster. Keys are dot-separated tokens of `[A-Za-z0-9_-]`. */
export interface ClusterStore {
  readonly isConnected: boolean;
  /** Calls `listener` at each change; the returned function ends that. */
  onConnection(listener: (isConnected: boolean) => void): () => void;
  /**
   * Writes `value`, or deletes the key when it is undefined, if the newest revision of `key` is `revision`; 0 means
   * never written in this bucket. Never rejects: what goes wrong is `unknown`. A bucket that does not exist is made
   * only by a write of {@link CONFIG_KEY} at revision 0; any other write to it is `unknown`.
   */
  cas(key: string, revision: number, value: string | undefined, timeoutMs: number): Promise<CasOutcome>;
  /** Undefined when the key was never written, or there is no bucket. @throws TIMEOUT, CONNECTION_LOST, a refusal */
  read(key: string, timeoutMs: number): Promise<StoreEntry | undefined>;
  /** All keys that are not deleted; empty when there is no bucket. @throws TIMEOUT, CONNECTION_LOST, a refusal */
  list(timeoutMs: number): Promise<readonly StoreEntry[]>;
  /**
   * Tells the newest write of each key that matches, then later ones as they come, in order of revision per key; one may be
   * told twice, and one that was replaced before it could be told may be left out. `pattern` is a key, or a key whose last token is `*`. A bucket
   * that is deleted, or made again, may go unnoticed.
   */
  watch(pattern: string, listener: StoreListener): Watch;
  /** Idempotent. */
  close(): Promise<void>;
}

/** The key that names the cluster and its bucket. */
export const CONFIG_KEY = 'cfg';
