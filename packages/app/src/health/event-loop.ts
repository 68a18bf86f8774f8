/** How long the event loop stood still: measured by the runtime, so that a blocked process shows it afterwards. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '@clstr/core';
import { healthReason } from './reasons.ts';
import type { HealthReason } from './reasons.ts';

export interface EventLoopHealth {
  /** The longest time without a turn of the loop within the last `overMs`. */
  readonly worstMs: number;
  /** From half a minute to a minute; longer if nothing read the health in between. */
  readonly overMs: number;
}

/** The part of a histogram of `node:perf_hooks` that is used here; its times are nanoseconds. */
export interface DelayHistogram {
  readonly count: number;
  readonly max: number;
  reset(): void;
  enable(): boolean;
  disable(): boolean;
}

const RESOLUTION_MS = 20;
const WINDOW_MS = 30_000;
/** Shorter pauses are common on a busy machine, and harm no lease. */
const SLOW_MS = 1_000;

/** Costs one native timer that keeps no process alive, and no code of JavaScript between two readings. */
export class EventLoopDelay {
  readonly #clock: Pick<Clock, 'monoMs'>;
  readonly #histogram: DelayHistogram;
  /** The time before the running window, if that still counts. */
  #before = { worstMs: 0, sinceMs: 0 };
  #sinceMs: number;

  constructor(
    clock: Pick<Clock, 'monoMs'>,
    histogram: DelayHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS }),
  ) {
    this.#clock = clock;
    this.#histogram = histogram;
    this.#sinceMs = clock.monoMs();
    this.#before.sinceMs = this.#sinceMs;
    histogram.enable();
  }

  read(): EventLoopHealth {
    const nowMs = this.#clock.monoMs();
    const worstMs = Math.max(this.#before.worstMs, this.#worstMs());
    const overMs = Math.round(nowMs - this.#before.sinceMs);
    if (nowMs - this.#sinceMs >= WINDOW_MS) {
      this.#before = { worstMs: this.#worstMs(), sinceMs: this.#sinceMs };
      this.#sinceMs = nowMs;
      this.#histogram.reset();
    }
    return { worstMs, overMs };
  }

  /** Idempotent. */
  close(): void {
    this.#histogram.disable();
  }

  /** The histogram counts the time between two ticks, which are the resolution apart when nothing blocks. */
  #worstMs(): number {
    const { count, max } = this.#histogram;
    return count === 0 ? 0 : Math.max(0, Math.round(max / 1e6) - RESOLUTION_MS);
  }
}

export function eventLoopReasons({ worstMs, overMs }: EventLoopHealth): HealthReason[] {
  if (worstMs < SLOW_MS) return [];
  const within = `within the last ${Math.round(overMs / 1_000)} s`;
  return [healthReason('SLOW_EVENT_LOOP', `the event loop stood still for ${worstMs} ms ${within}`)];
}
