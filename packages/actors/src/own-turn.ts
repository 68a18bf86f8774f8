/**
 * A turn of an actor that runs without a message: a phase of its life, or a timer. It has no time limit of its own: it
 * is overdue when a message has expired behind it.
 */
import type { OverdueTurns, WatchedTurn } from '@clstr/core/handler';
import type { ActorCore } from './actor-core.ts';
import type { Blocker } from './blocker.ts';

export class OwnTurn {
  readonly #what: string;
  readonly #sinceMs: number;
  readonly #watch: OverdueTurns;
  #overdue: WatchedTurn | undefined;

  constructor(what: string, { home }: ActorCore) {
    this.#what = what;
    this.#sinceMs = home.host.clock.monoMs();
    this.#watch = home.host.overdue;
  }

  get blocker(): Blocker {
    return { what: this.#what, verb: 'began', sinceMs: this.#sinceMs };
  }

  messageExpired({ home, key }: ActorCore, shard: number): void {
    if (this.#overdue !== undefined) return;
    const type = `${this.#what} of ${home.actor.name}`;
    this.#overdue = { type, key, shard, sinceMs: this.#sinceMs };
    this.#watch.watch(this.#overdue, home.host.clock.monoMs());
  }

  end(): void {
    if (this.#overdue !== undefined) this.#watch.ended(this.#overdue);
  }
}
