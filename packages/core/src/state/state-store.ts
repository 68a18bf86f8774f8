/**
 * Where the state of durable actors lives: one log of records per key, written by compare-and-set.
 *
 * Every decision that safety rests on is an acknowledged {@link StateStore.append}. What `load` and `list` return may be
 * old, as long as it is whole.
 */
import type { CasOutcome } from '../base/cas-outcome.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Transport } from '../wire/transport.ts';

/** Names one log. */
export interface StatePlace {
  /** What the log belongs to, such as the name of an actor: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  readonly space: string;
  /**
   * Whether the store keeps all records of a log, or only those that are still needed: the newest whole one, and what came
   * after it. The same in all places of a space.
   */
  readonly keeps: 'all' | 'newest';
  readonly shard: number;
  /** Any text of 1 to 65,536 bytes in UTF-8. */
  readonly key: string;
}

export interface StateRecord {
  /** At most {@link StateStore.maxRecordBytes}. Neither the store nor its caller changes them later. */
  readonly bytes: Uint8Array;
  /** Whether the record says everything: no record before it is needed to know the state. */
  readonly isWhole: boolean;
}

export interface StoredRecord extends StateRecord {
  /** Place of this record among all writes of the store, from 1; greater is newer. */
  readonly revision: number;
}

/** What `load` found. */
export interface StateLog {
  /** That of the newest record; 0 if there is none. */
  readonly revision: number;
  /** From the newest whole record on, or from the first one if none is whole; oldest first. */
  readonly records: readonly StoredRecord[];
}

/** The newest record of a key, as `list` returns it. */
export interface StateHead extends StoredRecord {
  readonly key: string;
}

/** One service's connection to its state. Every method may be called while others are on their way. */
export interface StateStore {
  /** The largest record that can be written, in bytes. */
  readonly maxRecordBytes: number;
  readonly isConnected: boolean;
  /**
   * Never returns a part of a log for the whole: it throws STORE_REFUSED if a record is missing.
   *
   * @throws TIMEOUT, CONNECTION_LOST, STORE_REFUSED
   */
  load(place: StatePlace, timeoutMs: number): Promise<StateLog>;
  /**
   * Adds a record if the newest revision of the log is `revision`; 0 means that the log is empty. Never rejects: a failure
   * gives `unknown`.
   */
  append(place: StatePlace, revision: number, record: StateRecord, timeoutMs: number): Promise<CasOutcome>;
  /**
   * Removes all records up to and including `revision`. A log without records is empty: its next revision is 0.
   *
   * @throws TIMEOUT, CONNECTION_LOST, STORE_REFUSED
   */
  erase(place: StatePlace, revision: number, timeoutMs: number): Promise<void>;
  /**
   * The newest record of each log of a shard that has records.
   *
   * @throws TIMEOUT, CONNECTION_LOST, STORE_REFUSED
   */
  list(place: Omit<StatePlace, 'key'>, timeoutMs: number): Promise<readonly StateHead[]>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** What `createApp` takes as `store`: `jetstreamStore()`, `memoryStateStore()`, or one of your own. */
export interface StateStores {
  /**
   * Opens the store of one service.
   *
   * @throws CONNECT_FAILED, AUTH_FAILED, NO_PERMISSION, UNSUPPORTED_VERSION, STORE_REFUSED, TIMEOUT
   */
  open(context: StateStoreContext): Promise<StateStore>;
}

export interface StateStoreContext {
  /** The name of the cluster, as its transport says it. */
  readonly cluster: string;
  /** Services of one cluster do not share state. */
  readonly service: string;
  /** That of the app, for a store which uses the same connection. */
  readonly transport: Transport;
  readonly clock: Clock;
  readonly logger: Logger;
}
