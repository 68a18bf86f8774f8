/** What actor code is given besides its state and input. */
import type { Headers, Logger } from '@clstr/core';
import type { Methods } from './method.ts';
import type { Ref, Referable } from './ref.ts';

/**
 * What handlers need from outside: a database, a client. Give it to `actorHandler` as `services`, and declare its
 * type once: `declare module '@clstr/actors' { interface Services { db: Database } }`.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- users add to it
export interface Services {}

/** The option `services`: it may be left out as long as every member of `Services` may. */
export type ServicesOption =
  Partial<Services> extends Services ? { services?: Services | undefined } : { services: Services };

/**
 * Given to `setup`, `passivate`, `discard` and timers, which run for no caller, and in an empty async context. Its methods stay on it: one that is
 * taken off, as in `({ remainingMs })`, has lost its context, since binding them would cost every message.
 */
export interface LifecycleContext {
  readonly actor: string;
  readonly key: string;
  readonly nodeId: string;
  readonly services: Services;
  /** How many owners the actor's shard has had, this node included; undefined in a static cluster. */
  readonly epoch: number | undefined;
  /**
   * The epoch, for a store that refuses writes with a lower one: read it right before each write, as it is then that the
   * lease is tested.
   *
   * @throws FENCED when another node may own the actor by now
   */
  readonly fencingToken: number | undefined;
  /** Bound to actor and key. */
  readonly log: Logger;
  /** Fires when the time is over or the actor leaves memory by force. */
  readonly signal: AbortSignal;
  /** What is left of the time, in milliseconds; Infinity where there is no limit. */
  remainingMs(): number;
  /**
   * Another actor, or this one by notify; calls pass on the time that is left, the trace and the call chain. No call
   * outlives the caller's time: to take something back after a timeout, use `after`, whose handler has time of its own.
   */
  ref<M extends Methods>(contract: Referable<M>, key: string): Ref<M>;
  /**
   * Runs `handler` through the mailbox every `periodMs` (1 to 2,147,483,647), until the returned function is called or the
   * actor leaves memory, from which it does not keep it. A turn that falls due while the node's lease is over comes as soon
   * as the lease holds again.
   *
   * @throws ABORTED when the actor has left memory, OVERLOADED when it has 1,024 timers
   */
  every(periodMs: number, handler: TimerHandler): () => void;
  /**
   * Runs `handler` through the mailbox once, after `delayMs` (0 to 2,147,483,647, which is 24.8 days). Until then the actor
   * stays in memory: it is not passivated, and when only such actors are left, messages that need room for another one are
   * `OVERLOADED`. A timer that falls due while the node's lease is over runs as soon as the lease holds again.
   *
   * The timer lives in memory. A drain or a planned move of the shard ends it, as do a restart of the actor after a failure,
   * the loss of the shard and a crash; all but a crash are logged with the number of timers. What must survive these belongs
   * into the state that `passivate` saves, for `setup` to set the timer again.
   *
   * @throws ABORTED when the actor has left memory, OVERLOADED when it has 1,024 timers
   */
  after(delayMs: number, handler: TimerHandler): () => void;
  /** The actor does not passivate, and its node does not end its drain, before `work` has settled. */
  waitUntil(work: Promise<unknown>): void;
  /** Passivates the actor as soon as it has nothing to do, and no timer set by `after` is left. */
  passivate(): void;
}

export type TimerHandler = (context: LifecycleContext) => unknown;

/** Given to the handler of a message. `signal` also fires when the caller gives up. */
export interface ActorContext extends LifecycleContext {
  readonly headers: Headers;
  /** The caller waits for no reply. */
  readonly isNotify: boolean;
}
