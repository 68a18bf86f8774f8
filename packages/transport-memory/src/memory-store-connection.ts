/** One member's connection to a memory store: requests and answers take as long as the policy says. */
import type { Clock } from '@clstr/core';
import type { CasOutcome, ClusterStore, StoreEntry, StoreListener, Watch } from '@clstr/core/store';
import { CONFIG_KEY, checkStoreKey, checkWatchPattern, isWritable, refusalOf } from '@clstr/core/store';
import type { MemoryBucket } from './memory-bucket.ts';
import { MemoryRequests } from './memory-requests.ts';
import type { RequestCore } from './memory-requests.ts';
import { MemoryWatch } from './memory-watch.ts';
import { pass } from './store-policy.ts';

/** What all connections of a store share. */
export interface StoreCore extends RequestCore {
  readonly bucket: () => MemoryBucket | undefined;
  /** Makes the bucket. */
  readonly create: () => MemoryBucket;
  /** The newest write of the key as it was `staleBy` writes ago. */
  readonly asOf: (entry: StoreEntry | undefined, staleBy: number) => StoreEntry | undefined;
  readonly onClose: (connection: MemoryStoreConnection) => void;
}

export class MemoryStoreConnection implements ClusterStore {
  readonly member: string;
  readonly #core: StoreCore;
  /** The member's clock, for its time-outs and its deliveries. */
  readonly #clock: Clock;
  readonly #listeners = new Set<(isConnected: boolean) => void>();
  readonly #watches = new Set<MemoryWatch>();
  readonly #requests: MemoryRequests;
  #isClosed = false;

  constructor(core: StoreCore, member: string, clock: Clock) {
    this.#core = core;
    this.member = member;
    this.#clock = clock;
    this.#requests = new MemoryRequests(core, member, clock);
  }

  get isConnected(): boolean {
    return this.#requests.isConnected;
  }

  onConnection(listener: (isConnected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async cas(
    key: string,
    revision: number,
    value: string | undefined,
    timeoutMs: number,
  ): Promise<CasOutcome> {
    if (!isWritable(key, revision)) return UNKNOWN;
    const { bucket, create } = this.#core;
    try {
      return await this.#requests.ask({ kind: 'cas', key }, timeoutMs, ({ isUndecided = false }) => {
        if (isUndecided) return UNDECIDED;
        const isCreation = key === CONFIG_KEY && revision === 0 && value !== undefined;
        const target = bucket() ?? (isCreation ? create() : undefined);
        // As over NATS: nothing answers for a bucket that does not exist.
        return target?.cas(key, revision, value) ?? UNKNOWN;
      });
    } catch (error) {
      const refusal = refusalOf(error);
      return refusal === undefined ? UNKNOWN : { kind: 'unknown', refusal };
    }
  }

  async read(key: string, timeoutMs: number): Promise<StoreEntry | undefined> {
    checkStoreKey(key);
    const { bucket, asOf } = this.#core;
    return await this.#requests.ask({ kind: 'read', key }, timeoutMs, ({ staleBy = 0 }) =>
      asOf(bucket()?.get(key), staleBy),
    );
  }

  list(timeoutMs: number): Promise<readonly StoreEntry[]> {
    const { bucket, asOf } = this.#core;
    return this.#requests.ask({ kind: 'list', key: undefined }, timeoutMs, ({ staleBy = 0 }) =>
      [...(bucket()?.entries() ?? [])].flatMap((newest) => {
        const entry = asOf(newest, staleBy);
        return entry?.value === undefined ? [] : [entry];
      }),
    );
  }

  watch(pattern: string, listener: StoreListener): Watch {
    const { bucket, policy } = this.#core;
    const matches = matcherOf(checkWatchPattern(pattern));
    const watch = new MemoryWatch({
      member: this.member,
      pattern,
      matches,
      listener,
      clock: this.#clock,
      policy,
      bucket,
      onClose: () => this.#watches.delete(watch),
    });
    if (this.#isClosed) return watch;
    this.#watches.add(watch);
    if (this.isConnected) watch.attach();
    return watch;
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.cut();
    this.#isClosed = true;
    this.#requests.close();
    this.#listeners.clear();
    for (const watch of [...this.#watches]) watch.close();
    this.#core.onClose(this);
    return Promise.resolve();
  }

  /** The store calls it when it has created the bucket. */
  onBucket(): void {
    if (!this.isConnected) return;
    for (const watch of this.#watches) watch.attach();
  }

  /** The store calls it when it cuts the member off, which knows it. Requests already sent may still arrive. */
  cut(): void {
    if (!this.isConnected) return;
    for (const watch of this.#watches) watch.breakOff();
    this.#requests.cut();
    this.#tellConnection();
  }

  restore(): void {
    if (this.isConnected || this.#isClosed) return;
    this.#requests.restore();
    this.#tellConnection();
    for (const watch of this.#watches) watch.resume();
  }

  #tellConnection(): void {
    const { isConnected } = this;
    for (const listener of [...this.#listeners]) {
      pass(this.#clock, 0, () => {
        if (this.#listeners.has(listener)) listener(isConnected);
      });
    }
  }
}

/** Whether a key matches the pattern. */
function matcherOf(pattern: string): (key: string) => boolean {
  if (!pattern.endsWith('.*')) return (key) => key === pattern;
  const start = pattern.slice(0, -1);
  return (key) => key.startsWith(start) && !key.includes('.', start.length);
}

const UNKNOWN: CasOutcome = { kind: 'unknown' };
const UNDECIDED: CasOutcome = { kind: 'undecided' };
