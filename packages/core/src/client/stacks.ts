/**
 * Shows in the stack of a failure who awaits the call. Calls that succeed pay nothing: V8 finds the functions that await
 * a promise from the promise itself, when it takes a stack in a reaction that the promise waits for.
 */
import type { Clock } from '../base/clock.ts';
import { ActorError, ClstrError } from '../base/errors.ts';

/** A stack takes about 8 µs. Under a flood of failures the first ones have theirs, and the rest are cheap. */
const STACKS_PER_SECOND = 256;

type CaptureStackTrace = (error: Error, below: unknown) => void;

export class CallerStacks {
  readonly #clock: Clock;
  /** V8 has it, and some other engines; undefined elsewhere. */
  readonly #capture: CaptureStackTrace | undefined;
  /** One error of a transport may end many calls, and each has a stack of its own. */
  readonly #used = new WeakSet<ClstrError>();
  #secondMs = -Infinity;
  #taken = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#capture = (Error as { captureStackTrace?: CaptureStackTrace }).captureStackTrace;
  }

  /**
   * A promise that rejects with `error`, to be given to `resolve` of the promise that the caller awaits; undefined when
   * the error has to go without a stack of its caller.
   */
  rejection(error: ClstrError): Promise<never> | undefined {
    const capture = this.#capture;
    if (capture === undefined || !this.#mayTake()) return undefined;
    const own = this.#used.has(error) ? copyOf(error) : error;
    this.#used.add(own);
    // Two turns: the caller's promise has to be chained to this one before the stack is taken.
    return Promise.resolve()
      .then(() => undefined)
      .then(function rejected(): never {
        capture(own, rejected);
        throw own;
      });
  }

  #mayTake(): boolean {
    const nowMs = this.#clock.monoMs();
    if (nowMs - this.#secondMs >= 1_000) {
      this.#secondMs = nowMs;
      this.#taken = 0;
    }
    return ++this.#taken <= STACKS_PER_SECOND;
  }
}

function copyOf(error: ClstrError): ClstrError {
  const { code, message, outcome, retryable, details, cause } = error;
  if (error instanceof ActorError) return new ActorError(error.actorCode, message, details);
  return new ClstrError(code, message, { outcome, retryable, details, cause });
}
