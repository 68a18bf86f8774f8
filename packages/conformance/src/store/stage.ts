/** Where one behaviour of a store is played: its members, its bucket, and what its watches tell. */
import type { CasOutcome, ClusterStore, StoreEntry, StoreListener, Watch } from '@clstr/core/store';
import { CONFIG_KEY } from '@clstr/core/store';
import { expect } from 'vitest';
import type { ClusterUnderTest, MemberUnderTest, StoreUnderTest } from './store-under-test.ts';

/** Sentence → its check, which throws when the sentence does not hold. */
export type StoreBehaviours = Readonly<Record<string, (stage: StoreStage) => Promise<void>>>;

/** For calls that are answered. */
export const PATIENT_MS = 10_000;
/** For calls that are not. */
export const SHORT_MS = 150;

export class StoreStage {
  readonly #subject: StoreUnderTest;
  readonly #members: MemberUnderTest[] = [];
  #cluster: Promise<ClusterUnderTest> | undefined;

  constructor(subject: StoreUnderTest) {
    this.#subject = subject;
  }

  async member(): Promise<MemberUnderTest> {
    this.#cluster ??= this.#subject.createCluster();
    const member = await (await this.#cluster).connect();
    this.#members.push(member);
    return member;
  }

  /** A member's store, where there is no bucket yet. */
  async bare(): Promise<ClusterStore> {
    return (await this.member()).store;
  }

  /** A member's store, with a bucket. */
  async store(): Promise<ClusterStore> {
    const store = await this.bare();
    await createBucket(store);
    return store;
  }

  async deleteBucket(): Promise<void> {
    await (await this.#cluster)?.deleteBucket();
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ store }) => store.close()));
    await (await this.#cluster)?.close?.();
  }
}

/** Makes the bucket where there is none. */
export async function createBucket(store: ClusterStore): Promise<void> {
  expect(['acked', 'lost']).toContain(await makeBucket(store, 'config'));
}

/** A bucket that is just being made leaves open whether a write was done: then it is sent again, as members do. */
export async function makeBucket(store: ClusterStore, value: string): Promise<CasOutcome['kind']> {
  for (let tries = 1; ; tries++) {
    const { kind } = await store.cas(CONFIG_KEY, 0, value, PATIENT_MS);
    if (kind !== 'unknown' || tries === 100) return kind;
  }
}

/** Writes what must be written; gives its revision. */
export async function write(
  store: ClusterStore,
  key: string,
  revision: number,
  value: string | undefined,
): Promise<number> {
  const outcome = await store.cas(key, revision, value, PATIENT_MS);
  if (outcome.kind !== 'acked') throw new Error(`the write of ${key} at ${revision} was ${outcome.kind}`);
  return outcome.revision;
}

export function kindsOf(outcomes: readonly CasOutcome[]): string[] {
  return outcomes.map(({ kind }) => kind).sort();
}

/** What one watch tells. */
export class Hearing implements StoreListener {
  readonly entries: StoreEntry[] = [];
  readonly watch: Watch;
  gaps = 0;
  readonly #checks = new Set<() => void>();

  constructor(store: ClusterStore, pattern: string) {
    this.watch = store.watch(pattern, this);
  }

  onEntry(entry: StoreEntry): void {
    this.entries.push(entry);
    for (const check of [...this.#checks]) check();
  }

  onGap(): void {
    this.gaps++;
    for (const check of [...this.#checks]) check();
  }

  until(isMet: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!isMet()) return;
        this.#checks.delete(check);
        resolve();
      };
      this.#checks.add(check);
      check();
    });
  }

  /** Resolves when the watch has delivered this write. */
  hears(key: string, value: string | undefined): Promise<void> {
    return this.until(() => this.entries.some((entry) => entry.key === key && entry.value === value));
  }

  valuesOf(key: string): (string | undefined)[] {
    return this.entries.filter((entry) => entry.key === key).map(({ value }) => value);
  }
}

/** Resolves at the next time that the store says so. */
export function nextConnection(store: ClusterStore, wanted: boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = store.onConnection((isConnected) => {
      if (isConnected !== wanted) return;
      stop();
      resolve();
    });
  });
}
