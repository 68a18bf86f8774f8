/** Counts the code of actors that runs without a caller: `setup`, timers, `passivate`, `discard` and `waitUntil`. */
import type { Clock } from '@clstr/core';
import { isClstrError } from '@clstr/core';
import type { SafeMetrics } from '@clstr/core/internal';
import { noMetrics } from '@clstr/core/internal';

/** What runs outside messages has no message type. */
const NO_TYPE = 'other';

export class Tasks {
  inFlight = 0;
  readonly #metrics: SafeMetrics;
  readonly #clock: Clock;

  constructor(metrics: SafeMetrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** A task begins. Its end gets the returned number. */
  began(): number {
    this.inFlight++;
    return this.#nowMs();
  }

  succeeded(beganMs: number): void {
    this.inFlight--;
    this.#metrics.taskEnded(true, this.#nowMs() - beganMs);
  }

  failed(beganMs: number, error: unknown): void {
    this.inFlight--;
    this.#metrics.taskEnded(false, this.#nowMs() - beganMs);
    if (isPanic(error)) this.#metrics.panicked(NO_TYPE);
  }

  #nowMs(): number {
    return this.#metrics === noMetrics ? 0 : this.#clock.monoMs();
  }
}

/** Whether the code of an actor threw something that its author did not mean to throw. */
export function isPanic(error: unknown): boolean {
  return !isClstrError(error);
}
