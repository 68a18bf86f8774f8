/** An error for many refusals: in a flood, a stack for each would cost more than everything else. */
import type { Clock, ClstrError } from '@clstr/core';

const SERVES_MS = 1_000;

export class SharedRefusal {
  #error: ClstrError | undefined;
  #madeMs = 0;

  /** The error that was made last, for a second; then another one. */
  get(clock: Clock, make: () => ClstrError): ClstrError {
    const nowMs = clock.monoMs();
    if (this.#error === undefined || nowMs - this.#madeMs >= SERVES_MS) {
      this.#madeMs = nowMs;
      this.#error = make();
    }
    return this.#error;
  }
}
