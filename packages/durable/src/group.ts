/** The changes of several turns that are stored in one record, and the replies that wait for it. */
import type { Change } from './model.ts';

export class Group {
  /** Settles when the record is stored, or will not be. */
  readonly stored: Promise<void>;
  readonly events: string[];
  resolve!: () => void;
  reject!: (error: unknown) => void;
  #newest: Change;
  #length: number;

  constructor(change: Change) {
    this.events = [...change.events];
    this.#newest = change;
    this.#length = change.length;
    this.stored = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Each reply that waits for it rejects by itself; there may be none.
    this.stored.catch(() => undefined);
  }

  /** The state after the last of these turns: never ahead of their events. */
  get state(): () => string | undefined {
    return this.#newest.state;
  }

  get isErased(): boolean {
    return this.#newest.isErased;
  }

  /** Whether a record of at most `most` bytes can hold one more change. */
  takes(change: Change, most: number): boolean {
    // Nothing is kept from before the erasure, and nothing may come before it.
    if (change.isErased !== this.isErased) return false;
    return change.events.length === 0 || 3 * (this.#length + change.length) <= most;
  }

  add(change: Change): void {
    this.events.push(...change.events);
    this.#newest = change;
    this.#length = change.events.length === 0 ? change.length : this.#length + change.length;
  }
}
