/** The log of one key, as its owner writes it: one append at a time, until the store has said what became of it. */
import type { Clock, ShardLease } from '@clstr/core';
import type { StatePlace, StateStore } from '@clstr/core/store';
import { pause } from '@clstr/core/internal';
import { maybeStored, notErased, notOwner, notStored, storeAway, unreadable } from './errors.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import type { RecordBody, RecordContent } from './record.ts';
import type { Writers } from './writers.ts';

/** How long one request to the store may take. */
const REQUEST_MS = 2_000;
/** How long an owner goes on to find out whether a record was stored. */
const SETTLE_MS = 10_000;
const MIN_PAUSE_MS = 20;
const MAX_PAUSE_MS = 500;

export interface EncodedRecord {
  readonly bytes: Uint8Array;
  readonly nonce: number;
}

export interface StateLogParts {
  readonly store: StateStore;
  readonly place: StatePlace;
  readonly lease: ShardLease | undefined;
  readonly writers: Writers;
  readonly clock: Clock;
  /** Of the actor, for messages. */
  readonly name: string;
}

export class StateLog {
  readonly #parts: StateLogParts;
  readonly #writer: { readonly epoch: number; readonly name: string };
  #revision = 0;
  #isClaimed = false;

  constructor(parts: StateLogParts) {
    this.#parts = parts;
    this.#writer = parts.writers.of(parts.lease);
  }

  /**
   * Whether no other owner can add a record any more without being noticed: the newest record is one of this owner's.
   * Before, a turn that only reads has to write too, or a late record of an earlier owner would prove it wrong.
   */
  get isClaimed(): boolean {
    return this.#isClaimed;
  }

  /** That of the newest record, 0 if there is none. */
  get revision(): number {
    return this.#revision;
  }

  get isConnected(): boolean {
    return this.#parts.store.isConnected;
  }

  get maxBytes(): number {
    return this.#parts.store.maxRecordBytes;
  }

  /** @throws the refusals UNAVAILABLE, STATE_UNREADABLE, NOT_OWNER */
  async load(): Promise<readonly RecordContent[]> {
    const { store, place, lease, writers, name } = this.#parts;
    const log = await store.load(place, REQUEST_MS).catch((error: unknown) => {
      throw storeAway(name, error);
    });
    this.#revision = log.revision;
    const records = log.records.map(({ bytes, isWhole, revision }) => {
      try {
        return decodeRecord(bytes, isWhole);
      } catch (error) {
        throw unreadable(name, revision, error);
      }
    });
    const newest = records.at(-1);
    if (lease !== undefined && newest !== undefined && newest.writer.epoch > lease.epoch) {
      throw notOwner(name, lease.epoch, newest.writer.epoch);
    }
    this.#isClaimed = newest?.writer.name === this.#writer.name && !writers.isUnsettled(place);
    return records;
  }

  encode(body: RecordBody): EncodedRecord {
    const nonce = this.#parts.writers.nonce();
    return { bytes: encodeRecord({ writer: this.#writer, nonce }, body), nonce };
  }

  /**
   * Resolves once the record is stored.
   *
   * @throws FENCED when it certainly is not, UNAVAILABLE when that is unknown
   */
  async append({ bytes, nonce }: EncodedRecord, isWhole: boolean): Promise<void> {
    const { store, place, lease, writers, clock, name } = this.#parts;
    const untilMs = clock.monoMs() + SETTLE_MS;
    let pauseMs = MIN_PAUSE_MS;
    for (let isFirst = true; ; isFirst = false) {
      if (lease?.isHeld === false && isFirst) throw notStored(name, 'the node has lost the shard');
      const outcome = await store.append(place, this.#revision, { bytes, isWhole }, REQUEST_MS);
      if (outcome.kind === 'acked') {
        this.#written(outcome.revision);
        return;
      }
      if (outcome.kind === 'lost') {
        if (isFirst) throw notStored(name, 'another owner has written the key');
        const isOurs = await this.#isNewest(nonce);
        if (isOurs === true) return;
        if (isOurs === false) break;
      }
      if (clock.monoMs() >= untilMs) break;
      await pause(clock, pauseMs);
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
    writers.unsettled(place);
    throw maybeStored(name, SETTLE_MS);
  }

  /**
   * Removes all records before the newest. That one stays: an empty log would take a late record of an earlier owner.
   *
   * @throws UNAVAILABLE
   */
  async forgetHistory(): Promise<void> {
    const { store, place, name } = this.#parts;
    await store.erase(place, this.#revision - 1, REQUEST_MS).catch((cause: unknown) => {
      throw notErased(name, cause);
    });
  }

  /** Whether the newest record is that with `nonce`; undefined if the store does not say. */
  async #isNewest(nonce: number): Promise<boolean | undefined> {
    const { store, place } = this.#parts;
    try {
      const { revision, records } = await store.load(place, REQUEST_MS);
      const { bytes, isWhole } = records.at(-1)!;
      const newest = decodeRecord(bytes, isWhole);
      if (newest.writer.name !== this.#writer.name || newest.nonce !== nonce) return false;
      this.#written(revision);
      return true;
    } catch {
      return undefined;
    }
  }

  #written(revision: number): void {
    this.#revision = revision;
    this.#isClaimed = true;
    this.#parts.writers.settled(this.#parts.place);
  }
}
