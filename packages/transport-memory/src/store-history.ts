/** The last writes of a store, for stale reads and for audits. */
import type { StoreEntry } from '@clstr/core/store';

export interface StoreWrite extends StoreEntry {
  /** Counts the buckets of a store, from 1: revisions begin anew with each. */
  readonly bucket: number;
}

export class StoreHistory {
  readonly #max: number;
  #writes: StoreWrite[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** Oldest first. */
  get writes(): readonly StoreWrite[] {
    return this.#writes.slice(-this.#max);
  }

  add(write: StoreWrite): void {
    if (this.#max === 0) return;
    this.#writes.push(write);
    // Drops half at a time: a shift per write would move the whole array each time.
    if (this.#writes.length >= 2 * this.#max) this.#writes = this.#writes.slice(-this.#max);
  }

  /** The newest write of `entry`'s key at the time when `revision` was the last of the bucket. */
  asOf(entry: StoreEntry, bucket: number, revision: number): StoreEntry | undefined {
    if (entry.revision <= revision) return entry;
    const found = this.#writes.findLast(
      (write) => write.key === entry.key && write.bucket === bucket && write.revision <= revision,
    );
    return found && { key: found.key, revision: found.revision, value: found.value };
  }
}
