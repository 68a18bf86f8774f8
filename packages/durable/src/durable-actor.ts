/**
 * One durable actor in memory. Its turns run one after the other as those of every actor; what they change is stored in
 * groups, one at a time, and the replies of a group leave once it is stored:
 *
 *   turn 1 ─▶ group A ── append ──────────▶ stored ─▶ reply 1
 *   turn 2, turn 3 ─▶ group B, waits ──────▶ append ─▶ stored ─▶ replies 2, 3
 */
import type { ActorCore, ErasedHandler, MessageContext } from '@clstr/actors/internal';
import { encodeText, isThenable } from '@clstr/core/internal';
import { storeAway, tooLarge } from './errors.ts';
import { Group } from './group.ts';
import type { Change, StateModel } from './model.ts';
import { HEAD_LENGTH } from './record.ts';
import type { StateLog } from './state-log.ts';

export interface DurableActorParts {
  readonly core: ActorCore;
  readonly name: string;
  readonly model: StateModel;
  readonly log: StateLog;
  readonly keeps: 'all' | 'newest';
  readonly snapshotEvery: number;
  /** How many events the log has after its newest whole record. */
  readonly eventsSinceWhole: number;
}

export class DurableActor {
  readonly #core: ActorCore;
  readonly #name: string;
  readonly #model: StateModel;
  readonly #log: StateLog;
  readonly #keeps: 'all' | 'newest';
  readonly #snapshotEvery: number;
  #eventsSinceWhole: number;
  /** Groups that wait for the one that is being stored; turns are added to the last. */
  readonly #waiting: Group[] = [];
  #stored: Group | undefined;
  /** Why this activation ends: a group was not stored, and later turns were built on it. */
  #failure: unknown;

  constructor(parts: DurableActorParts) {
    this.#core = parts.core;
    this.#name = parts.name;
    this.#model = parts.model;
    this.#log = parts.log;
    this.#keeps = parts.keeps;
    this.#snapshotEvery = parts.snapshotEvery;
    this.#eventsSinceWhole = parts.eventsSinceWhole;
  }

  get state(): unknown {
    return this.#model.state;
  }

  /** Runs a turn. Its reply is held until all that it rests on is stored. */
  turn(isReadonly: boolean, call: ErasedHandler, input: unknown, message: MessageContext): unknown {
    if (!this.#log.isConnected && !(isReadonly && this.#isAllStored)) throw storeAway(this.#name);
    const model = this.#model;
    let result: unknown;
    try {
      result = call(model.state, input, model.contextOf(message, isReadonly));
    } catch (error) {
      if (!isReadonly) model.rollback();
      throw error;
    }
    if (!isThenable(result)) return this.#ended(isReadonly, result, message);
    return result.then(
      (value) => this.#ended(isReadonly, value, message),
      (error: unknown) => {
        if (!isReadonly) model.rollback();
        throw error;
      },
    );
  }

  #ended(isReadonly: boolean, value: unknown, message: MessageContext): unknown {
    if (this.#failure !== undefined) throw this.#failure;
    if (!isReadonly) this.#commit();
    if (!this.#log.isClaimed && this.#last === undefined) this.#waiting.push(new Group(this.#model.unchanged()));
    message.heldUntil = this.#last?.stored;
    this.#storeNext();
    return value;
  }

  #commit(): void {
    try {
      const change = this.#model.commit();
      if (change !== undefined) this.#add(change);
    } catch (error) {
      this.#model.rollback();
      throw error;
    }
  }

  #add(change: Change): void {
    const most = this.#log.maxBytes - HEAD_LENGTH;
    if (3 * change.length > most) this.#checkSize(change, most);
    const last = this.#waiting.at(-1);
    if (last?.takes(change, most) === true) last.add(change);
    else this.#waiting.push(new Group(change));
  }

  /** @throws PAYLOAD_TOO_LARGE */
  #checkSize(change: Change, most: number): void {
    const state = this.#keeps === 'newest' ? change.state() : undefined;
    const { length } = encodeText([...change.events, state ?? ''].join(','));
    if (length > most) throw tooLarge(this.#name, length + HEAD_LENGTH, this.#log.maxBytes);
  }

  get #last(): Group | undefined {
    return this.#waiting.at(-1) ?? this.#stored;
  }

  get #isAllStored(): boolean {
    return this.#last === undefined && this.#log.isClaimed;
  }

  #storeNext(): void {
    if (this.#stored !== undefined || this.#waiting.length === 0) return;
    // Until then the actor stays in memory, and the end of its node waits.
    this.#core.waitUntil(this.#storeAll());
  }

  async #storeAll(): Promise<void> {
    for (let group = this.#waiting.shift(); group !== undefined; group = this.#waiting.shift()) {
      this.#stored = group;
      try {
        await this.#store(group);
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#stored = undefined;
      group.resolve();
    }
  }

  async #store(group: Group): Promise<void> {
    const { events, isErased } = group;
    const state = group.state();
    const isDue = this.#eventsSinceWhole + events.length >= this.#snapshotEvery;
    let isWhole = this.#keeps === 'newest' || isErased || isDue;
    let record = this.#log.encode({ events, state: isWhole ? state : undefined });
    if (isWhole && this.#keeps === 'all' && record.bytes.length > this.#log.maxBytes) {
      isWhole = false;
      record = this.#log.encode({ events, state: undefined });
    }
    await this.#log.append(record, isWhole);
    this.#eventsSinceWhole = isWhole ? 0 : this.#eventsSinceWhole + events.length;
    if (isErased && this.#keeps === 'all') await this.#log.forgetHistory();
  }

  /** What this activation holds in memory was built on a turn that is not stored, or may not be. */
  #fail(error: unknown): void {
    this.#failure = error;
    const failed = [this.#stored!, ...this.#waiting.splice(0)];
    this.#stored = undefined;
    for (const group of failed) group.reject(error);
    if (!this.#core.signal.aborted) this.#core.restart();
  }
}
