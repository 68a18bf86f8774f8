/** The counters of each value of one label. */

/** The most values of one label. The framework names a few hundred types per client or node; this bounds their sum. */
const MAX_VALUES = 1_024;
const OTHER = 'other';

export class ByLabel<T> {
  readonly #create: (value: string) => T;
  readonly #all = new Map<string, T>();
  /** Messages of one type come in groups. */
  #lastValue: string | undefined;
  #last: T | undefined;

  constructor(create: (value: string) => T) {
    this.#create = create;
  }

  /** Hot path. */
  of(value: string): T {
    if (value === this.#lastValue) return this.#last!;
    let found = this.#all.get(value);
    if (found === undefined) {
      if (this.#all.size >= MAX_VALUES && value !== OTHER) return this.of(OTHER);
      this.#all.set(value, (found = this.#create(value)));
    }
    this.#lastValue = value;
    this.#last = found;
    return found;
  }

  [Symbol.iterator](): Iterator<[string, T]> {
    return this.#all[Symbol.iterator]();
  }
}
