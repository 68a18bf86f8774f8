/** The waiting turns of one actor, and which of them may run: one at a time, or several that only read. */

/** A turn of an actor; the fields below `expectedMs` belong to the mailbox. */
export interface Turn<T> {
  readonly isReadonly: boolean;
  /** How long it will probably run, in milliseconds; 0 if nothing is known. */
  readonly expectedMs: number;
  isWaiting: boolean;
  next: T | undefined;
  previous: T | undefined;
}

/** What all mailboxes of one node count together. */
export interface Mailboxes {
  /** How many turns wait. */
  depth: number;
}

/**
 * A strict first-in, first-out queue: a reader never overtakes a waiting writer. It is a linked list, so that a turn
 * whose caller gives up leaves at once: in an array it would take minutes to find 100,000 turns that expire together.
 */
export class Mailbox<T extends Turn<T>> {
  /** Whether the actor takes turns; while the mailbox is closed, all turns wait. */
  isOpen = false;
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;
  #expectedMs = 0;
  readonly #all: Mailboxes;
  #readers = 0;
  #isWriting = false;

  constructor(all: Mailboxes) {
    this.#all = all;
  }

  /** The turn that is next in the queue. */
  get first(): T | undefined {
    return this.#first;
  }

  /** The number of waiting turns. */
  get size(): number {
    return this.#size;
  }

  /** How long the waiting turns will probably run, at least: those that only read may run together, and count nothing. */
  get expectedMs(): number {
    return this.#expectedMs;
  }

  get isRunning(): boolean {
    return this.#isWriting || this.#readers > 0;
  }

  /** Whether a turn that arrives now may run at once. */
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
    if (!turn.isReadonly) this.#expectedMs += turn.expectedMs;
    this.#all.depth++;
  }

  /** Removes and returns the next turn that may run now. */
  next(): T | undefined {
    const turn = this.#first;
    if (turn === undefined || !this.isOpen || !this.#isFree(turn.isReadonly)) return undefined;
    this.remove(turn);
    return turn;
  }

  /** Removes a turn wherever it is in the queue; returns false when it does not wait. */
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
    // The sum of fractions might not come back to 0 by itself.
    if (this.#size === 0) this.#expectedMs = 0;
    else if (!turn.isReadonly) this.#expectedMs -= turn.expectedMs;
    this.#all.depth--;
    return true;
  }

  /** Removes and returns all waiting turns. */
  takeAll(): T[] {
    const turns: T[] = [];
    for (let turn = this.#first; turn !== undefined; turn = this.#first) {
      this.remove(turn);
      turns.push(turn);
    }
    return turns;
  }

  /** Marks the begin of a turn; pair with {@link ended}. */
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
