/** Time as an injected value: nothing in the framework reads a clock or sets a timer any other way. */
import { detached } from './async-context.ts';
import { methods } from './spec.ts';
import type { Option } from './spec.ts';

export interface Clock {
  /** Monotonic time in milliseconds, with fractions; its zero is arbitrary. */
  monoMs(): number;
  /** Wall-clock time in milliseconds since 1970. Never compared between machines. */
  wallMs(): number;
  /** Calls `fn` once after `delayMs`; the returned function cancels it. */
  timer(fn: () => void, delayMs: number): () => void;
  /** Calls `fn` in a later turn of the event loop, after pending I/O. */
  macrotask(fn: () => void): void;
}

/** Resolves after `ms`. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.timer(resolve, ms);
  });
}

/** Resolves in a later turn of the event loop. */
export function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.macrotask(resolve);
  });
}

/** Resolves to whether `work` ended within `limitMs`. Rejects when `work` does. */
export async function within(clock: Clock, work: Promise<unknown>, limitMs: number): Promise<boolean> {
  let isInTime = true;
  let stopTimer: () => void = () => undefined;
  const limit = new Promise<void>((resolve) => {
    stopTimer = clock.timer(() => {
      isInTime = false;
      resolve();
    }, limitMs);
  });
  try {
    await Promise.race([work, limit]);
    return isInTime;
  } finally {
    stopTimer();
  }
}

export const systemClock: Clock = {
  monoMs: () => performance.now(),
  wallMs: () => Date.now(),
  timer(fn, delayMs) {
    // Some timers outlive all calls, and no timer may keep the stores of the call that set it.
    const handle = detached(() => setTimeout(fn, delayMs));
    return () => {
      clearTimeout(handle);
    };
  },
  macrotask(fn) {
    if (setImmediateOrNone === undefined) setTimeout(fn, 0);
    else setImmediateOrNone(fn);
  },
};

export const clockOption: Option<Clock> = methods(['monoMs', 'wallMs', 'timer', 'macrotask'], systemClock);

/** Absent in browsers, where a zero timer is the next best thing. */
const setImmediateOrNone = (globalThis as { setImmediate?: (fn: () => void) => unknown }).setImmediate;
