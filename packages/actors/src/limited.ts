/** Waiting for something, but not for ever. */
import type { Clock } from '@clstr/core';

/** Resolves when what `begin` was given is called, or after `limitMs`. */
export function limited(clock: Clock, limitMs: number, begin: (resolve: () => void) => void): Promise<void> {
  return new Promise<void>((resolve) => {
    const stopTimer = clock.timer(resolve, limitMs);
    begin(() => {
      stopTimer();
      resolve();
    });
  });
}
