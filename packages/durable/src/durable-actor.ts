/**
 * One durable actor in memory. Its turns run one after the other as those of every actor; what they change is stored in
 * groups, one at a time, and the replies of a group leave once it is stored:
 *
 *   turn 1 ─▶ group A ── append ──────────▶ stored ─▶ reply 1
 *   turn 2, turn 3 ─▶ group B, waits ──────▶ append ─▶ stored ─▶ replies 2, 3
 */
import { MessageContext } from '@clstr/actors/internal';
import type { ActorCore, ErasedHandler } from '@clstr/actors/internal';
import { encodeText, isThenable } from '@clstr/core/internal';
import { keyReused, replyForgotten, storeAway, tooLarge } from './errors.ts';
import { Group } from './group.ts';
import type { Change, StateModel } from './model.ts';
import { HEAD_LENGTH } from './record.ts';
import type { RecordContent } from './record.ts';
import { Replies, fingerprintOfCall, keptReply } from './replies.ts';
import type { KeptReply } from './replies.ts';
import type { EncodedRecord, StateLog } from './state-log.ts';

export interface DurableActorParts {
  readonly core: ActorCore;
  readonly name: string;
  readonly model: StateModel;
  readonly log: StateLog;
  readonly keeps: 'all' | 'newest';
  readonly snapshotEvery: number;
}

export class DurableActor {
  readonly #core: ActorCore;
  readonly #name: string;
  readonly #model: StateModel;
  readonly #log: StateLog;
  readonly #keeps: 'all' | 'newest';
  readonly #snapshotEvery: number;
  /** Those that are stored. */
  readonly #replies = new Replies();
  #eventsSinceWhole = 0;
  /** Groups that wait for the one that is being stored; turns are added to the last. */
  readonly #waiting: Group[] = [];
  #storing: Group | undefined;
  /** Why this activation ends: a group was not stored, and later turns were built on it. */
  #failure: unknown;

  constructor(parts: DurableActorParts) {
    this.#core = parts.core;
    this.#name = parts.name;
    this.#model = parts.model;
    this.#log = parts.log;
    this.#keeps = parts.keeps;
    this.#snapshotEvery = parts.snapshotEvery;
  }

  get state(): unknown {
    return this.#model.state;
  }

  /** @throws what a record that cannot be used makes it throw */
  restore(records: readonly RecordContent[]): void {
    this.#model.restore(records);
    for (const record of records) {
      this.#replies.restore(record);
      this.#eventsSinceWhole = record.isWhole ? 0 : this.#eventsSinceWhole + record.events.length;
    }
  }

  /** Runs a turn. Its reply is held until all that it rests on is stored. */
  turn(isReadonly: boolean, call: ErasedHandler, input: unknown, message: MessageContext): unknown {
    if (!this.#log.isConnected && !(isReadonly && this.#isAllStored)) throw storeAway(this.#name);
    const earlier = isReadonly ? undefined : this.#earlierReply(message);
    if (earlier !== undefined) return this.#ended(true, earlier.value, message);
    let result: unknown;
    try {
      result = call(this.#model.state, input, this.#model.contextOf(message, isReadonly));
    } catch (error) {
      this.#failed(isReadonly, error, message);
    }
    if (!isThenable(result)) return this.#ended(isReadonly, result, message);
    return result.then(
      (value) => this.#ended(isReadonly, value, message),
      (error: unknown) => this.#failed(isReadonly, error, message),
    );
  }

  #ended(isReadonly: boolean, value: unknown, message: MessageContext): unknown {
    if (this.#failure !== undefined) throw this.#failure as Error;
    if (!isReadonly) this.#commit(value, message);
    if (!this.#log.isClaimed && this.#last === undefined) this.#add(this.#model.unchanged(), undefined);
    this.#hold(message);
    return value;
  }

  /** The turn leaves no trace; but what it saw may be that of turns which are not stored yet. */
  #failed(isReadonly: boolean, error: unknown, message: MessageContext): never {
    if (!isReadonly) this.#model.rollback();
    this.#hold(message);
    throw (this.#failure ?? error) as Error;
  }

  #commit(value: unknown, message: MessageContext): void {
    try {
      const change = this.#model.change();
      const reply = this.#replyToKeep(value, message);
      if (change !== undefined || reply !== undefined) this.#add(change ?? this.#model.unchanged(), reply);
      this.#model.commit();
    } catch (error) {
      this.#failed(false, error, message);
    }
  }

  #hold(message: MessageContext): void {
    message.heldUntil = this.#last?.stored;
    // Until all is stored the actor stays in memory, and the end of its node waits.
    if (this.#storing === undefined && this.#waiting.length > 0) this.#core.waitUntil(this.#storeAll());
  }

  /** @throws the refusals IDEMPOTENCY_KEY_REUSED, and REPLY_LOST for a call that may have run before */
  #earlierReply(message: MessageContext): KeptReply | undefined {
    const { request, context } = MessageContext.partsOf(message);
    const { idempotencyKey, mayHaveRunMs } = context;
    if (idempotencyKey === undefined) return undefined;
    const found = this.#findReply(idempotencyKey);
    if (found !== undefined) {
      if (found.fingerprint !== fingerprintOfCall(request)) throw keyReused(this.#name, idempotencyKey);
      return found;
    }
    const sentMs = mayHaveRunMs === undefined ? Infinity : this.#wallMs - mayHaveRunMs;
    if (this.#replies.mayHaveRun(idempotencyKey, sentMs)) throw replyForgotten(this.#name, idempotencyKey);
    return undefined;
  }

  #findReply(idempotencyKey: string): KeptReply | undefined {
    for (const { replies } of [...this.#waiting, ...(this.#storing === undefined ? [] : [this.#storing])]) {
      const found = replies.find((reply) => reply.idempotencyKey === idempotencyKey);
      if (found !== undefined) return found;
    }
    return this.#replies.get(idempotencyKey);
  }

  #replyToKeep(value: unknown, message: MessageContext): KeptReply | undefined {
    const { request, context } = MessageContext.partsOf(message);
    const { idempotencyKey } = context;
    return idempotencyKey === undefined
      ? undefined
      : keptReply(idempotencyKey, fingerprintOfCall(request), this.#wallMs, value);
  }

  #add(change: Change, reply: KeptReply | undefined): void {
    const most = this.#log.maxBytes - HEAD_LENGTH;
    if (3 * (change.length + (reply?.text.length ?? 0)) > most) this.#checkSize(change, reply, most);
    const last = this.#waiting.at(-1);
    if (last?.takes(change, reply, most) === true) last.add(change, reply);
    else this.#waiting.push(new Group(change, reply));
  }

  /** @throws PAYLOAD_TOO_LARGE */
  #checkSize({ events, state }: Change, reply: KeptReply | undefined, most: number): void {
    const texts = [...events, this.#keeps === 'newest' ? state() : undefined, reply?.text];
    const { length } = encodeText(texts.join(','));
    if (length > most) throw tooLarge(this.#name, length + HEAD_LENGTH, this.#log.maxBytes);
  }

  get #last(): Group | undefined {
    return this.#waiting.at(-1) ?? this.#storing;
  }

  get #isAllStored(): boolean {
    return this.#last === undefined && this.#log.isClaimed;
  }

  get #wallMs(): number {
    return this.#core.home.host.clock.wallMs();
  }

  async #storeAll(): Promise<void> {
    for (let group = this.#waiting.shift(); group !== undefined; group = this.#waiting.shift()) {
      this.#storing = group;
      try {
        await this.#store(group);
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#storing = undefined;
      group.resolve();
    }
  }

  async #store(group: Group): Promise<void> {
    const { events, isErased } = group;
    if (isErased) this.#replies.erase();
    const isDue = this.#eventsSinceWhole + events.length >= this.#snapshotEvery;
    const mustBeWhole = this.#keeps === 'newest' || isErased;
    let isWhole = mustBeWhole || isDue;
    let record = this.#encode(group, isWhole);
    if (record === undefined) {
      // Only a snapshot can be left out: it was not part of any turn.
      isWhole = mustBeWhole;
      record = this.#encode(group, isWhole) ?? this.#encodeAlone(group, isWhole);
    }
    await this.#log.append(record, isWhole);
    this.#eventsSinceWhole = isWhole ? 0 : this.#eventsSinceWhole + events.length;
    for (const reply of group.replies) this.#replies.add(reply);
    if (isErased && this.#keeps === 'all') await this.#log.forgetHistory();
  }

  /** Undefined if it would be too large even if all earlier replies were forgotten. */
  #encode(group: Group, isWhole: boolean): EncodedRecord | undefined {
    this.#replies.trim(this.#wallMs);
    for (;;) {
      const record = this.#encodeAlone(group, isWhole);
      if (record.bytes.length <= this.#log.maxBytes) return record;
      if (!isWhole || !this.#replies.makeRoom()) return undefined;
    }
  }

  /** A whole record has all replies up to those of the group, never those of a later one. */
  #encodeAlone({ events, state, replies }: Group, isWhole: boolean): EncodedRecord {
    const texts = replies.map(({ text }) => text);
    return this.#log.encode({
      events,
      state: isWhole ? state() : undefined,
      replies: isWhole ? [...this.#replies.texts, ...texts] : texts,
      ran: isWhole ? this.#replies.ran : [],
      forgottenMs: this.#replies.forgottenMs,
    });
  }

  /** What this activation holds in memory was built on a turn that is not stored, or may not be. */
  #fail(error: unknown): void {
    this.#failure = error;
    const failed = [this.#storing!, ...this.#waiting.splice(0)];
    this.#storing = undefined;
    for (const group of failed) group.reject(error);
    if (!this.#core.signal.aborted) this.#core.restart();
  }
}
