/** How an actor comes into memory: one run of `setup`, after a pause when it failed lately. */
import type { CallChain } from '@clstr/core';
import { detached } from '@clstr/core';
import type { Inhabitant } from './actor-home.ts';
import { LifeContext } from './contexts.ts';
import { discarded } from './ending.ts';
import { isThenable } from './thenable.ts';

/** Ends once with `onState` or `onError`, unless it is called off. */
export class Setup {
  readonly #self: Inhabitant;
  /** Of the message that the actor is set up for, so that a cycle of calls through `setup` is found too. */
  readonly #callChain: CallChain;
  readonly #onState: (state: unknown) => void;
  readonly #onError: (error: unknown) => void;
  #cancelPause: (() => void) | undefined;
  #isCalledOff = false;

  constructor(
    self: Inhabitant,
    callChain: CallChain,
    onState: (state: unknown) => void,
    onError: (error: unknown) => void,
  ) {
    this.#self = self;
    this.#callChain = callChain;
    this.#onState = onState;
    this.#onError = onError;
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
    let result: unknown;
    try {
      result = detached(this.#self.home.actor.setup, new LifeContext(this.#self, this.#callChain));
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (!isThenable(result)) this.#done(result);
    else
      result.then(
        (state) => this.#done(state),
        (error: unknown) => this.#failed(error),
      );
  }

  #done(state: unknown): void {
    if (this.#isCalledOff) {
      void discarded(this.#self, state, 'failed');
      return;
    }
    this.#self.home.setupFailures.clear(this.#self.key);
    this.#onState(state);
  }

  #failed(error: unknown): void {
    if (this.#isCalledOff) return;
    this.#self.home.setupFailures.add(this.#self.key);
    this.#onError(error);
  }
}
