/** One member's connection to a memory store: requests and answers take as long as the policy says. */
import type { Clock } from '@clstr/core';
import type { CasOutcome, ClusterStore, StoreEntry, StoreListener, Watch } from '@clstr/core/store';
import { ClstrError } from '@clstr/core';
import { CONFIG_KEY, checkStoreKey, checkWatchPattern, isWritable, refusalOf } from '@clstr/core/store';
import type { MemoryBucket } from './memory-bucket.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { OperationEffect, StoreOperation, StorePolicy } from './store-policy.ts';
import { pass } from './store-policy.ts';

/** What all connections of a store share. */
export interface StoreCore {
  readonly clock: Clock;
  readonly policy: Required<StorePolicy>;
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
  /** Ends the calls that wait for an answer. */
  readonly #waiting = new Set<(error: ClstrError) => void>();
  #isConnected = true;
  #isClosed = false;

  constructor(core: StoreCore, member: string, clock: Clock) {
    this.#core = core;
    this.member = member;
    this.#clock = clock;
  }

  get isConnected(): boolean {
    return this.#isConnected;
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
      return await this.#ask({ kind: 'cas', key }, timeoutMs, ({ isUndecided = false }) => {
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
    return await this.#ask({ kind: 'read', key }, timeoutMs, ({ staleBy = 0 }) =>
      asOf(bucket()?.get(key), staleBy),
    );
  }

  list(timeoutMs: number): Promise<readonly StoreEntry[]> {
    const { bucket, asOf } = this.#core;
    return this.#ask({ kind: 'list', key: undefined }, timeoutMs, ({ staleBy = 0 }) =>
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
      ...{ member: this.member, pattern, matches, listener, clock: this.#clock, policy, bucket },
      onClose: () => this.#watches.delete(watch),
    });
    if (this.#isClosed) return watch;
    this.#watches.add(watch);
    if (this.#isConnected) watch.attach();
    return watch;
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.cut();
    this.#isClosed = true;
    this.#listeners.clear();
    for (const watch of [...this.#watches]) watch.close();
    this.#core.onClose(this);
    return Promise.resolve();
  }

  /** The store calls it when it has created the bucket. */
  onBucket(): void {
    if (!this.#isConnected) return;
    for (const watch of this.#watches) watch.attach();
  }

  /** The store calls it when it cuts the member off, which knows it. Requests already sent may still arrive. */
  cut(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    for (const watch of this.#watches) watch.breakOff();
    const waiting = [...this.#waiting];
    this.#tell(() => {
      for (const fail of waiting) fail(connectionLost('was lost'));
    });
    this.#tellConnection();
  }

  restore(): void {
    if (this.#isConnected || this.#isClosed) return;
    this.#isConnected = true;
    this.#tellConnection();
    for (const watch of this.#watches) watch.resume();
  }

  #tellConnection(): void {
    const isConnected = this.#isConnected;
    for (const listener of [...this.#listeners]) {
      this.#tell(() => {
        if (this.#listeners.has(listener)) listener(isConnected);
      });
    }
  }

  #tell(tell: () => void): void {
    pass(this.#clock, 0, tell);
  }

  /** Runs `work` on the bucket. @throws TIMEOUT, CONNECTION_LOST, the refusal of the policy */
  #ask<T>(
    operation: Omit<StoreOperation, 'member'>,
    timeoutMs: number,
    work: (effect: OperationEffect) => T,
  ): Promise<T> {
    if (!this.#isConnected) return Promise.reject(connectionLost(this.#isClosed ? 'is closed' : 'is down'));
    const effect = this.#core.policy.onOperation({ member: this.member, ...operation });
    return new Promise<T>((resolve, reject) => {
      const fail = (error: ClstrError): void => {
        cancelTimeout();
        if (this.#waiting.delete(fail)) reject(error);
      };
      const cancelTimeout = this.#clock.timer(() => {
        fail(new ClstrError('TIMEOUT', `no answer to ${operation.kind} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.add(fail);
      pass(this.#core.clock, effect.request ?? 0, () => {
        const { refusal } = effect;
        const result = refusal === undefined ? work(effect) : undefined;
        pass(this.#clock, effect.answer ?? 0, () => {
          if (refusal !== undefined) {
            fail(refusal);
            return;
          }
          if (!this.#waiting.delete(fail)) return;
          cancelTimeout();
          resolve(result as T);
        });
      });
    });
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

function connectionLost(what: string): ClstrError {
  return new ClstrError('CONNECTION_LOST', `the connection to the memory store ${what}`);
}
