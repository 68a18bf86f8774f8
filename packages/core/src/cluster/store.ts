/**
 * All that membership needs from outside: a bucket of keys with compare-and-set.
 *
 * Every decision that safety rests on is an acknowledged {@link ClusterStore.cas}. Results of `read`, `list` and `watch`
 * may be old; they are hints for when to try.
 */

import type { CasOutcome } from '../base/cas-outcome.ts';
import type { ClstrError } from '../base/errors.ts';

export type { CasOutcome };

/** The newest write of a key, as far as the answering store knows. */
export interface StoreEntry {
  readonly key: string;
  /** Place of this write among all writes of the bucket, from 1; greater is newer, whatever the key. */
  readonly revision: number;
  /** Undefined once the key was deleted: the deletion is a write with a revision too. */
  readonly value: string | undefined;
}

export interface StoreListener {
  onEntry(entry: StoreEntry): void;
  /**
   * The watch broke off and may have missed writes; it resumes with the newest write of each key. `reason` says why,
   * unless the connection was lost.
   */
  onGap(reason?: ClstrError): void;
}

export interface Watch {
  /** Idempotent; the listener is not called again. */
  close(): void;
}

/** One member's own connection to the bucket of its cluster. Keys are dot-separated tokens of `[A-Za-z0-9_-]`. */
export interface ClusterStore {
  readonly isConnected: boolean;
  /** Calls `listener` at each change; the returned function ends that. */
  onConnection(listener: (isConnected: boolean) => void): () => void;
  /**
   * Writes `value`, or deletes the key when it is undefined, if the newest revision of `key` is `revision`; 0 means
   * never written in this bucket. Never rejects: a failure gives `unknown`. Only a write of {@link CONFIG_KEY} at
   * revision 0 creates a missing bucket; any other write to it gives `unknown`.
   */
  cas(key: string, revision: number, value: string | undefined, timeoutMs: number): Promise<CasOutcome>;
  /** Undefined if the key was never written, or there is no bucket. @throws TIMEOUT, CONNECTION_LOST, a refusal */
  read(key: string, timeoutMs: number): Promise<StoreEntry | undefined>;
  /** All keys that are not deleted; empty if there is no bucket. @throws TIMEOUT, CONNECTION_LOST, a refusal */
  list(timeoutMs: number): Promise<readonly StoreEntry[]>;
  /**
   * Reports the newest write of each matching key, then later writes as they come, in order of revision per key. It may
   * report a write twice, or omit one that was soon replaced. `pattern` is a key, or a key whose last token is `*`. A
   * bucket that is deleted or re-created may go unnoticed.
   */
  watch(pattern: string, listener: StoreListener): Watch;
  /** Idempotent. */
  close(): Promise<void>;
}

/** The key that names the cluster and its bucket. */
export const CONFIG_KEY = 'cfg';
