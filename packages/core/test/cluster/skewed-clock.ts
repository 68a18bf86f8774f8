/** A fake clock whose readings a test may bend: pauses of the process, and of the whole machine. */
import { fakeClock } from '@clstr/testing';
import type { FakeClock } from '@clstr/testing';

export interface SkewedClock extends FakeClock {
  /** The process stands still for `ms`: both clocks go on, and timers fire that much late. */
  pause(ms: number): void;
  /** Only the wall clock goes on, as when a machine was suspended; below 0 it is set back. */
  moveWall(ms: number): void;
}

export function skewedClock(monoMs = 1_000_000): SkewedClock {
  const clock = fakeClock({ monoMs });
  let [pausedMs, wallMs] = [0, 0];
  return {
    get timerCount() {
      return clock.timerCount;
    },
    monoMs: () => clock.monoMs() + pausedMs,
    wallMs: () => clock.wallMs() + pausedMs + wallMs,
    timer: (fn, delayMs) => clock.timer(fn, delayMs),
    macrotask: (fn) => {
      clock.macrotask(fn);
    },
    advance: (ms) => clock.advance(ms),
    pause: (ms) => {
      pausedMs += ms;
    },
    moveWall: (ms) => {
      wallMs += ms;
    },
  };
}
