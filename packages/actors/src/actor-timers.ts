/** The timers of one actor: they run through its mailbox, and stop with it. */
import { ClstrError } from '@clstr/core';
import type { CallChain } from '@clstr/core/handler';
import { detached } from '@clstr/core/internal';
import type { TimerHandler } from './actor-context.ts';
import type { ActorCore, Job, TimerKind } from './actor-core.ts';
import { actorName } from './actor-name.ts';
import { LifeContext } from './contexts.ts';
import { defaults } from './defaults.ts';
import { isThenable } from '@clstr/core/internal';

/** How long a timer that falls due while the lease is expired waits before it tests the lease again. */
const EXPIRY_PAUSE_MS = 100;

export class ActorTimers {
  readonly #self: ActorCore;
  readonly #timers = new Set<TimerJob>();
  /** How many timers set by `after` have not run. */
  pending = 0;

  constructor(self: ActorCore) {
    this.#self = self;
  }

  /** Runs `handler` after `delayMs`, once or again and again. The returned function cancels it. */
  add(delayMs: number, kind: TimerKind, handler: TimerHandler): () => void {
    const timer = new TimerJob(this.#self, this, kind, delayMs, handler);
    this.#timers.add(timer);
    if (kind === 'after') this.pending++;
    timer.arm(delayMs);
    return () => {
      timer.cancel();
      this.#self.timerCancelled();
    };
  }

  /** @throws OVERLOADED */
  addByUser(delayMs: number, kind: TimerKind, handler: TimerHandler): () => void {
    if (this.#timers.size < defaults.timers) return this.add(delayMs, kind, handler);
    const { home, key } = this.#self;
    throw new ClstrError('OVERLOADED', `${actorName(home.actor.name, key)} has ${defaults.timers} timers`);
  }

  has(timer: TimerJob): boolean {
    return this.#timers.has(timer);
  }

  /** Removes a timer that runs for the last time, or never will. */
  delete(timer: TimerJob): void {
    if (this.#timers.delete(timer) && timer.kind === 'after') this.pending--;
  }

  /** Cancels all timers, because the actor leaves memory. */
  cancelAll(): void {
    if (this.pending > 0) this.#self.home.timersLost(this.pending);
    for (const timer of [...this.#timers]) timer.cancel();
  }
}

/** A repeated timer is armed again when its turn has ended, so that turns never pile up behind a busy actor. */
class TimerJob implements Job {
  readonly isReadonly = false;
  readonly callChain: CallChain = [];
  readonly headers = undefined;
  readonly lease = undefined;
  readonly expectedMs = 0;
  isWaiting = false;
  next: Job | undefined = undefined;
  previous: Job | undefined = undefined;
  readonly kind: TimerKind;
  readonly #self: ActorCore;
  readonly #timers: ActorTimers;
  readonly #delayMs: number;
  readonly #handler: TimerHandler;
  #stopClock: (() => void) | undefined;
  #beganMs = 0;

  constructor(self: ActorCore, timers: ActorTimers, kind: TimerKind, delayMs: number, handler: TimerHandler) {
    this.#self = self;
    this.#timers = timers;
    this.kind = kind;
    this.#delayMs = delayMs;
    this.#handler = handler;
  }

  arm(delayMs: number): void {
    this.#stopClock = this.#self.home.host.clock.timer(() => {
      this.#self.enqueue(this);
    }, delayMs);
  }

  cancel(): void {
    this.#timers.delete(this);
    this.#stopClock?.();
    this.#self.forget(this);
  }

  run(): void {
    if (this.#self.lease?.isHeld === false) {
      // The node's lease is expired: another node may be doing the work of this timer. Either the lease is renewed, or
      // the actor is discarded.
      this.arm(EXPIRY_PAUSE_MS);
      return;
    }
    if (this.kind !== 'every') this.#timers.delete(this);
    this.#self.timerStarted();
    this.#beganMs = this.#self.home.host.tasks.began();
    let result: unknown;
    try {
      result = detached(this.#handler, new LifeContext(this.#self, []));
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (!isThenable(result)) this.#succeeded();
    else
      result.then(
        () => this.#succeeded(),
        (error: unknown) => this.#failed(error),
      );
  }

  refuse(): void {
    /* a timer has no caller */
  }

  #succeeded(): void {
    this.#self.home.host.tasks.succeeded(this.#beganMs);
    this.#ended();
  }

  /** A timer has no caller, so its failure is logged and counted; nothing else fails with it. */
  #failed(err: unknown): void {
    const { home, key } = this.#self;
    const { host, actor } = home;
    host.tasks.failed(this.#beganMs, err);
    host.floodLog.error(
      'actor.timer_failed',
      { err, actor: actor.name, key },
      `a timer of ${actorName(actor.name, key)} failed`,
    );
    this.#self.failed(err);
    this.#ended();
  }

  #ended(): void {
    this.#self.timerEnded();
    if (this.#timers.has(this)) this.arm(this.#delayMs);
  }
}
