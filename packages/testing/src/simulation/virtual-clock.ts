/** The time of a simulated world: it stands still while anything runs, then jumps to the next event. */
import type { Clock } from '@clstr/core';

interface Event {
  readonly dueMs: number;
  readonly order: number;
  readonly fn: () => void;
  isCancelled: boolean;
}

/** Everything in a simulation is an event of this clock; a macrotask is an event that is due at once. */
export class VirtualClock implements Clock {
  readonly #heap: Event[] = [];
  #nowMs = START_MS;
  #orders = 0;
  /** The number of events so far. */
  events = 0;

  monoMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + START_OF_2026;
  }

  timer(fn: () => void, delayMs: number): () => void {
    const event: Event = {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#orders++,
      fn,
      isCancelled: false,
    };
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  macrotask(fn: () => void): void {
    this.timer(fn, 0);
  }

  /** Lets `ms` pass. Between two events all pending promises run. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await microtasks(this.events);
    for (;;) {
      const event = this.#heap[0];
      if (event === undefined || event.dueMs > untilMs) break;
      this.#pop();
      if (event.isCancelled) continue;
      this.#nowMs = Math.max(this.#nowMs, event.dueMs);
      this.events++;
      event.fn();
      await microtasks(this.events);
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

const START_MS = 1_000_000;
const START_OF_2026 = Date.UTC(2026, 0, 1);

function isBefore(a: Event, b: Event): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/**
 * Resolves when no promise can continue: a tick begins only after the last microtask, and costs a tenth of a turn of
 * the event loop, which is taken now and then for other code.
 */
function microtasks(events: number): Promise<void> {
  return new Promise((resolve) => {
    if (events % EVENTS_PER_TURN === 0) setImmediate(resolve);
    else process.nextTick(resolve);
  });
}

const EVENTS_PER_TURN = 1_024;
