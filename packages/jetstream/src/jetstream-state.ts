/** The state of one service in the streams of its cluster. */
import type { Clock } from '@clstr/core';
import type {
  CasOutcome,
  StateHead,
  StateLog,
  StatePlace,
  StateRecord,
  StateStore,
  StoredRecord,
} from '@clstr/core/store';
import { describe } from '@clstr/core/internal';
import { unknownAfter } from '@clstr/transport-nats/internal';
import type { NatsLink } from '@clstr/transport-nats/internal';
import { bundle, unbundle } from './bundle.ts';
import { foreignRecord, tooLarge } from './errors.ts';
import { begins, checkWhole, recordOfMessage, startsAfter } from './found-record.ts';
import type { FoundRecord } from './found-record.ts';
import { isHashed, keyOf, tokenOf } from './key-token.ts';
import { KnownBases } from './known-bases.ts';
import { Log } from './log.ts';
import type { Places } from './places.ts';
import { cutOf } from './places.ts';
import type { Requests } from './requests.ts';
import type { StateStream } from './state-stream.ts';
import { readStream } from './stream-reading.ts';

export interface JetStreamStateParts {
  readonly link: NatsLink;
  readonly requests: Requests;
  readonly clock: Clock;
  readonly places: Places;
  readonly streams: Readonly<Record<StatePlace['keeps'], StateStream>>;
}

export class JetStreamState implements StateStore {
  readonly #parts: JetStreamStateParts;
  readonly #bases: KnownBases = new KnownBases();

  constructor(parts: JetStreamStateParts) {
    this.#parts = parts;
  }

  get maxRecordBytes(): number {
    const { maxPayload } = this.#parts.link.connection;
    return maxPayload - HEAD_BYTES - Math.min(KEY_BYTES, maxPayload >> 2);
  }

  get isConnected(): boolean {
    return this.#parts.requests.isConnected;
  }

  async load(place: StatePlace, timeoutMs: number): Promise<StateLog> {
    const log = this.#logOf(place, timeoutMs);
    const newest = await log.newest();
    if (newest === undefined) return EMPTY;
    const { revision } = newest.record;
    if (place.keeps === 'newest') return { revision, records: recordsOf(log.stream.name, newest) };
    const base = newest.head.base === 0 ? revision : newest.head.base;
    const found = base === revision ? [newest] : await this.#readLog(log, newest);
    this.#bases.set(log.subject.text, revision, base);
    return { revision, records: found.map(({ record }) => record) };
  }

  async append(
    place: StatePlace,
    revision: number,
    record: StateRecord,
    timeoutMs: number,
  ): Promise<CasOutcome> {
    try {
      const most = this.maxRecordBytes;
      if (record.bytes.length > most) throw tooLarge(record.bytes.length, most);
      const log = this.#logOf(place, timeoutMs);
      await log.stream.prepare(timeoutMs);
      return place.keeps === 'all'
        ? await this.#appendToAll(log, revision, record)
        : await this.#appendToNewest(log, revision, record);
    } catch (error) {
      return unknownAfter(error);
    }
  }

  /**
   * A log that loses its base, but not all records, gets a mark: without it nobody could tell an erasure from a loss. The
   * mark comes first and goes last, so that a log is whole to readers at any time.
   */
  async erase(place: StatePlace, revision: number, timeoutMs: number): Promise<void> {
    const log = this.#logOf(place, timeoutMs);
    const { stream, subject } = log;
    const newest = await log.newest();
    if (newest === undefined || revision < 1) return;
    const isMarked = place.keeps === 'all' && !startsAfter(newest, revision);
    if (isMarked && (await log.cut()) < revision) await log.mark(revision);
    await stream.purge(subject.text, revision, log.leftMs);
    if (!isMarked) return;
    const left = await log.newest();
    if (left === undefined || startsAfter(left, revision)) {
      await stream.purge(cutOf(subject), Number.MAX_SAFE_INTEGER - 1, log.leftMs);
    }
  }

  async list(place: Omit<StatePlace, 'key'>, timeoutMs: number): Promise<readonly StateHead[]> {
    const { clock, places, streams } = this.#parts;
    const untilMs = clock.monoMs() + timeoutMs;
    const stream = streams[place.keeps];
    const start = places.shardOf(place);
    const filter = `${start}*`;
    if (!(await stream.mayHold(timeoutMs))) return [];
    const missing = await stream.subjects(filter, untilMs - clock.monoMs());
    if (missing.size === 0) return [];
    const heads = new Map<string, StateHead>();
    const range = { stream: stream.name, filter, from: 'newest' as const };
    await readStream(this.#parts, range, untilMs - clock.monoMs(), (message, sequence) => {
      const found = recordOfMessage(stream.name, message, sequence);
      const key = keyOfMessage(stream.name, message.subject.slice(start.length), found);
      heads.set(key, { key, ...recordsOf(stream.name, found).at(-1)! });
      missing.delete(message.subject);
      return missing.size === 0;
    });
    return [...heads.values()];
  }

  close(): Promise<void> {
    this.#parts.requests.close();
    return Promise.resolve();
  }

  async #appendToAll(log: Log, revision: number, { bytes, isWhole }: StateRecord): Promise<CasOutcome> {
    const key = log.subject.text;
    const isBase = isWhole || revision === 0;
    const base = isBase ? 0 : (this.#bases.get(key, revision) ?? (await log.baseAt(revision)));
    if (base === undefined) return LOST;
    const outcome = await log.append(revision, bytes, { isWhole, base, previous: revision });
    if (outcome.kind === 'acked') this.#bases.set(key, outcome.revision, isBase ? outcome.revision : base);
    return outcome;
  }

  async #appendToNewest(log: Log, revision: number, record: StateRecord): Promise<CasOutcome> {
    const { isWhole } = record;
    if (isWhole || revision === 0) return await log.append(revision, record.bytes, { isWhole });
    const newest = await log.newest();
    if (newest?.record.revision !== revision) return LOST;
    const before = recordsOf(log.stream.name, newest);
    return await log.append(revision, bundle(before, record), { isWhole, bundled: before.length });
  }

  async #readLog(log: Log, newest: FoundRecord): Promise<FoundRecord[]> {
    const { stream, subject, place } = log;
    const { base } = newest.head;
    const range = { stream: stream.name, filter: subject.text, from: base };
    const found: FoundRecord[] = [];
    await readStream(this.#parts, range, log.leftMs, (message, sequence) => {
      if (sequence > newest.record.revision) return true;
      found.push(recordOfMessage(stream.name, message, sequence));
      return sequence === newest.record.revision;
    });
    for (const one of found) log.checkKey(one);
    const cut = found[0] === undefined || begins(found[0], base, 0) ? 0 : await log.cut();
    checkWhole(place, stream.name, found, { newest, cut });
    return found;
  }

  #logOf(place: StatePlace, timeoutMs: number): Log {
    const { clock, streams, places, link } = this.#parts;
    return new Log(
      { place, subject: places.subjectOf(place), stream: streams[place.keeps], clock, link },
      timeoutMs,
    );
  }
}

/** The records in one message. @throws STORE_REFUSED */
function recordsOf(stream: string, { record, head }: FoundRecord): StoredRecord[] {
  if (head.bundled === 0) return [record];
  const records = unbundle(record, head.bundled);
  if (records !== undefined) return records;
  throw foreignRecord(stream, record.revision, `it does not have ${head.bundled} records before its own`);
}

/** @throws STORE_REFUSED */
function keyOfMessage(stream: string, token: string, found: FoundRecord): string {
  try {
    const key = isHashed(token) ? found.key : keyOf(token);
    if (key !== undefined && tokenOf(key) === token) return key;
  } catch {
    // It is not a token.
  }
  throw foreignRecord(stream, found.record.revision, `${describe(token)} does not name its key`);
}

/** The most that the headers of a record take. */
const HEAD_BYTES = 256;
/** The longest key that travels in front of a record. */
const KEY_BYTES = 65_536;
const EMPTY: StateLog = Object.freeze({ revision: 0, records: Object.freeze([]) });
const LOST: CasOutcome = Object.freeze({ kind: 'lost' });
