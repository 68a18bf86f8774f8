/** One watch of one member: reports entries in order, each in a turn of its own. */
import type { Clock, ClstrError } from '@clstr/core';
import type { StoreEntry, StoreListener, Watch } from '@clstr/core/store';
import type { MemoryBucket } from './memory-bucket.ts';
import type { StorePolicy } from './store-policy.ts';
import { pass } from './store-policy.ts';

export interface WatchOptions {
  readonly member: string;
  readonly pattern: string;
  readonly matches: (key: string) => boolean;
  readonly listener: StoreListener;
  readonly clock: Clock;
  readonly policy: Required<StorePolicy>;
  /** Returns undefined while there is no bucket: the store calls `attach` once there is one. */
  readonly bucket: () => MemoryBucket | undefined;
  readonly onClose: (watch: MemoryWatch) => void;
}

type News = () => void;

export class MemoryWatch implements Watch {
  readonly #options: WatchOptions;
  /** News in flight. A break replaces the list, so that news in flight is lost. */
  #news: News[] = [];
  #newestDueMs = 0;
  #isAttached = false;
  #detach: () => void = () => undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  close(): void {
    this.breakOff();
    this.#options.onClose(this);
  }

  /** Begins with the newest write of each key, unless it has begun or there is no bucket. */
  attach(): void {
    const bucket = this.#options.bucket();
    if (bucket === undefined || this.#isAttached) return;
    this.#isAttached = true;
    this.#detach = bucket.onWrite((entry) => {
      this.#offer(entry);
    });
    const news = this.#news;
    for (const entry of bucket.entries()) {
      if (news !== this.#news) return; // the policy broke the watch
      this.#offer(entry);
    }
  }

  /** Nothing more arrives, not even what is on its way. */
  breakOff(): void {
    this.#isAttached = false;
    this.#detach();
    this.#detach = () => undefined;
    this.#news = [];
    this.#newestDueMs = 0;
  }

  /** After a break: reports the gap, then the newest write of each key. */
  resume(reason?: ClstrError): void {
    const { listener } = this.#options;
    this.#send(0, () => {
      listener.onGap(reason);
    });
    this.attach();
  }

  #offer(entry: StoreEntry): void {
    const { matches, listener, policy, member, pattern, clock } = this.#options;
    if (!matches(entry.key)) return;
    const effect = policy.onDelivery({ member, pattern, entry });
    if (typeof effect === 'number') {
      this.#send(effect, () => {
        listener.onEntry(entry);
      });
      return;
    }
    this.breakOff();
    const broken = this.#news;
    clock.timer(() => {
      if (broken === this.#news) this.resume(effect.reason);
    }, effect.brokenMs);
  }

  /** There is a timer per news: each reports the first that waits, so none overtakes, whichever timer fires first. */
  #send(delayMs: number, tell: News): void {
    const { clock } = this.#options;
    const news = this.#news;
    const nowMs = clock.monoMs();
    this.#newestDueMs = Math.max(this.#newestDueMs, nowMs + delayMs);
    news.push(tell);
    pass(clock, this.#newestDueMs - nowMs, () => {
      if (news === this.#news) news.shift()?.();
    });
  }
}
