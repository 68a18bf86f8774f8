/**
 * Runs each call with an idempotency key once: docs/decisions/0034.
 *
 *   key unknown, call new ──▶ run it            key unknown, call may have run ──▶ REPLY_LOST, unless it certainly did not
 *   handler runs ──▶ wait for its reply         reply known ──▶ the same reply
 *
 * The key of a call that was refused before its handler ran is unknown again.
 */
import type { Clock } from '../base/clock.ts';
import { DeadlineWheel } from '../base/deadline-wheel.ts';
import { describe } from '../base/describe.ts';
import { Refusal } from '../base/errors.ts';
import type { KeyedRepeat, SafeMetrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { FormerOwner, Shards } from '../cluster/shards.ts';
import { TRANSIT_MS, idempotencyKeyIn, mayHaveRunMs } from '../wire/idempotency.ts';
import { NO_SHARD } from '../wire/transport.ts';
import type { InboundEntry, ReplyPort } from '../wire/transport.ts';
import { callFingerprint } from './call-fingerprint.ts';
import type { ResolvedIdempotencyOptions } from './idempotency-options.ts';
import { HandedOver } from './handed-over.ts';
import { JoinedCall } from './joined-call.ts';
import { answerWith, keptError, lostReply } from './kept-reply.ts';
import { ReplyCarrier } from './reply-carrier.ts';
import type { Asker, Carried } from './reply-carrier.ts';
import { ReplyRecord } from './reply-record.ts';
import type { ReplyRecordHost } from './reply-record.ts';
import { ReplyTable } from './reply-table.ts';
import { WaitingRepeats } from './waiting-repeats.ts';
import type { IdempotencyHost } from './waiting-repeats.ts';

export interface IdempotencySettings {
  readonly nodeId: string;
  readonly random: Random;
  /** Asks other nodes; undefined in a static cluster, whose shards do not move. */
  readonly asker?: Asker | undefined;
  readonly shards: Shards;
  readonly idempotency: ResolvedIdempotencyOptions;
  readonly handlerTimeoutMs: number;
  /** The types whose replies the handler keeps by itself. */
  readonly keepsReplies?: ((type: string) => boolean) | undefined;
  readonly clock: Clock;
  readonly metrics: SafeMetrics;
}

export class Idempotency implements ReplyRecordHost {
  readonly nodeId: string;
  readonly joinedCalls: DeadlineWheel<JoinedCall>;
  readonly table: ReplyTable;
  readonly handedOver: HandedOver;
  readonly #settings: IdempotencySettings;
  readonly #carrier: ReplyCarrier | undefined;
  /** Repeats that wait for what the former owner of their shard knows. */
  readonly #waiting = new Map<number, WaitingRepeats>();
  readonly #host: IdempotencyHost;
  /** This node knows all keys that ran since it acquired the shard; it has never acquired those of a static cluster. */
  readonly #acquiredMs = new Map<number, number>();
  #completeSinceMs: number;

  constructor(settings: IdempotencySettings, host: IdempotencyHost) {
    const { nodeId, clock, idempotency, random, asker } = settings;
    this.nodeId = nodeId;
    this.#settings = settings;
    this.#host = host;
    this.#carrier = asker && new ReplyCarrier(clock, asker);
    this.handedOver = new HandedOver(clock, random, idempotency.keepMs);
    this.joinedCalls = new DeadlineWheel(clock);
    this.table = new ReplyTable(clock, idempotency);
    this.#completeSinceMs = clock.monoMs();
  }

  /**
   * Returns the record of a message that is to run, `by-handler` for one that runs without a record, the refusal of one
   * whose key names another call, or undefined for a repeat: it has its reply, or will get it.
   *
   * @throws INVALID_ENVELOPE
   */
  admit(
    entry: InboundEntry,
    port: ReplyPort,
    nowMs: number,
  ): ReplyRecord | Refusal | 'by-handler' | undefined {
    const { shard } = entry;
    const key = idempotencyKeyIn(entry.headers!);
    if (this.#settings.keepsReplies?.(entry.type) === true) return 'by-handler';
    const found = this.table.get(shard, key);
    if (found === undefined) {
      if (!this.#mayHaveRun(entry, key)) return this.#begin(entry, key);
      const waiting = this.#waiting.get(shard);
      if (waiting !== undefined) {
        waiting.add(entry, port);
        return undefined;
      }
      this.#count('lost');
      answerWith(port, entry, keptError(lostReply(this.nodeId, key)));
    } else if (found.fingerprint !== callFingerprint(entry)) {
      this.#count('reused');
      return reused(key);
    } else if (found.reply !== undefined) {
      this.#count('replayed');
      answerWith(port, entry, found.reply);
    } else {
      this.#count('joined');
      const call = new JoinedCall(found, this.nodeId, entry, port, this.#limitMs(entry, nowMs));
      this.#host.began(call.bytes);
      found.join(call);
    }
    return undefined;
  }

  /**
   * The node has got the shard, and does not know what ran before. If the former owner does, repeats that may have run wait
   * for what it says; calls that cannot have run do not.
   */
  acquired(shard: number, former: FormerOwner | undefined): void {
    this.dropped(shard);
    this.#acquiredMs.set(shard, this.#settings.clock.monoMs());
    if (former === undefined || this.#carrier === undefined) return;
    const waiting = new WaitingRepeats(this.#host);
    this.#waiting.set(shard, waiting);
    this.#carrier.fetch(shard, former, (carried) => {
      if (this.#waiting.get(shard) !== waiting) return;
      if (carried !== undefined) this.#restore(shard, carried);
      this.#waiting.delete(shard);
      waiting.end();
    });
  }

  /** The node hands the shard over. Returns the secret for the next owner, if there is anything for it. */
  release(shard: number): string | undefined {
    const records = this.table.of(shard);
    const replies = records.map((record) => record.carried);
    const completeSinceMs = Math.max(this.#knownSinceMs(shard), this.table.recordedSinceMs(shard));
    this.dropped(shard);
    return replies.length === 0 ? undefined : this.handedOver.keep(replies, completeSinceMs);
  }

  /** The node has lost the shard. */
  dropped(shard: number): void {
    this.#acquiredMs.set(shard, Infinity);
    this.table.dropShard(shard);
    const waiting = this.#waiting.get(shard);
    this.#waiting.delete(shard);
    waiting?.end();
  }

  /** The process may have stood still, so that messages were on their way for longer than {@link TRANSIT_MS}. */
  onStall(): void {
    this.#completeSinceMs = this.#settings.clock.monoMs();
  }

  close(): void {
    for (const shard of [...this.#waiting.keys()]) this.dropped(shard);
    this.table.close();
    this.handedOver.close();
  }

  mayAnswer(shard: number, epoch: number | undefined): boolean {
    return this.#settings.shards.holds(shard, epoch);
  }

  onRefused(record: ReplyRecord): void {
    this.table.remove(record);
  }

  onAnswered(record: ReplyRecord): void {
    this.table.onAnswered(record);
  }

  onResized(record: ReplyRecord, bytes: number): void {
    this.table.onResized(record, bytes);
  }

  onJoinEnded({ bytes }: JoinedCall): void {
    this.#host.ended(bytes);
  }

  #restore(shard: number, { replies, completeSinceMs }: Carried): void {
    const epoch = this.#settings.shards.epochOf(shard);
    for (const { key, fingerprint, reply } of replies) {
      if (this.table.get(shard, key) !== undefined) continue;
      const record = new ReplyRecord(this, shard, key, fingerprint, epoch);
      this.table.add(record);
      record.restore(reply);
    }
    this.#acquiredMs.set(shard, completeSinceMs);
  }

  #begin(entry: InboundEntry, key: string): ReplyRecord {
    const { shard } = entry;
    const epoch = this.#settings.shards.epochOf(shard);
    const record = new ReplyRecord(this, shard, key, callFingerprint(entry), epoch);
    this.table.add(record);
    return record;
  }

  /** Whether a call whose key has no record may have run: it has left before this node knew all keys, or was forgotten. */
  #mayHaveRun(entry: InboundEntry, key: string): boolean {
    const { shard, ttlMs, receivedAtMs } = entry;
    if (this.table.hasForgotten(shard, key)) return true;
    const sinceMs = mayHaveRunMs(entry.headers!);
    if (sinceMs === undefined) return false;
    // A node knows nothing of what another one ran.
    if (ttlMs === undefined || shard === NO_SHARD) return true;
    const completeSinceMs = Math.max(this.#knownSinceMs(shard), this.table.completeSinceMs);
    return receivedAtMs + ttlMs - sinceMs - TRANSIT_MS < completeSinceMs;
  }

  #knownSinceMs(shard: number): number {
    return Math.max(this.#completeSinceMs, this.#acquiredMs.get(shard) ?? -Infinity);
  }

  #limitMs({ ttlMs = Infinity, receivedAtMs }: InboundEntry, nowMs: number): number {
    return Math.min(nowMs + this.#settings.handlerTimeoutMs, receivedAtMs + ttlMs);
  }

  #count(answer: KeyedRepeat): void {
    this.#settings.metrics.keyedRepeat(answer);
  }
}

function reused(key: string): Refusal {
  const message =
    `idempotency key ${describe(key)} was given to another call before: ` +
    'a repeat has the same routing key, type and payload';
  return new Refusal('IDEMPOTENCY_KEY_REUSED', message);
}
