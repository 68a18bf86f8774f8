/** The timers of one actor: they go off through its mailbox, and stop with it. */
import type { CallChain } from '@clstr/core';
import { detached } from '@clstr/core';
import type { TimerHandler } from './actor-context.ts';
import type { Inhabitant, Job } from './actor-home.ts';
import { LifeContext } from './contexts.ts';
import { isThenable } from './thenable.ts';

export class ActorTimers {
  readonly #self: Inhabitant;
  readonly #timers = new Set<TimerJob>();

  constructor(self: Inhabitant) {
    this.#self = self;
  }

  get size(): number {
    return this.#timers.size;
  }

  /** Runs `handler` after `delayMs`, once or again and again. The returned function cancels it. */
  add(delayMs: number, isRepeated: boolean, handler: TimerHandler): () => void {
    const timer = new TimerJob(this.#self, this.#timers, delayMs, isRepeated, handler);
    this.#timers.add(timer);
    timer.arm();
    return () => {
      timer.cancel();
    };
  }

  cancelAll(): void {
    for (const timer of [...this.#timers]) timer.cancel();
  }
}

/** A repeated timer is armed again when its turn has ended, so that turns never pile up behind a busy actor. */
class TimerJob implements Job {
  readonly isReadonly = false;
  readonly callChain: CallChain = [];
  readonly tenure = undefined;
  isWaiting = false;
  next: Job | undefined = undefined;
  previous: Job | undefined = undefined;
  readonly #self: Inhabitant;
  /** Those that are neither over nor cancelled. */
  readonly #live: Set<TimerJob>;
  readonly #delayMs: number;
  readonly #isRepeated: boolean;
  readonly #handler: TimerHandler;
  #stopClock: (() => void) | undefined;

  constructor(
    self: Inhabitant,
    live: Set<TimerJob>,
    delayMs: number,
    isRepeated: boolean,
    handler: TimerHandler,
  ) {
    this.#self = self;
    this.#live = live;
    this.#delayMs = delayMs;
    this.#isRepeated = isRepeated;
    this.#handler = handler;
  }

  arm(): void {
    this.#stopClock = this.#self.home.host.clock.timer(() => {
      this.#self.enqueue(this);
    }, this.#delayMs);
  }

  cancel(): void {
    this.#live.delete(this);
    this.#stopClock?.();
    this.#self.forget(this);
  }

  run(): void {
    if (!this.#isRepeated) this.#live.delete(this);
    this.#self.timerStarted();
    if (this.#self.tenure?.isHeld === false) {
      // The node's lease is over for the moment: whatever the timer would do, another node may be doing.
      this.#ended();
      return;
    }
    let result: unknown;
    try {
      result = detached(this.#handler, new LifeContext(this.#self, []));
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (!isThenable(result)) this.#ended();
    else
      result.then(
        () => this.#ended(),
        (error: unknown) => this.#failed(error),
      );
  }

  abandon(): void {
    /* nobody waits for it */
  }

  /** Nobody is told, so it is logged and counted; and it kills nothing else. */
  #failed(err: unknown): void {
    const { home, key } = this.#self;
    const { host, actor } = home;
    host.metrics.panicked(actor.name);
    host.logger.error({ err, actor: actor.name, key }, `a timer of ${actor.name}/${key} failed`);
    this.#self.failed(err);
    this.#ended();
  }

  #ended(): void {
    this.#self.timerEnded();
    if (this.#live.has(this)) this.arm();
  }
}
