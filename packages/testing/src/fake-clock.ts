/** A clock that a test advances: timers fire when `advance` reaches them, and never by themselves. */
import type { Clock } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import { invalidOption, option, resolve } from '@clstr/core/internal';
import { turn } from './turn.ts';

export interface FakeClockOptions {
  /** The initial value of `monoMs`. Default 0. */
  monoMs?: number | undefined;
  /** The initial value of `wallMs`. Default 1,767,225,600,000, which is 2026-01-01T00:00:00Z. */
  wallMs?: number | undefined;
}

/**
 * A clock that stands still. Its macrotasks run in a real later turn of the event loop, without `advance`: they order
 * work and take no time, so that the memory bus makes progress while time stands still.
 */
export interface FakeClock extends Clock {
  /** The number of timers that have neither fired nor been cancelled. */
  readonly timerCount: number;
  /**
   * Advances time by `ms` and runs every timer that becomes due, in order of due time, each at exactly its time. After
   * each timer, and before the first, pending microtasks and macrotasks get a turn. Resolves when the new time is
   * reached.
   */
  advance(ms: number): Promise<void>;
}

/** 2026-01-01T00:00:00Z. */
const START_OF_2026 = 1_767_225_600_000;

export const fakeClockSpec: Spec<Resolved<FakeClockOptions>> = {
  monoMs: option(checkTime, 0),
  wallMs: option(checkTime, START_OF_2026),
};

/** @throws INVALID_OPTION */
export function fakeClock(options: FakeClockOptions = {}): FakeClock {
  const { monoMs, wallMs } = resolve('fakeClock', fakeClockSpec, options);
  return new ManualClock(monoMs, wallMs);
}

/** How many turns of the event loop may pass without a timer before time advances anyway. */
const MAX_TURNS = 1_000;

interface Timer {
  readonly dueMs: number;
  readonly fn: () => void;
}

class ManualClock implements FakeClock {
  readonly #wallOffsetMs: number;
  /** The timers by due time; equal times in the order in which they were set. */
  readonly #timers: Timer[] = [];
  #nowMs: number;
  /** The number of macrotasks that have not run yet. */
  #macrotasks = 0;

  constructor(monoMs: number, wallMs: number) {
    this.#nowMs = monoMs;
    this.#wallOffsetMs = wallMs - monoMs;
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  monoMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  timer(fn: () => void, delayMs: number): () => void {
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, delayMs), fn };
    const after = this.#timers.findIndex((other) => other.dueMs > timer.dueMs);
    this.#timers.splice(after < 0 ? this.#timers.length : after, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  macrotask(fn: () => void): void {
    this.#macrotasks++;
    setImmediate(() => {
      this.#macrotasks--;
      fn();
    });
  }

  async advance(ms: number): Promise<void> {
    checkTime('advance', 'ms', ms);
    const untilMs = this.#nowMs + ms;
    await this.#settle();
    for (;;) {
      const timer = this.#timers[0];
      if (timer === undefined || timer.dueMs > untilMs) break;
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.fn();
      await this.#settle();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Runs everything that takes no time, up to a bound. */
  async #settle(): Promise<void> {
    let turns = 0;
    do await turn();
    while (this.#macrotasks > 0 && ++turns < MAX_TURNS);
  }
}

function checkTime(owner: string, name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw invalidOption(owner, name, value, 'a time in milliseconds');
}
