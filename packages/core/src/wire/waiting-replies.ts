/**
 * Replies that were ready while the connection was down. They wait for it as long as their callers do, bounded in number
 * and bytes: expired ones are dropped first, then the oldest, and each drop is counted.
 */
import { within } from '../base/clock.ts';
import type { Engine } from './engine.ts';

/** How long the caller of a reply waits for it. */
export interface CallerTime {
  /** Undefined when the caller named no limit. */
  readonly ttlMs: number | undefined;
  readonly receivedAtMs: number;
}

/** How long a caller that named no limit is assumed to wait. */
const UNNAMED_TTL_MS = 30_000;
/** In addition to the payload: the objects that hold it. */
const OVERHEAD_BYTES = 128;
/** The shortest time between two searches for expired replies, as a search walks over all. */
const PURGE_PAUSE_MS = 100;

interface Waiting {
  readonly untilMs: number;
  readonly bytes: number;
  readonly send: () => void;
}

export class WaitingReplies {
  readonly #engine: Engine;
  /** Oldest first. */
  readonly #replies = new Set<Waiting>();
  #bytes = 0;
  #purgedMs = -Infinity;
  #onEmpty: () => void = () => undefined;
  #isEnded = false;

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.bus.onState(({ state }) => {
      if (state === 'connected') this.#sendAll();
      else if (state === 'closed') this.end();
    });
  }

  /** Calls `send` when the connection is back, unless the caller's time is over by then. */
  hold(caller: CallerTime, payloadBytes: number, send: () => void): void {
    const { maxWaiting, maxWaitingBytes } = this.#engine;
    const bytes = payloadBytes + OVERHEAD_BYTES;
    if (this.#isEnded || maxWaiting === 0 || bytes > maxWaitingBytes) {
      this.#engine.stats.lostReplies++;
      return;
    }
    const isFull = (): boolean => this.#replies.size >= maxWaiting || this.#bytes + bytes > maxWaitingBytes;
    if (isFull()) this.#dropExpired();
    for (const oldest of this.#replies) {
      if (!isFull()) break;
      this.#drop(oldest);
    }
    const { ttlMs = UNNAMED_TTL_MS, receivedAtMs } = caller;
    this.#replies.add({ untilMs: receivedAtMs + ttlMs, bytes, send });
    this.#bytes += bytes;
  }

  /** Resolves when no reply or no caller waits any more, or `limitMs` is over. */
  async settle(limitMs: number): Promise<void> {
    const nowMs = this.#engine.clock.monoMs();
    let waitMs = 0;
    for (const { untilMs } of this.#replies) waitMs = Math.max(waitMs, untilMs - nowMs);
    waitMs = Math.min(waitMs, limitMs);
    if (waitMs <= 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    await within(this.#engine.clock, empty, waitMs);
  }

  /** Drops the replies that wait, and all later ones. Idempotent. */
  end(): void {
    this.#isEnded = true;
    for (const reply of this.#replies) this.#drop(reply);
    this.#onEmpty();
  }

  #sendAll(): void {
    const nowMs = this.#engine.clock.monoMs();
    for (const reply of [...this.#replies]) {
      if (reply.untilMs <= nowMs) this.#drop(reply);
      else {
        this.#forget(reply);
        reply.send();
      }
    }
    this.#onEmpty();
  }

  #dropExpired(): void {
    const nowMs = this.#engine.clock.monoMs();
    if (nowMs - this.#purgedMs < PURGE_PAUSE_MS) return;
    this.#purgedMs = nowMs;
    for (const reply of this.#replies) if (reply.untilMs <= nowMs) this.#drop(reply);
  }

  #drop(reply: Waiting): void {
    this.#forget(reply);
    this.#engine.stats.lostReplies++;
  }

  #forget(reply: Waiting): void {
    this.#replies.delete(reply);
    this.#bytes -= reply.bytes;
  }
}
