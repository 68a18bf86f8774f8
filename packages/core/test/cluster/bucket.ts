/** A cluster's bucket in a test's hand: members reach it through stores whose every operation the test may bend. */
import type { FakeClock } from '@clstr/testing';
import { ClstrError } from '../../src/base/errors.ts';
import type { CasOutcome, ClusterStore, StoreEntry, StoreListener, Watch } from '../../src/cluster/store.ts';
import { refusalOf } from '../../src/cluster/refusal.ts';

export interface Operation {
  readonly kind: 'cas' | 'read' | 'list';
  readonly key: string;
  readonly revision: number;
  readonly value: string | undefined;
}

/**
 * `lost`: never done, no answer. `answer lost`: done, no answer. `undecided`: refused. `{ until }`: done, and answered, when
 * the promise resolves. `{ told }`: an old answer to a read or a list. `{ refusal }`: not done, for that reason.
 */
export type Effect =
  | 'lost'
  | 'answer lost'
  | 'undecided'
  | { readonly until: Promise<unknown> }
  | { readonly told: readonly StoreEntry[] }
  | { readonly refusal: ClstrError };

/** What a store says whose account is full. */
export const FULL: ClstrError = new ClstrError('STORE_REFUSED', 'the account is full', {
  details: { errCode: 10_002 },
});

/** The newest write of each key, and all that ever was. */
export class Bucket {
  readonly writes: StoreEntry[] = [];
  readonly stores = new Set<TestStore>();
  #newest = new Map<string, StoreEntry>();
  #revision = 0;
  isThere = true;

  cas(key: string, revision: number, value: string | undefined): CasOutcome {
    if ((this.#newest.get(key)?.revision ?? 0) !== revision) return { kind: 'lost' };
    return { kind: 'acked', revision: this.#write(key, value).revision };
  }

  /** What somebody else writes, whatever was there. Told to all watches unless `isAnnounced` is false. */
  put(key: string, record: object | string | undefined, isAnnounced = true): StoreEntry {
    return this.#write(key, typeof record === 'object' ? JSON.stringify(record) : record, isAnnounced);
  }

  get(key: string): StoreEntry | undefined {
    return this.#newest.get(key);
  }

  /** The record under `key`. */
  record(key: string): Record<string, unknown> | undefined {
    const value = this.get(key)?.value;
    return value === undefined ? undefined : (JSON.parse(value) as Record<string, unknown>);
  }

  entries(): StoreEntry[] {
    return [...this.#newest.values()];
  }

  /** The key is gone as if it had never been written; no watch hears of it. */
  purge(key: string): void {
    this.#newest.delete(key);
  }

  /** Everything is gone; no watch hears of it. */
  lose(): void {
    this.#newest = new Map();
    this.#revision = 0;
    this.isThere = false;
  }

  #write(key: string, value: string | undefined, isAnnounced = true): StoreEntry {
    this.isThere = true;
    const entry = { key, revision: ++this.#revision, value };
    this.#newest.set(key, entry);
    this.writes.push(entry);
    if (isAnnounced) for (const store of this.stores) store.tell(entry);
    return entry;
  }
}

export class TestStore implements ClusterStore {
  readonly operations: Operation[] = [];
  readonly #bucket: Bucket;
  readonly #clock: FakeClock;
  readonly #connectionListeners = new Set<(isConnected: boolean) => void>();
  readonly #watches = new Map<Watch, { pattern: string; listener: StoreListener }>();
  /** Decides each operation; undefined: done at once. */
  effect: (operation: Operation) => Effect | undefined = () => undefined;
  isConnected = true;
  /** While it is, watches tell nothing. */
  isDeaf = false;
  isClosed = false;

  constructor(bucket: Bucket, clock: FakeClock) {
    this.#bucket = bucket;
    this.#clock = clock;
    bucket.stores.add(this);
  }

  /** Patterns that are watched. */
  get watched(): string[] {
    return [...this.#watches.values()].map(({ pattern }) => pattern);
  }

  get listenerCount(): number {
    return this.#connectionListeners.size;
  }

  /** The writes that were tried under `key`, repeats included. */
  sent(key: string): Operation[] {
    return this.operations.filter((operation) => operation.kind === 'cas' && operation.key === key);
  }

  onConnection(listener: (isConnected: boolean) => void): () => void {
    this.#connectionListeners.add(listener);
    return () => {
      this.#connectionListeners.delete(listener);
    };
  }

  become(isConnected: boolean): void {
    this.isConnected = isConnected;
    for (const listener of [...this.#connectionListeners]) listener(isConnected);
  }

  /** All watches miss something, and are told the newest again. */
  gap(reason?: ClstrError): void {
    for (const { pattern, listener } of [...this.#watches.values()]) {
      listener.onGap(reason);
      for (const entry of this.#bucket.entries()) if (matches(pattern, entry.key)) listener.onEntry(entry);
    }
  }

  tell(entry: StoreEntry): void {
    if (this.isDeaf) return;
    for (const { pattern, listener } of [...this.#watches.values()]) {
      if (matches(pattern, entry.key)) listener.onEntry(entry);
    }
  }

  async cas(
    key: string,
    revision: number,
    value: string | undefined,
    timeoutMs: number,
  ): Promise<CasOutcome> {
    const isCreation = key === 'cfg' && revision === 0;
    const work = (): CasOutcome =>
      this.#bucket.isThere || isCreation ? this.#bucket.cas(key, revision, value) : { kind: 'unknown' };
    const effect = this.#begin({ kind: 'cas', key, revision, value });
    if (effect === 'undecided') return { kind: 'undecided' };
    return this.#answer(effect, timeoutMs, work).catch((error: unknown) => {
      const refusal = refusalOf(error);
      return refusal === undefined ? { kind: 'unknown' } : { kind: 'unknown', refusal };
    });
  }

  read(key: string, timeoutMs: number): Promise<StoreEntry | undefined> {
    const effect = this.#begin({ kind: 'read', key, revision: 0, value: undefined });
    if (typeof effect === 'object' && 'told' in effect) return Promise.resolve(effect.told[0]);
    return this.#answer(effect, timeoutMs, () => this.#bucket.get(key));
  }

  list(timeoutMs: number): Promise<readonly StoreEntry[]> {
    const effect = this.#begin({ kind: 'list', key: '', revision: 0, value: undefined });
    if (typeof effect === 'object' && 'told' in effect) return Promise.resolve(effect.told);
    return this.#answer(effect, timeoutMs, () =>
      this.#bucket.entries().filter(({ value }) => value !== undefined),
    );
  }

  watch(pattern: string, listener: StoreListener): Watch {
    const watch: Watch = { close: () => void this.#watches.delete(watch) };
    this.#watches.set(watch, { pattern, listener });
    if (this.isDeaf) return watch;
    const newest = this.#bucket.entries().filter(({ key }) => matches(pattern, key));
    void Promise.resolve().then(() => {
      if (this.#watches.has(watch)) for (const entry of newest) listener.onEntry(entry);
    });
    return watch;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.#watches.clear();
    this.#bucket.stores.delete(this);
  }

  #begin(operation: Operation): Effect | undefined {
    this.operations.push(operation);
    return this.effect(operation);
  }

  async #answer<T>(effect: Effect | undefined, timeoutMs: number, work: () => T): Promise<T> {
    if (effect === undefined && this.isConnected) return work();
    if (typeof effect === 'object' && 'refusal' in effect) throw effect.refusal;
    let cancel = (): void => undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      cancel = this.#clock.timer(() => {
        reject(new ClstrError('TIMEOUT', 'no answer'));
      }, timeoutMs);
    });
    if (typeof effect === 'object' && 'until' in effect) {
      const late = effect.until.then(work);
      void late.then(cancel);
      return Promise.race([late, overdue]);
    }
    if (effect === 'answer lost') work();
    return overdue;
  }
}

function matches(pattern: string, key: string): boolean {
  return pattern.endsWith('*') ? key.startsWith(pattern.slice(0, -1)) : pattern === key;
}
