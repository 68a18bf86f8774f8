/** One log for the time of one call: its newest record, what was erased of it, and writes to it. */
import type { Clock } from '@clstr/core';
import type { CasOutcome, StatePlace } from '@clstr/core/store';
import { encodeText } from '@clstr/core/internal';
import type { NatsLink } from '@clstr/transport-nats/internal';
import { NOTHING } from './api.ts';
import { notMarked, otherKey, tooLarge } from './errors.ts';
import { recordOfRaw } from './found-record.ts';
import type { FoundRecord } from './found-record.ts';
import type { Subject } from './places.ts';
import { cutOf } from './places.ts';
import { encodeHead } from './record-head.ts';
import type { RecordHead } from './record-head.ts';
import type { StateStream } from './state-stream.ts';

export interface LogParts {
  readonly place: StatePlace;
  readonly subject: Subject;
  readonly stream: StateStream;
  readonly clock: Clock;
  readonly link: NatsLink;
}

export class Log {
  readonly place: StatePlace;
  readonly subject: Subject;
  readonly stream: StateStream;
  readonly #clock: Clock;
  readonly #link: NatsLink;
  readonly #untilMs: number;

  constructor({ place, subject, stream, clock, link }: LogParts, timeoutMs: number) {
    this.place = place;
    this.subject = subject;
    this.stream = stream;
    this.#clock = clock;
    this.#link = link;
    this.#untilMs = clock.monoMs() + timeoutMs;
  }

  get leftMs(): number {
    return this.#untilMs - this.#clock.monoMs();
  }

  async newest(): Promise<FoundRecord | undefined> {
    const { stream } = this;
    if (!(await stream.mayHold(this.leftMs))) return undefined;
    const raw = await stream.newest(this.subject.text, this.leftMs);
    if (raw === undefined) return undefined;
    const found = recordOfRaw(stream.name, raw);
    this.checkKey(found);
    return found;
  }

  /** Where the log begins whose newest record is `revision`; undefined if its newest record is another. */
  async baseAt(revision: number): Promise<number | undefined> {
    const newest = await this.newest();
    if (newest?.record.revision !== revision) return undefined;
    return newest.head.base === 0 ? revision : newest.head.base;
  }

  /** The newest record that was erased while others stayed; 0 if there is none. */
  async cut(): Promise<number> {
    const raw = await this.stream.newest(cutOf(this.subject), this.leftMs);
    return raw === undefined ? 0 : recordOfRaw(this.stream.name, raw).head.previous;
  }

  async mark(cut: number): Promise<void> {
    const { stream, subject, place } = this;
    const head = encodeHead({ previous: cut }, undefined);
    const { kind } = await stream.write(cutOf(subject), NOTHING, head, this.leftMs);
    if (kind !== 'acked') throw notMarked(place, stream.name);
  }

  append(revision: number, bytes: Uint8Array, head: Partial<RecordHead>): Promise<CasOutcome> {
    const { text, keyBeside } = this.subject;
    const key = keyBeside === undefined ? NOTHING : encodeText(keyBeside);
    const headers = encodeHead({ ...head, keyBytes: key.length }, revision);
    const most = this.#link.connection.maxPayload - headers.length - key.length;
    if (bytes.length > most) throw tooLarge(bytes.length, most);
    const data = key.length === 0 ? bytes : Buffer.concat([key, bytes]);
    return this.stream.write(text, data, headers, this.leftMs);
  }

  /** @throws STORE_REFUSED */
  checkKey({ record, key }: FoundRecord): void {
    if (key !== this.subject.keyBeside) throw otherKey(this.place, this.stream.name, record.revision);
  }
}
