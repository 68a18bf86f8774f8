/** The turns that wait for one actor, and which of them may run: one at a time, or several that only read. */

/** Something that runs in an actor's turn; what is below `isReadonly` belongs to the mailbox. */
export interface Turn<T> {
  readonly isReadonly: boolean;
  isWaiting: boolean;
  next: T | undefined;
  previous: T | undefined;
}

/**
 * Strictly first in, first out: a reader never overtakes a writer that waits. A linked list, so that a turn whose
 * caller gives up leaves at once: 100,000 that expire together would take minutes to find in an array.
 */
export class Mailbox<T extends Turn<T>> {
  /** Whether its actor takes turns; while it is shut, all wait. */
  isOpen = false;
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;
  #readers = 0;
  #isWriting = false;

  /** The turn that is next, when its time comes. */
  get first(): T | undefined {
    return this.#first;
  }

  /** Turns that wait. */
  get size(): number {
    return this.#size;
  }

  get isRunning(): boolean {
    return this.#isWriting || this.#readers > 0;
  }

  /** Whether a turn that comes now may run at once. */
  canRun(isReadonly: boolean): boolean {
    return this.isOpen && this.#size === 0 && this.#isFree(isReadonly);
  }

  push(turn: T): void {
    turn.isWaiting = true;
    turn.previous = this.#last;
    if (this.#last === undefined) this.#first = turn;
    else this.#last.next = turn;
    this.#last = turn;
    this.#size++;
  }

  /** Takes out the next turn that may run now. */
  next(): T | undefined {
    const turn = this.#first;
    if (turn === undefined || !this.isOpen || !this.#isFree(turn.isReadonly)) return undefined;
    this.remove(turn);
    return turn;
  }

  /** Takes a turn out, wherever it waits; false when it does not wait. */
  remove(turn: T): boolean {
    if (!turn.isWaiting) return false;
    const { next, previous } = turn;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    turn.next = undefined;
    turn.previous = undefined;
    turn.isWaiting = false;
    this.#size--;
    return true;
  }

  /** Takes out all that wait. */
  takeAll(): T[] {
    const turns: T[] = [];
    for (let turn = this.#first; turn !== undefined; turn = this.#first) {
      this.remove(turn);
      turns.push(turn);
    }
    return turns;
  }

  /** A turn begins; pair with {@link ended}. */
  started(isReadonly: boolean): void {
    if (isReadonly) this.#readers++;
    else this.#isWriting = true;
  }

  ended(isReadonly: boolean): void {
    if (isReadonly) this.#readers--;
    else this.#isWriting = false;
  }

  #isFree(isReadonly: boolean): boolean {
    return !this.#isWriting && (isReadonly || this.#readers === 0);
  }
}
