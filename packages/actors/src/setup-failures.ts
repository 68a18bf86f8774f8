/** The keys of an actor type whose `setup` failed recently, and how long each waits before the next try. */
import type { Clock } from '@clstr/core';
import { LRUCache } from 'lru-cache';
import { backoffMs } from './backoff.ts';

/** How many keys are remembered; the least recently used one is forgotten first. */
const MAX_KEYS = 1_024;

export class SetupFailures {
  readonly #clock: Clock;
  readonly #failures = new LRUCache<string, { count: number; retryAtMs: number }>({ max: MAX_KEYS });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  delayMs(key: string): number {
    const failure = this.#failures.get(key);
    return failure === undefined ? 0 : Math.max(0, failure.retryAtMs - this.#clock.monoMs());
  }

  /** The first failure costs no pause: the next message tries again at once. */
  add(key: string): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const delayMs = count === 1 ? 0 : backoffMs(count - 2);
    this.#failures.set(key, { count, retryAtMs: this.#clock.monoMs() + delayMs });
  }

  clear(key: string): void {
    if (this.#failures.size > 0) this.#failures.delete(key);
  }
}
