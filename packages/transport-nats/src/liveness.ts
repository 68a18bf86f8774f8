/**
 * Checks whether a server is there. It counts as silent if nothing at all arrived between one ping and the next, although
 * this process had time to read.
 */
import type { Clock } from '@clstr/core';

export interface LivenessOptions {
  readonly clock: Clock;
  readonly pingMs: number;
  /** Resolves when the server has answered. */
  ping(): Promise<unknown>;
  /** Rises with everything that arrives. */
  heard(): number;
  /** Called once, with the time since the first ping without an answer. */
  onSilent(silentMs: number): void;
}

/**
 * With other traffic this many pings may be unanswered, because an answer waits behind other messages. A path that lost
 * only the direction to the server looks the same, so the bound also decides how soon that is noticed.
 */
const MAX_UNANSWERED = 3;

/** Returns a function that ends the watch. */
export function watchLiveness({ clock, pingMs, ping, heard, onSilent }: LivenessOptions): () => void {
  let stopTimer: () => void = () => undefined;
  let isStopped = false;
  let unanswered = 0;
  let heardBefore = 0;
  let pingedMs = 0;

  const arm = (): void => {
    const dueMs = clock.monoMs() + pingMs;
    stopTimer = clock.timer(() => {
      // A blocked event loop has neither sent nor read in time: only the next ping proves anything.
      const isOnTime = clock.monoMs() - dueMs <= pingMs / 2;
      // Runs after pending reads.
      clock.macrotask(() => {
        check(isOnTime);
      });
    }, pingMs);
  };

  const check = (isOnTime: boolean): void => {
    if (isStopped) return;
    const heardNow = heard();
    const isSilent = unanswered > 0 && (heardNow === heardBefore || unanswered >= MAX_UNANSWERED);
    if (isSilent && isOnTime) {
      isStopped = true;
      onSilent(clock.monoMs() - pingedMs);
      return;
    }
    heardBefore = heardNow;
    if (unanswered++ === 0) pingedMs = clock.monoMs();
    ping().then(
      () => {
        unanswered = 0;
      },
      () => undefined,
    );
    arm();
  };

  arm();
  return () => {
    isStopped = true;
    stopTimer();
  };
}
