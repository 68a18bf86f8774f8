/**
 * The calls of a list that go to one destination. A list of any length keeps a bounded number of calls in flight at each
 * node, below what a node admits; and a node that stands still holds up its own calls alone.
 */

/** Enough for full batches both ways, and a sixteenth of what a node admits by default. */
const MAX_IN_FLIGHT = 1_024;
/** An eighth of what a node admits by default. */
const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024;

export class Lane {
  #inFlight = 0;
  #inFlightBytes = 0;
  /** The places of its calls in the list, in order. */
  readonly #waiting: number[] = [];
  #first = 0;

  /** A call can leave: one waits, and there is room. */
  get isReady(): boolean {
    if (this.#first === this.#waiting.length) return false;
    return this.#inFlight < MAX_IN_FLIGHT && this.#inFlightBytes < MAX_IN_FLIGHT_BYTES;
  }

  add(index: number): void {
    this.#waiting.push(index);
  }

  take(): number {
    return this.#waiting[this.#first++]!;
  }

  began(bytes: number): void {
    this.#inFlight++;
    this.#inFlightBytes += bytes;
  }

  ended(bytes: number): void {
    this.#inFlight--;
    this.#inFlightBytes -= bytes;
  }
}
