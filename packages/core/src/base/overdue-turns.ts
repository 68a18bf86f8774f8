/** Reports user code that is past its time and has not ended: once in the log, then rarely, and to health checks. */
import type { Clock } from './clock.ts';
import { describe } from './describe.ts';
import type { Logger } from './logger.ts';

/** A turn of user code that is past its time and has not ended. */
export interface OverdueTurn {
  /** The type of its message; or `setup of <actor>` and the like, for code that runs without a message. */
  readonly type: string;
  readonly key: string | undefined;
  readonly shard: number;
  /** The time since its message arrived. */
  readonly ageMs: number;
}

export interface WatchedTurn {
  readonly type: string;
  readonly key: string | undefined;
  readonly shard: number;
  /** When its message arrived, on the clock of the watch. */
  readonly sinceMs: number;
}

/** Time for code that ends when its signal fires; what takes longer is overdue. */
const GRACE_MS = 100;
/** The shortest time between two log lines, and the first and the longest pause before a turn is named again. */
const LOG_PAUSE_MS = 1_000;
const FIRST_REPEAT_MS = 60_000;
const MAX_REPEAT_MS = 3_600_000;
/** Further turns are neither logged nor listed: by then the log is full of them. */
const MAX_WATCHED = 1_024;

export class OverdueTurns {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watches = new Map<WatchedTurn, Watch>();
  #quietUntilMs = -Infinity;
  #isClosed = false;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The turn runs on although its time is over at `deadlineMs`. Pair with {@link ended}. */
  watch(turn: WatchedTurn, deadlineMs: number): void {
    if (this.#isClosed || this.#watches.size >= MAX_WATCHED) return;
    this.#watches.set(turn, new Watch(deadlineMs + GRACE_MS));
    this.#cancelTimer ??= this.#lookIn(Math.max(0, deadlineMs + GRACE_MS - this.#clock.monoMs()));
  }

  ended(turn: WatchedTurn): void {
    if (this.#watches.delete(turn) && this.#watches.size === 0) this.#stop();
  }

  /** The oldest first. */
  list(): OverdueTurn[] {
    const nowMs = this.#clock.monoMs();
    const overdue = [...this.#watches].filter(([, { isOverdue }]) => isOverdue);
    return overdue
      .map(([{ type, key, shard, sinceMs }]) => ({ type, key, shard, ageMs: Math.round(nowMs - sinceMs) }))
      .sort((a, b) => b.ageMs - a.ageMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#watches.clear();
    this.#stop();
  }

  #stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #lookIn(delayMs: number): () => void {
    // Turns that are watched later may be due sooner, but none before the grace is over.
    return this.#clock.timer(() => this.#look(), Math.min(delayMs, GRACE_MS * 10));
  }

  #look(): void {
    const nowMs = this.#clock.monoMs();
    const due = [...this.#watches].filter(([, { dueMs }]) => dueMs <= nowMs);
    for (const [, watch] of due) watch.isOverdue = true;
    if (due.length > 0 && nowMs >= this.#quietUntilMs) {
      this.#quietUntilMs = nowMs + LOG_PAUSE_MS;
      this.#log(due[0]![0], nowMs, due.length - 1);
      for (const [, watch] of due) watch.repeatAfter(nowMs);
    }
    const nextMs = Math.min(
      ...[...this.#watches.values()].map(({ dueMs }) => Math.max(dueMs, this.#quietUntilMs)),
    );
    this.#cancelTimer =
      this.#watches.size === 0 ? undefined : this.#lookIn(Math.max(GRACE_MS, nextMs - nowMs));
  }

  #log({ type, key, shard, sinceMs }: WatchedTurn, nowMs: number, others: number): void {
    const ageMs = Math.round(nowMs - sinceMs);
    const where = key === undefined ? `shard ${shard}` : `key ${describe(key)} (shard ${shard})`;
    const more = others === 0 ? '' : `; ${others} others are overdue as well`;
    this.#logger.warn(
      { event: 'handler.overdue', type, key, shard, ageMs, others },
      `${describe(type)} for ${where} has not ended after ${ageMs} ms, and its time is over${more}`,
    );
  }
}

class Watch {
  dueMs: number;
  isOverdue = false;
  #repeatMs = FIRST_REPEAT_MS;

  constructor(dueMs: number) {
    this.dueMs = dueMs;
  }

  repeatAfter(nowMs: number): void {
    this.dueMs = nowMs + this.#repeatMs;
    this.#repeatMs = Math.min(MAX_REPEAT_MS, 2 * this.#repeatMs);
  }
}
