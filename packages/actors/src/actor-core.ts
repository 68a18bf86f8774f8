/** What the parts of one actor in memory know of each other, and of the host they live in. */
import type { Clock, HandlerContext, HandlerRequest, Logger, ShardLease } from '@clstr/core';
import type { CallChain, OverdueTurns } from '@clstr/core/handler';
import type { FloodLog } from '@clstr/core/internal';
import type { Services, TimerHandler } from './actor-context.ts';
import type { ActorMetrics } from './actor-metrics.ts';
import type { Actor, ErasedHandler } from './implementation.ts';
import type { Turn } from './mailbox.ts';
import type { Caller } from './ref.ts';
import type { Blocker } from './running-turns.ts';
import type { SetupFailures } from './setup-failures.ts';

/** What all actors of one node share. */
export interface NodeScope {
  /** Known from the first message on. */
  nodeId: string;
  readonly services: Services;
  readonly client: Caller | undefined;
  readonly clock: Clock;
  readonly metrics: ActorMetrics;
  readonly logger: Logger;
  /** For what each message may cause. */
  readonly floodLog: FloodLog;
  /** What runs for no message: setup, timers, passivate. */
  readonly overdue: OverdueTurns;
}

/** What all actors of one type share. */
export interface ActorTypeScope {
  readonly host: NodeScope;
  readonly actor: Actor;
  readonly setupFailures: SetupFailures;
  /** Counts the looks for idle actors: what was used before the last few of them is idle. */
  readonly sweep: number;
  /** Actors on their way out of memory. */
  stopping: number;
  /** No actor was idle at the last look for one to evict, and none has come to rest since. */
  isPacked: boolean;
  /** An actor was used after the sweep that it was used at before. */
  touch(activation: Swept): void;
  /** Whether no message came for `idleMs`. */
  isOverdue(activation: Swept): boolean;
  /** Timers set by `after` that will not run, as their actor leaves memory. */
  timersLost(count: number): void;
  /** The actor has left memory. */
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

/** One actor, as its contexts and jobs see it. */
export interface ActorCore {
  readonly home: ActorTypeScope;
  readonly key: string;
  /** The shard lease of the message that the actor was set up for; undefined in a static cluster. */
  readonly lease: ShardLease | undefined;
  /** Fires when the actor leaves memory. */
  readonly signal: AbortSignal;
  /** Runs a message whose turn it is. */
  run(method: Method, request: HandlerRequest, context: HandlerContext): unknown;
  /** A timer's turn begins; pair with `timerEnded`. */
  timerStarted(): void;
  timerEnded(): void;
  /** Code of the user threw in a turn. */
  failed(error: unknown): void;
  /** What a message that waits is waiting for. */
  readonly blocker: Blocker | undefined;
  /** A message waited until its time was over. */
  messageExpired(): void;
  enqueue(job: Job): void;
  /** Takes out a job, if it waits. */
  forget(job: Job): void;
  waitUntil(work: Promise<unknown>): void;
  passivateSoon(): void;
  addTimer(delayMs: number, kind: TimerKind, handler: TimerHandler): () => void;
  /** A user cancelled a timer, perhaps the last that kept the actor in memory. */
  timerCancelled(): void;
}

/** `after` keeps its actor in memory until it runs; `retry` is the host's own. */
export type TimerKind = 'every' | 'after' | 'retry';

/** What waits in a mailbox. */
export interface Job extends Turn<Job> {
  /** The actors this came through; empty when it came from outside. */
  readonly callChain: CallChain;
  readonly lease: ShardLease | undefined;
  /** Its turn has come. Never throws. */
  run(): void;
  /** Its turn will never come. */
  refuse(error: unknown): void;
}
