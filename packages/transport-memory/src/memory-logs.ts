/** The logs of one service in memory: what a store of state does when nothing goes wrong. */
import type {
  CasOutcome,
  StateHead,
  StateLog,
  StatePlace,
  StateRecord,
  StoredRecord,
} from '@clstr/core/store';

type Shelf = Omit<StatePlace, 'key'>;

export class MemoryLogs {
  readonly #shards = new Map<string, Map<string, readonly StoredRecord[]>>();
  #revision = 0;

  load({ key, ...place }: StatePlace): StateLog {
    const records = this.#of(place).get(key) ?? [];
    const whole = records.findLastIndex(({ isWhole }) => isWhole);
    return { revision: records.at(-1)?.revision ?? 0, records: records.slice(Math.max(0, whole)) };
  }

  append({ key, ...place }: StatePlace, revision: number, { bytes, isWhole }: StateRecord): CasOutcome {
    const logs = this.#of(place);
    const records = logs.get(key) ?? [];
    if ((records.at(-1)?.revision ?? 0) !== revision) return { kind: 'lost' };
    const record = Object.freeze<StoredRecord>({ revision: ++this.#revision, bytes, isWhole });
    logs.set(key, place.keeps === 'newest' && isWhole ? [record] : [...records, record]);
    return { kind: 'acked', revision: record.revision };
  }

  erase({ key, ...place }: StatePlace, revision: number): void {
    const logs = this.#of(place);
    const left = (logs.get(key) ?? []).filter((record) => record.revision > revision);
    if (left.length === 0) logs.delete(key);
    else logs.set(key, left);
  }

  list(place: Shelf): readonly StateHead[] {
    return [...this.#of(place)].map(([key, records]) => ({ key, ...records.at(-1)! }));
  }

  #of({ space, shard }: Shelf): Map<string, readonly StoredRecord[]> {
    const name = `${space}.${shard}`;
    const found = this.#shards.get(name) ?? new Map<string, readonly StoredRecord[]>();
    this.#shards.set(name, found);
    return found;
  }
}
