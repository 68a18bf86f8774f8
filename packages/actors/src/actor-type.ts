/** All actors of one type on one node: which are in memory, which are evicted, and which have been idle too long. */
import { ClstrError } from '@clstr/core';
import { asRefusal } from '@clstr/core/handler';
import { ByShard, Slices } from '@clstr/core/internal';
import { LRUCache } from 'lru-cache';
import { Activation } from './activation.ts';
import type { ActorTypeScope, NodeScope, Method, Swept } from './actor-core.ts';
import type { Actor } from './implementation.ts';
import { messageType } from './method.ts';
import { withMiddleware } from './middleware.ts';
import { SetupFailures } from './setup-failures.ts';
import { withValidators } from './validation.ts';

/** A method together with the type whose actors run it. */
export interface BoundMethod extends Method {
  readonly type: ActorType;
}

/** The number of sweeps per `idleMs`: an actor passivates after `idleMs`, or at most a quarter of it later. */
const SWEEPS_PER_IDLE = 4;

export class ActorType implements ActorTypeScope {
  readonly host: NodeScope;
  readonly actor: Actor;
  readonly setupFailures: SetupFailures;
  sweep = 0;
  stopping = 0;
  isPacked = false;
  readonly #cacheSize: number;
  /**
   * Ordered by last use. It holds more than `cacheSize`, because as many again may be on their way out; so it never
   * evicts by itself, which it would do even if the least recently used actor is busy.
   */
  readonly #activations: LRUCache<string, Activation>;
  /** The same actors by shard: a fenced or draining node ends one shard after the other. */
  readonly #byShard = new ByShard<Activation>();
  readonly #slices: Slices;
  #isClosed = false;
  #cancelSweep: (() => void) | undefined;
  #noRoomError: ClstrError | undefined;
  /** The timers lost but not logged yet: a hand-over ends many actors at once. */
  #timersLost = 0;

  constructor(host: NodeScope, actor: Actor, cacheSize: number) {
    this.host = host;
    this.actor = actor;
    this.setupFailures = new SetupFailures(host.clock);
    this.#cacheSize = cacheSize;
    this.#activations = new LRUCache({ max: 2 * cacheSize + 1 });
    this.#slices = new Slices(host.clock);
  }

  /** How many actors are in memory. */
  get size(): number {
    return this.#activations.size;
  }

  /** The methods under their wire names. */
  *methods(): Iterable<[string, BoundMethod]> {
    const { name, methods, handlers, use, durable } = this.actor;
    for (const [method, declared] of Object.entries(methods)) {
      const { isReadonly, input, output } = declared;
      const type = messageType(name, method, declared);
      const handler = withMiddleware(use, method, handlers[method]!);
      const checked = withValidators(type, input, output, handler);
      yield [type, { type: this, isReadonly, call: durable?.turn(isReadonly, checked) ?? checked }];
    }
  }

  /** The actor of `key`, created if it is not in memory. Throws the refusal `OVERLOADED` when there is no room. */
  activation(key: string, shard: number): Activation {
    return this.#activations.get(key) ?? this.#activate(key, shard);
  }

  touch(activation: Swept): void {
    activation.usedAtSweep = this.sweep;
    this.#activations.get(activation.key);
  }

  isOverdue(activation: Swept): boolean {
    return this.sweep - activation.usedAtSweep > SWEEPS_PER_IDLE;
  }

  timersLost(count: number): void {
    const { host, actor } = this;
    if (this.#timersLost === 0) {
      host.clock.macrotask(() => {
        const timers = this.#timersLost;
        this.#timersLost = 0;
        const message = `${timers} timers set by ctx.after did not run: their actors of type ${actor.name} left memory`;
        host.logger.warn({ event: 'actor.timers_lost', actor: actor.name, timers }, message);
      });
    }
    this.#timersLost += count;
  }

  remove(activation: Activation): void {
    this.#activations.delete(activation.key);
    this.#byShard.remove(activation.shard, activation);
  }

  /** Ends all actors; the caller delivers no more messages. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelSweep?.();
    await this.#closeAll([...this.#longestAgoFirst()], (activation) => activation.close());
  }

  /** Saves and ends the actors of a shard that moves to another node. */
  async handOver(shard: number, refusal: unknown, limitMs: number): Promise<void> {
    await this.#closeAll(this.#byShard.of(shard), (activation) => activation.close(limitMs, refusal));
  }

  /** Ends the actors of a shard that another node may own, unsaved. Resolves when none of them takes turns any more. */
  async drop(shard: number, refusal: unknown): Promise<void> {
    await this.#slices.each(this.#byShard.of(shard), (activation) => {
      if (this.#activations.peek(activation.key) === activation) void activation.drop(refusal);
    });
  }

  async #closeAll(
    activations: Activation[],
    close: (activation: Activation) => Promise<void>,
  ): Promise<void> {
    const closed: Promise<void>[] = [];
    await this.#slices.each(activations, (activation) => closed.push(close(activation)));
    await Promise.all(closed);
  }

  #activate(key: string, shard: number): Activation {
    // With as many on their way out as the cache holds, evicting another one would not make room now.
    if (this.stopping >= this.#cacheSize) throw this.#noRoom();
    const excess = this.#activations.size - this.stopping - this.#cacheSize + 1;
    if (excess > 0) this.#evict(excess);
    if (this.#activations.size >= 2 * this.#cacheSize) throw this.#noRoom();
    const activation = new Activation(this, key, shard);
    this.#activations.set(key, activation);
    this.#byShard.add(shard, activation);
    this.#cancelSweep ??= this.#armSweep();
    return activation;
  }

  /**
   * Evicts the least recently used idle actors: one, or more when some that were to leave have stayed. Busy actors
   * found before them move up, so that the next search skips them.
   */
  #evict(count: number): void {
    const idle: Activation[] = [];
    const busy: Activation[] = [];
    for (const activation of this.isPacked ? [] : this.#longestAgoFirst()) {
      (activation.isIdle ? idle : busy).push(activation);
      if (idle.length === count) break;
    }
    for (const { key } of busy) this.#activations.get(key);
    this.isPacked = idle.length === 0;
    const isInVain = idle.length < count && this.#activations.size >= 2 * this.#cacheSize;
    if (this.isPacked || isInVain) throw this.#noRoom();
    for (const activation of idle) void activation.stop('evicted');
  }

  /** One error serves all refusals, because it has to be cheap when there are many. */
  #noRoom(): ClstrError {
    const message =
      `all actors of type ${this.actor.name} are busy, leaving or have timers set by ctx.after ` +
      `(cacheSize ${this.#cacheSize}): raise cacheSize, or send to fewer new keys at a time`;
    this.#noRoomError ??= asRefusal(new ClstrError('OVERLOADED', message));
    return this.#noRoomError;
  }

  #armSweep(): () => void {
    return this.host.clock.timer(() => {
      this.sweep++;
      void this.#passivateOverdue();
    }, this.actor.idleMs / SWEEPS_PER_IDLE);
  }

  async #passivateOverdue(): Promise<void> {
    await this.#slices.each(this.#overdue(), (activation) => {
      if (activation.isIdle && this.isOverdue(activation)) void activation.stop('idle');
    });
    this.#cancelSweep = this.#activations.size > 0 && !this.#isClosed ? this.#armSweep() : undefined;
  }

  #overdue(): Activation[] {
    const found: Activation[] = [];
    for (const activation of this.#longestAgoFirst()) {
      if (!this.isOverdue(activation)) break;
      found.push(activation);
    }
    return found;
  }

  #longestAgoFirst(): Iterable<Activation> {
    return this.#activations.rvalues() as Iterable<Activation>;
  }
}
