/**
 * Asks a server whether it is there. It counts as silent when nothing at all arrived between one ping and the next,
 * which this process had time to read.
 */
import type { Clock } from '@clstr/core';

export interface LivenessOptions {
  readonly clock: Clock;
  readonly pingMs: number;
  /** Resolves when the server has answered. */
  ping(): Promise<unknown>;
  /** Rises with whatever arrives. */
  heard(): number;
  /** Once, with the time since the first ping without an answer. */
  onSilent(silentMs: number): void;
}

/**
 * With other traffic so many pings may be unanswered: an answer waits behind what else is on its way. A path that lost
 * only the direction to the server looks the same, so this is also how soon that is noticed.
 */
const MAX_UNANSWERED = 3;

/** Returns what ends the watch. */
export function watchLiveness({ clock, pingMs, ping, heard, onSilent }: LivenessOptions): () => void {
  let stopTimer: () => void = () => undefined;
  let isStopped = false;
  let unanswered = 0;
  let heardBefore = 0;
  let pingedMs = 0;

  const arm = (): void => {
    const dueMs = clock.monoMs() + pingMs;
    stopTimer = clock.timer(() => {
      // An event loop that was blocked has neither sent nor read in time: only the next ping says something.
      const isOnTime = clock.monoMs() - dueMs <= pingMs / 2;
      // After pending reads.
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
