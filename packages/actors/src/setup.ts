/** The activation of an actor: one run of `setup`, after a pause if it failed recently. */
import type { ClstrError } from '@clstr/core';
import { detached } from '@clstr/core/internal';
import type { ActorCore, Job } from './actor-core.ts';
import { LifeContext } from './contexts.ts';
import { discarded } from './ending.ts';
import { isThenable } from '@clstr/core/internal';

/** Calls one of `onState`, `onError` and `onRefused` once, unless it is called off. */
export class Setup {
  readonly #self: ActorCore;
  /**
   * The message that caused this setup. Its call chain applies to `setup`, so that cycles through `setup` are found.
   */
  readonly #job: Job;
  readonly #onState: (state: unknown) => void;
  readonly #onError: (error: unknown) => void;
  readonly #onRefused: (job: Job, error: unknown) => void;
  #cancelPause: (() => void) | undefined;
  #isCalledOff = false;
  #beganMs = 0;

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

  /** Ends the setup because the actor leaves memory first; a state that still arrives is discarded. */
  callOff(): void {
    this.#cancelPause?.();
    this.#isCalledOff = true;
  }

  #run(): void {
    const { actor, host } = this.#self.home;
    const context = new LifeContext(this.#self, this.#job.callChain, this.#job.headers);
    this.#beganMs = host.tasks.began();
    let result: unknown;
    try {
      result = detached(actor.setup, context);
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

  /** A state is not valid for other callers if the first caller's chain made one of the calls in `setup` fail. */
  #done(state: unknown, { chainFailure }: LifeContext): void {
    this.#self.home.host.tasks.succeeded(this.#beganMs);
    if (this.#isCalledOff || chainFailure !== undefined) void discarded(this.#self, state, 'failed');
    if (this.#isCalledOff) return;
    if (chainFailure !== undefined) {
      this.#refuse(chainFailure);
      return;
    }
    this.#self.home.setupFailures.clear(this.#self.key);
    this.#onState(state);
  }

  /** Anyone may write a chain, so a failure due to a chain fails only the message that carried it. */
  #failed(error: unknown, { chainFailure }: LifeContext): void {
    this.#self.home.host.tasks.failed(this.#beganMs, error);
    if (this.#isCalledOff) return;
    if (chainFailure !== undefined) {
      this.#refuse(chainFailure);
      return;
    }
    this.#self.home.setupFailures.add(this.#self.key);
    this.#onError(error);
  }

  /** Refuses in a microtask of its own, in which the next of many such messages begins, instead of recursively. */
  #refuse(error: ClstrError): void {
    queueMicrotask(() => {
      if (!this.#isCalledOff) this.#onRefused(this.#job, error);
    });
  }
}
