/** The bucket itself: the newest write of each key, and the listeners for the next. */
import type { CasOutcome, StoreEntry } from '@clstr/core/store';

export class MemoryBucket {
  /** Ordered by revision: a key that is written again moves to the end. */
  readonly #newest = new Map<string, StoreEntry>();
  readonly #listeners = new Set<(entry: StoreEntry) => void>();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  cas(key: string, revision: number, value: string | undefined): CasOutcome {
    if ((this.#newest.get(key)?.revision ?? 0) !== revision) return LOST;
    const entry: StoreEntry = Object.freeze({ key, revision: ++this.#revision, value });
    this.#newest.delete(key);
    this.#newest.set(key, entry);
    for (const listener of this.#listeners) listener(entry);
    return { kind: 'acked', revision: entry.revision };
  }

  get(key: string): StoreEntry | undefined {
    return this.#newest.get(key);
  }

  /** Returns all entries, delete marks included, ordered by revision. */
  entries(): Iterable<StoreEntry> {
    return this.#newest.values();
  }

  /** Calls `listener` within each write: it must only take note. */
  onWrite(listener: (entry: StoreEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}

const LOST: CasOutcome = { kind: 'lost' };
