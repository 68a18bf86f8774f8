/** The interfaces between the parts of one actor in memory, and between them and their host. */
import type { Clock, HandlerContext, HandlerRequest, Headers, Logger, ShardLease } from '@clstr/core';
import type { CallChain, OverdueTurns } from '@clstr/core/handler';
import type { FloodLog, SafeMetrics } from '@clstr/core/internal';
import type { StateStore } from '@clstr/core/store';
import type { ErasedHandler, TimerHandler } from './actor-context.ts';
import type { Actor } from './implementation.ts';
import type { Mailboxes, Turn } from './mailbox.ts';
import type { Caller } from './ref.ts';
import type { Blocker } from './blocker.ts';
import type { SetupFailures } from './setup-failures.ts';
import type { Tasks } from './tasks.ts';

/** What all actors of one node share. */
export interface NodeScope {
  /** Known from the first message on. */
  nodeId: string;
  readonly services: unknown;
  /** Where durable actors keep their state; undefined if there are none. */
  readonly store: StateStore | undefined;
  readonly client: Caller | undefined;
  readonly clock: Clock;
  readonly metrics: SafeMetrics;
  readonly mailboxes: Mailboxes;
  readonly tasks: Tasks;
  readonly logger: Logger;
  /** The log for anything that each message may cause. */
  readonly floodLog: FloodLog;
  /** Watches turns that run without a message: `setup`, timers, `passivate`. */
  readonly overdue: OverdueTurns;
}

/** What all actors of one type share. */
export interface ActorTypeScope {
  readonly host: NodeScope;
  readonly actor: Actor;
  readonly setupFailures: SetupFailures;
  /** The number of sweeps for idle actors so far: an actor not used during the last few of them is idle. */
  readonly sweep: number;
  /** The number of actors on their way out of memory. */
  stopping: number;
  /** The last search for an actor to evict found none idle, and none has become idle since. */
  isPacked: boolean;
  /** Records that an actor was used after the sweep of its last use. */
  touch(activation: Swept): void;
  /** Whether no message has arrived for `idleMs`. */
  isOverdue(activation: Swept): boolean;
  /** Reports timers set by `after` that will not run because their actor leaves memory. */
  timersLost(count: number): void;
  /** Removes an actor that has left memory. */
  remove(activation: Swept): void;
}

export interface Swept {
  readonly key: string;
  usedAtSweep: number;
}

export interface Method {
  readonly isReadonly: boolean;
  /** The handler with its validators around it. */
  readonly call: ErasedHandler;
}

/** The view that contexts and jobs have of their actor. */
export interface ActorCore {
  readonly home: ActorTypeScope;
  readonly key: string;
  readonly shard: number;
  /** The shard lease of the message that the actor was set up for; undefined in a static cluster. */
  readonly lease: ShardLease | undefined;
  /** Fires when the actor leaves memory. */
  readonly signal: AbortSignal;
  /** Runs a message whose turn it is. */
  run(method: Method, request: HandlerRequest, context: HandlerContext): unknown;
  /** A timer's turn begins; pair with `timerEnded`. */
  timerStarted(): void;
  timerEnded(): void;
  /** Handles an error that user code threw in a turn. */
  failed(error: unknown): void;
  /** Drops the state once the turn that runs has ended; messages that wait go to the next activation. */
  restart(): void;
  /** The turn that waiting messages wait for. */
  readonly blocker: Blocker | undefined;
  /** Records that a message waited until its deadline passed. */
  messageExpired(): void;
  enqueue(job: Job): void;
  /** Removes a job from the mailbox if it is there. */
  forget(job: Job): void;
  waitUntil(work: Promise<unknown>): void;
  passivateSoon(): void;
  addTimer(delayMs: number, kind: TimerKind, handler: TimerHandler): () => void;
  /** A user cancelled a timer, perhaps the last one that kept the actor in memory. */
  timerCancelled(): void;
}

/** An `after` timer keeps its actor in memory until it runs; a `retry` timer belongs to the host. */
export type TimerKind = 'every' | 'after' | 'retry';

/** An entry of a mailbox. */
export interface Job extends Turn<Job> {
  /** The actors that the call came through; empty when it came from outside. */
  readonly callChain: CallChain;
  /** Those of its message; undefined if it has none. */
  readonly headers: Headers | undefined;
  readonly lease: ShardLease | undefined;
  /** Runs the job when its turn has come. Never throws. */
  run(): void;
  /** Refuses the job, whose turn will never come. */
  refuse(error: unknown): void;
}
