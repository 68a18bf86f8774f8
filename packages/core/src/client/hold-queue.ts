/**
 * Calls that were refused because their shard is moving from one node to another. Calls of one key stay in order:
 * the first is tried again, and the others follow once it has been answered.
 */
import type { Clock } from '../base/clock.ts';
import type { Headers } from '../wire/envelope.ts';
import { heldBytes } from '../wire/transport.ts';

/** A call as the hold queue sees it. */
export interface HeldCall {
  readonly shard: number;
  readonly key: string | undefined;
  /** Rises with each call of the client. */
  readonly order: number;
  readonly payload: string | Uint8Array;
  readonly headers: Headers | undefined;
  /** Sends the call again. */
  resend(): void;
}

export interface HoldQueueOptions {
  readonly clock: Clock;
  /** Waits longer with each repeat, with full jitter. */
  readonly backoffMs: (repeat: number) => number;
}

/** Bounds of the calls that one client holds: as many as may be pending by default, so that a cold start can wait. */
export const MAX_HELD_CALLS = 65_536;
export const MAX_HELD_BYTES: number = 64 * 1024 * 1024;

interface Line {
  readonly shard: number;
  /** The waiting calls, unordered, as any of them may end; the one that is being tried is not among them. */
  readonly calls: Set<HeldCall>;
  trying: HeldCall | undefined;
  repeats: number;
  cancelTimer: (() => void) | undefined;
}

export class HoldQueue {
  readonly #options: HoldQueueOptions;
  readonly #lines = new Map<string | HeldCall, Line>();
  /** The same lines by shard: a shard that moves concerns few of them. */
  readonly #byShard = new Map<number, Set<Line>>();
  #calls = 0;
  #bytes = 0;

  constructor(options: HoldQueueOptions) {
    this.#options = options;
  }

  /** Hot path: whether a new call for the key has to wait behind others. */
  isHeld(key: string | undefined): boolean {
    return this.#lines.size > 0 && key !== undefined && this.#lines.has(key);
  }

  get isFull(): boolean {
    return this.#calls >= MAX_HELD_CALLS || this.#bytes >= MAX_HELD_BYTES;
  }

  /**
   * Holds a call that was refused, or that must not overtake a refused one. `pauseMs` is the time until it is tried, if
   * the queue is not to choose it.
   */
  hold(call: HeldCall, pauseMs?: number): void {
    const lineKey = call.key ?? call;
    let line = this.#lines.get(lineKey);
    if (line === undefined) {
      line = { shard: call.shard, calls: new Set(), trying: undefined, repeats: 0, cancelTimer: undefined };
      this.#open(lineKey, line);
    }
    if (line.trying === call) line.trying = undefined;
    line.calls.add(call);
    this.#calls++;
    this.#bytes += heldBytes(call);
    if (line.trying === undefined && line.cancelTimer === undefined) this.#tryLater(line, pauseMs);
  }

  /** The call has ended, with an answer or without. */
  ended(call: HeldCall): void {
    if (this.#lines.size === 0) return;
    const lineKey = call.key ?? call;
    const line = this.#lines.get(lineKey);
    if (line === undefined) return;
    if (line.calls.delete(call)) {
      this.#letGo(call);
    } else if (line.trying !== call) return;
    else {
      line.trying = undefined;
      this.#close(lineKey, line);
      const inOrder = [...line.calls].sort((a, b) => a.order - b.order);
      line.calls.clear();
      for (const next of inOrder) {
        this.#letGo(next);
        next.resend();
      }
      return;
    }
    if (line.calls.size > 0 || line.trying !== undefined) return;
    this.#close(lineKey, line);
  }

  /** A new owner of the shard is known: tries its calls at once. */
  onMoved(shard: number): void {
    for (const line of this.#byShard.get(shard) ?? []) {
      if (line.cancelTimer === undefined) continue;
      line.cancelTimer();
      this.#try(line);
    }
  }

  #open(lineKey: string | HeldCall, line: Line): void {
    this.#lines.set(lineKey, line);
    const lines = this.#byShard.get(line.shard);
    if (lines === undefined) this.#byShard.set(line.shard, new Set([line]));
    else lines.add(line);
  }

  #close(lineKey: string | HeldCall, line: Line): void {
    line.cancelTimer?.();
    this.#lines.delete(lineKey);
    const lines = this.#byShard.get(line.shard);
    lines?.delete(line);
    if (lines?.size === 0) this.#byShard.delete(line.shard);
  }

  #tryLater(line: Line, pauseMs = this.#options.backoffMs(line.repeats++)): void {
    line.cancelTimer = this.#options.clock.timer(() => this.#try(line), pauseMs);
  }

  #try(line: Line): void {
    line.cancelTimer = undefined;
    const call = earliestOf(line.calls);
    if (call === undefined) return;
    line.calls.delete(call);
    this.#letGo(call);
    line.trying = call;
    call.resend();
  }

  #letGo(call: HeldCall): void {
    this.#calls--;
    this.#bytes -= heldBytes(call);
  }
}

function earliestOf(calls: Iterable<HeldCall>): HeldCall | undefined {
  let earliest: HeldCall | undefined;
  for (const call of calls) if (earliest === undefined || call.order < earliest.order) earliest = call;
  return earliest;
}
