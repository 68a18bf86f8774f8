/** All records of a node, by shard and idempotency key, within their bounds: the oldest are forgotten first. */
import { Arrivals } from '../base/arrivals.ts';
import type { Arrival } from '../base/arrivals.ts';
import type { Clock } from '../base/clock.ts';
import { ForgottenKeys } from './forgotten-keys.ts';
import type { ResolvedIdempotencyOptions } from './idempotency-options.ts';
import type { ReplyRecord } from './reply-record.ts';

interface ShardRecords {
  readonly byKey: Map<string, ReplyRecord>;
  readonly answered: Arrivals<ReplyRecord>;
}

/** Where an answered record is, and since when. */
interface Place {
  readonly ofNode: Arrival<ReplyRecord>;
  readonly ofShard: Arrival<ReplyRecord>;
  readonly sinceMs: number;
}

export class ReplyTable {
  readonly #clock: Clock;
  readonly #options: ResolvedIdempotencyOptions;
  readonly #shards = new Map<number, ShardRecords>();
  readonly #answered = new Arrivals<ReplyRecord>();
  readonly #places = new Map<ReplyRecord, Place>();
  readonly #forgotten = new ForgottenKeys();
  /** When the newest key of each shard that was forgotten had been answered. */
  readonly #forgottenMs = new Map<number, number>();
  #bytes = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, options: ResolvedIdempotencyOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Every key that was forgotten since then is known as such. */
  get completeSinceMs(): number {
    return this.#forgotten.completeSinceMs;
  }

  get(shard: number, key: string): ReplyRecord | undefined {
    return this.#shards.get(shard)?.byKey.get(key);
  }

  /** All answered records of the shard, and those whose handlers run on. */
  of(shard: number): ReplyRecord[] {
    return [...(this.#shards.get(shard)?.byKey.values() ?? [])];
  }

  /** The records of the shard are all that was answered since then. */
  recordedSinceMs(shard: number): number {
    return this.#forgottenMs.get(shard) ?? -Infinity;
  }

  hasForgotten(shard: number, key: string): boolean {
    return this.#forgotten.has(shard, key);
  }

  add(record: ReplyRecord): void {
    let records = this.#shards.get(record.shard);
    if (records === undefined) {
      this.#shards.set(record.shard, (records = { byKey: new Map(), answered: new Arrivals() }));
    }
    records.byKey.set(record.key, record);
  }

  /** The record may be forgotten from now on: before that, its message is one of those that the node limits. */
  onAnswered(record: ReplyRecord): void {
    const { answered } = this.#shards.get(record.shard)!;
    const sinceMs = this.#clock.monoMs();
    const [ofNode, ofShard] = [this.#answered.add(record), answered.add(record)];
    this.#places.set(record, { ofNode, ofShard, sinceMs });
    this.#bytes += record.bytes;
    if (answered.size > this.#options.maxKeysPerShard) this.#forget(answered.first!);
    this.#makeRoom();
    this.#lookLater();
  }

  onResized(record: ReplyRecord, bytes: number): void {
    record.bytes += bytes;
    if (!this.#places.has(record)) return;
    this.#bytes += bytes;
    this.#makeRoom();
  }

  /** Its key is free again. */
  remove(record: ReplyRecord): void {
    const records = this.#shards.get(record.shard);
    if (records?.byKey.get(record.key) !== record) return;
    records.byKey.delete(record.key);
    this.#takeOut(record, records);
    if (records.byKey.size === 0) this.#shards.delete(record.shard);
  }

  dropShard(shard: number): void {
    this.#forgottenMs.delete(shard);
    const records = this.#shards.get(shard);
    if (records === undefined) return;
    this.#shards.delete(shard);
    for (const record of records.byKey.values()) {
      this.#takeOut(record, records);
      record.forget();
    }
  }

  close(): void {
    for (const shard of [...this.#shards.keys()]) this.dropShard(shard);
    this.#cancelTimer?.();
  }

  #takeOut(record: ReplyRecord, { answered }: ShardRecords): void {
    const place = this.#places.get(record);
    if (place === undefined) return;
    this.#places.delete(record);
    this.#answered.delete(place.ofNode);
    answered.delete(place.ofShard);
    this.#bytes -= record.bytes;
  }

  #makeRoom(): void {
    while (this.#bytes > this.#options.maxBytes) this.#forget(this.#answered.first!);
  }

  #forget(record: ReplyRecord): void {
    this.#forgottenMs.set(record.shard, this.#places.get(record)!.sinceMs);
    this.remove(record);
    this.#forgotten.add(record.shard, record.key, this.#clock.monoMs());
    record.forget();
  }

  #lookLater(): void {
    const { first } = this.#answered;
    if (this.#cancelTimer !== undefined || first === undefined) return;
    const delayMs = this.#places.get(first)!.sinceMs + this.#options.keepMs - this.#clock.monoMs();
    this.#cancelTimer = this.#clock.timer(() => this.#forgetOld(), Math.max(1, Math.ceil(delayMs)));
  }

  #forgetOld(): void {
    this.#cancelTimer = undefined;
    const untilMs = this.#clock.monoMs() - this.#options.keepMs;
    for (let { first } = this.#answered; first !== undefined; { first } = this.#answered) {
      if (this.#places.get(first)!.sinceMs > untilMs) break;
      this.#forget(first);
    }
    this.#lookLater();
  }
}
