/** Delays of packets: connections are independent of each other, but none reorders its packets. */
import type { Clock } from '@clstr/core';

export class OrderedDelays {
  readonly #clock: Clock;
  readonly #newestDueMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns `delayMs`, or more if earlier packets on the same way take longer. */
  next(from: string, to: string, delayMs: number): number {
    const way = `${from}>${to}`;
    const nowMs = this.#clock.monoMs();
    const dueMs = Math.max(nowMs + delayMs, this.#newestDueMs.get(way) ?? 0);
    this.#newestDueMs.set(way, dueMs);
    return dueMs - nowMs;
  }
}
