/**
 * Shows in the stack of a failure which functions await the call. Calls that succeed pay nothing: when V8 takes a stack in
 * a reaction that a promise waits for, it finds the functions that await the promise from the promise itself.
 */
import type { Clock } from '../base/clock.ts';
import { ActorError, ClstrError } from '../base/errors.ts';

/** A stack takes about 8 µs. In a flood of failures only the first ones get a stack, and the rest are cheap. */
const STACKS_PER_SECOND = 256;

type CaptureStackTrace = (error: Error, below: unknown) => void;

export class CallerStacks {
  readonly #clock: Clock;
  /** V8 and some other engines have it; undefined elsewhere. */
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
   * Returns a promise that rejects with `error`; pass it to `resolve` of the promise that the caller awaits. Undefined if
   * the error gets no stack of its caller.
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
