/** How an actor comes into memory: one run of `setup`, after a pause when it failed lately. */
import type { ClstrError } from '@clstr/core';
import { detached } from '@clstr/core/internal';
import type { ActorCore, Job } from './actor-core.ts';
import { LifeContext } from './contexts.ts';
import { discarded } from './ending.ts';
import { isThenable } from './thenable.ts';

/** Ends once with `onState`, `onError` or `onRefused`, unless it is called off. */
export class Setup {
  readonly #self: ActorCore;
  /** The message that the actor is set up for: under its chain, so that a cycle of calls through `setup` is found too. */
  readonly #job: Job;
  readonly #onState: (state: unknown) => void;
  readonly #onError: (error: unknown) => void;
  readonly #onRefused: (job: Job, error: unknown) => void;
  #cancelPause: (() => void) | undefined;
  #isCalledOff = false;

  constructor(
    self: ActorCore,
    job: Job,
    onState: (state: unknown) => void,
    onError: (error: unknown) => void,
    onRefused: (job: Job, error: unknown) => void,
  ) {
    this.#self = self;
    this.#job = job;
    this.#onState = onState;
    this.#onError = onError;
    this.#onRefused = onRefused;
  }

  begin(): void {
    const { host, setupFailures } = this.#self.home;
    const delayMs = setupFailures.delayMs(this.#self.key);
    if (delayMs === 0) this.#run();
    else this.#cancelPause = host.clock.timer(() => this.#run(), delayMs);
  }

  /** The actor leaves memory first; a state that still comes is discarded. */
  callOff(): void {
    this.#cancelPause?.();
    this.#isCalledOff = true;
  }

  #run(): void {
    const context = new LifeContext(this.#self, this.#job.callChain);
    let result: unknown;
    try {
      result = detached(this.#self.home.actor.setup, context);
    } catch (error) {
      this.#failed(error, context);
      return;
    }
    if (!isThenable(result)) this.#done(result, context);
    else
      result.then(
        (state) => this.#done(state, context),
        (error: unknown) => this.#failed(error, context),
      );
  }

  /** A state that came about without a call that its first caller's chain forbade is not the state of all callers. */
  #done(state: unknown, { chainFailure }: LifeContext): void {
    if (this.#isCalledOff || chainFailure !== undefined) void discarded(this.#self, state, 'failed');
    if (this.#isCalledOff) return;
    if (chainFailure !== undefined) {
      this.#refuse(chainFailure);
      return;
    }
    this.#self.home.setupFailures.clear(this.#self.key);
    this.#onState(state);
  }

  /** Anyone may write a chain: what fails because of it is the failure of that message, and of no other. */
  #failed(error: unknown, { chainFailure }: LifeContext): void {
    if (this.#isCalledOff) return;
    if (chainFailure !== undefined) {
      this.#refuse(chainFailure);
      return;
    }
    this.#self.home.setupFailures.add(this.#self.key);
    this.#onError(error);
  }

  /** In a turn of its own: the next of many such messages begins in it, and not inside of this one. */
  #refuse(error: ClstrError): void {
    queueMicrotask(() => {
      if (!this.#isCalledOff) this.#onRefused(this.#job, error);
    });
  }
}
