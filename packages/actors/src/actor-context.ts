/** The contexts that actor code receives besides its state and input. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { ActorError, Headers } from '@clstr/core';
import type { ErrorSchemas, Methods, NoErrors } from './method.ts';
import type { Ref, Referable } from './ref.ts';

/**
 * The context of `setup`, `passivate`, `discard` and timers, which run without a caller and in an empty async context.
 * Call its methods on it: a detached method, as in `({ remainingMs })`, does not work, because binding them would cost
 * time for every message.
 */
export interface LifecycleContext<Services = unknown> {
  readonly actor: string;
  readonly key: string;
  readonly nodeId: string;
  /** What the actor declared by `needs`, as the program that runs it gave it. */
  readonly services: Services;
  /** How many owners the actor's shard has had, this node included; undefined in a static cluster. */
  readonly epoch: number | undefined;
  /**
   * The epoch, for a store that refuses writes with a lower one. Read it right before each write: reading it tests the
   * lease.
   *
   * @throws FENCED when another node may own the actor by now
   */
  readonly fencingToken: number | undefined;
  /** A logger that adds actor and key to each record. */
  readonly log: ActorLog;
  /** Fires when the time is up or the actor is forced out of memory. */
  readonly signal: AbortSignal;
  /** The time that is left, in milliseconds; Infinity if there is no limit. */
  remainingMs(): number;
  /**
   * A ref to another actor, or to this one for notifies. Calls pass on the remaining time, the trace and the call
   * chain. No call outlives the caller's deadline: to undo something after a timeout, use `after`, whose handler has
   * its own time.
   */
  ref<M extends Methods>(contract: Referable<M>, key: string): Ref<M>;
  /**
   * Runs `handler` through the mailbox every `periodMs` (1 to 2,147,483,647), until the returned function is called or
   * the actor leaves memory; the timer does not keep it there. A turn that falls due while the node's lease is expired
   * runs as soon as the lease holds again.
   *
   * @throws ABORTED when the actor has left memory, OVERLOADED when it has 1,024 timers
   */
  every(periodMs: number, handler: TimerHandler<Services>): () => void;
  /**
   * Runs `handler` through the mailbox once, after `delayMs` (0 to 2,147,483,647, which is 24.8 days). Until then the
   * actor stays in memory: it is not passivated, and when only such actors are left, messages that need room for
   * another one are `OVERLOADED`. A timer that falls due while the node's lease is expired runs as soon as the lease
   * holds again.
   *
   * The timer exists only in memory. It ends with a drain, a planned move of the shard, a restart of the actor after a
   * failure, the loss of the shard, or a crash; all but a crash are logged with the number of timers. Keep what must
   * survive these in the state that `passivate` saves, and let `setup` set the timer again.
   *
   * @throws ABORTED when the actor has left memory, OVERLOADED when it has 1,024 timers
   */
  after(delayMs: number, handler: TimerHandler<Services>): () => void;
  /** Keeps the actor from passivating, and its node from ending its drain, until `work` has settled. */
  waitUntil(work: Promise<unknown>): void;
  /** Passivates the actor as soon as it has nothing to do, and no timer set by `after` is left. */
  passivate(): void;
}

/** A core `Logger` that also takes a text alone or an error, as pino does. */
export interface ActorLog {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

/** An error becomes the field `err`, and its message the text if there is no other. */
export interface LogMethod {
  (message: string): void;
  (fields: object, message?: string): void;
}

export type TimerHandler<Services = unknown> = (context: LifecycleContext<Services>) => unknown;

/** The context of a message handler. `signal` also fires when the caller gives up. */
export interface ActorContext<
  Services = unknown,
  E extends ErrorSchemas = NoErrors,
> extends LifecycleContext<Services> {
  readonly headers: Headers;
  /** Whether the caller does not wait for a reply. */
  readonly isNotify: boolean;
  /**
   * Makes an error that the method declares, for its handler to throw: `throw ctx.fail('SOLD_OUT', { free: 0 })`. It does
   * not throw by itself, because the compiler knows that code ends at a `throw`, but not that it ends at a method call.
   *
   * @throws a TypeError for details that do not fit and for an undeclared code; the caller then gets INTERNAL
   */
  fail<Code extends keyof E & string>(
    code: Code,
    ...details: DetailsArguments<StandardSchemaV1.InferInput<E[Code]>>
  ): ActorError;
}

type DetailsArguments<In> = undefined extends In ? [details?: In] : [details: In];

export type ErasedHandler = (state: unknown, input: unknown, context: ActorContext) => unknown;
