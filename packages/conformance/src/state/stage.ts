/** Where one behaviour of a store of state is played: its connections, and what they load. */
import { systemClock } from '@clstr/core';
import type { Transport } from '@clstr/core';
import { pause, silentLogger } from '@clstr/core/internal';
import type { CasOutcome, StatePlace, StateRecord, StateStore, StoredRecord } from '@clstr/core/store';
import { memoryTransport } from '@clstr/transport-memory';
import { expect } from 'vitest';
import type { ConnectionFaults, StateConnection, StateStoreUnderTest } from './state-store-under-test.ts';

/** Sentence → its check, which throws when the sentence does not hold. */
export type StateBehaviours = Readonly<Record<string, (stage: StateStage) => Promise<void>>>;

/** For calls that are answered. */
export const PATIENT_MS = 10_000;
/** For calls that are not. */
export const SHORT_MS = 150;

const PAUSE_MS = 10;

export class StateStage {
  static #clusters = 0;
  readonly #subject: StateStoreUnderTest;
  readonly cluster: string = `cluster-${process.pid}-${++StateStage.#clusters}`;
  readonly #transport: Transport = memoryTransport();
  readonly #stores: StateStore[] = [];

  constructor(subject: StateStoreUnderTest) {
    this.#subject = subject;
  }

  async store(service = 'shop', cluster: string = this.cluster): Promise<StateStore> {
    return (await this.#connect(service, cluster)).store;
  }

  stores(count: number): Promise<StateStore[]> {
    return Promise.all(Array.from({ length: count }, () => this.store()));
  }

  /** A connection with its faults, after its first answer. */
  async faulty(): Promise<{ store: StateStore; faults: ConnectionFaults }> {
    const { store, faults } = await this.#connect('shop', this.cluster);
    if (faults === undefined) throw new Error('connect() gave no faults: give them, or skip with a reason');
    await store.load(placeOf('nobody'), PATIENT_MS);
    return { store, faults };
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    await this.#transport.close();
  }

  async #connect(service: string, cluster: string): Promise<StateConnection> {
    const connection = await this.#subject.connect({
      cluster,
      service,
      transport: this.#transport,
      clock: systemClock,
      logger: silentLogger,
    });
    this.#stores.push(connection.store);
    return connection;
  }
}

export function placeOf(key: string, changes: Partial<StatePlace> = {}): StatePlace {
  return { space: 'account', keeps: 'all', shard: 7, key, ...changes };
}

export function recordOf(text: string, isWhole = false): StateRecord {
  return { bytes: new TextEncoder().encode(text), isWhole };
}

/** Appends what must be appended; gives its revision. */
export async function write(
  store: StateStore,
  place: StatePlace,
  revision: number,
  record: StateRecord | string,
): Promise<number> {
  const given = typeof record === 'string' ? recordOf(record) : record;
  const outcome = await store.append(place, revision, given, PATIENT_MS);
  if (outcome.kind !== 'acked') throw new Error(`the append at revision ${revision} was ${outcome.kind}`);
  return outcome.revision;
}

/** Appends one record after the other to an empty log; gives the revisions. */
export async function writeAll(
  store: StateStore,
  place: StatePlace,
  given: readonly (StateRecord | string)[],
): Promise<number[]> {
  const revisions: number[] = [];
  for (const record of given) revisions.push(await write(store, place, revisions.at(-1) ?? 0, record));
  return revisions;
}

/** Loads a log, and checks what holds for each. */
export async function read(store: StateStore, place: StatePlace): Promise<readonly StoredRecord[]> {
  const { revision, records } = await store.load(place, PATIENT_MS);
  const revisions = records.map((record) => record.revision);
  expect(revision).toBe(revisions.at(-1) ?? 0);
  expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
  expect(records.findLastIndex(({ isWhole }) => isWhole)).toBeLessThan(1);
  return records;
}

export async function readTexts(store: StateStore, place: StatePlace): Promise<string[]> {
  return (await read(store, place)).map(textOf);
}

export function textOf({ bytes }: StateRecord): string {
  return new TextDecoder().decode(bytes);
}

/** Where writers race, a store may say that another write is in flight instead of that this one has lost. */
export function expectOneWinner(outcomes: readonly CasOutcome[]): number {
  const kinds = outcomes.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'acked')).toHaveLength(1);
  expect(kinds).not.toContain('unknown');
  return kinds.indexOf('acked');
}

/** No event says when a store has done what a test waits for: it asks until then. */
export async function eventually(isMet: () => Promise<boolean>): Promise<void> {
  const untilMs = systemClock.monoMs() + PATIENT_MS;
  while (!(await isMet())) {
    if (systemClock.monoMs() > untilMs) throw new Error(`not within ${PATIENT_MS} ms`);
    await pause(systemClock, PAUSE_MS);
  }
}

/** Lets events of the system happen, such as the end of a write. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
