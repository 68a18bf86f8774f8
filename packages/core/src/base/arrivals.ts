/** Items in the order in which they arrived, any of which may be taken out. A `Set` would search for its first item. */

/** Where an item is, in one list. */
export class Arrival<T> {
  readonly item: T;
  before: Arrival<T> | undefined;
  after: Arrival<T> | undefined = undefined;

  constructor(item: T, before: Arrival<T> | undefined) {
    this.item = item;
    this.before = before;
  }
}

export class Arrivals<T> {
  #first: Arrival<T> | undefined;
  #last: Arrival<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first?.item;
  }

  add(item: T): Arrival<T> {
    const arrival = new Arrival(item, this.#last);
    if (this.#last === undefined) this.#first = arrival;
    else this.#last.after = arrival;
    this.#last = arrival;
    this.#size++;
    return arrival;
  }

  /** The arrival is one of this list. */
  delete({ before, after }: Arrival<T>): void {
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    this.#size--;
  }
}
