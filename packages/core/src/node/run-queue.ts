/** Which handlers may run when only so many run at once, and what waits until one of them ends: first in, first out. */

/** What waits; the fields below `expectedMs` belong to the queue. */
export interface Waiter<T> {
  /** How long its handler will probably run, in milliseconds; 0 if nothing is known. */
  readonly expectedMs: number;
  isWaiting: boolean;
  next: T | undefined;
  previous: T | undefined;
}

/** A linked list, so that a waiter whose caller gives up leaves at once. */
export class RunQueue<T extends Waiter<T>> {
  readonly #maxRunning: number;
  #running = 0;
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;
  #expectedMs = 0;

  constructor(maxRunning: number) {
    this.#maxRunning = maxRunning;
  }

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first;
  }

  /** Whether a handler that arrives now may run at once. */
  get canRun(): boolean {
    return this.#running < this.#maxRunning && this.#size === 0;
  }

  /** How long it will probably take until all that wait now have begun, at least. */
  get waitMs(): number {
    return this.#expectedMs / this.#maxRunning;
  }

  started(): void {
    this.#running++;
  }

  ended(): void {
    this.#running--;
  }

  push(waiter: T): void {
    waiter.isWaiting = true;
    waiter.previous = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#size++;
    this.#expectedMs += waiter.expectedMs;
  }

  /** Removes and returns the waiter that may run now. */
  next(): T | undefined {
    const waiter = this.#first;
    if (waiter === undefined || this.#running >= this.#maxRunning) return undefined;
    this.remove(waiter);
    return waiter;
  }

  /** Removes a waiter wherever it is; does nothing if it does not wait. */
  remove(waiter: T): void {
    if (!waiter.isWaiting) return;
    const { next, previous } = waiter;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    waiter.next = undefined;
    waiter.previous = undefined;
    waiter.isWaiting = false;
    this.#size--;
    // The sum of fractions might not come back to 0 by itself.
    this.#expectedMs = this.#size === 0 ? 0 : this.#expectedMs - waiter.expectedMs;
  }
}
