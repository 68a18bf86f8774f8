/** Keeps items in one list per shard: adding one, removing one and walking the items of a shard need no search. */

/** An item of at most one {@link ByShard}; both links belong to its list. */
export interface OfShard<T> {
  nextOfShard: T | undefined;
  previousOfShard: T | undefined;
}

export class ByShard<T extends OfShard<T>> {
  /** The first of each list. V8 decides whether the array is dense or sparse. */
  readonly #firsts: (T | undefined)[] = [];

  isEmpty(shard: number): boolean {
    return this.#firsts[shard] === undefined;
  }

  /** Returns a copy, so that the caller may remove items while it walks the list. */
  of(shard: number): T[] {
    const found: T[] = [];
    for (let item = this.#firsts[shard]; item !== undefined; item = item.nextOfShard) found.push(item);
    return found;
  }

  add(shard: number, item: T): void {
    const first = this.#firsts[shard];
    item.nextOfShard = first;
    if (first !== undefined) first.previousOfShard = item;
    this.#firsts[shard] = item;
  }

  remove(shard: number, item: T): void {
    const { nextOfShard: next, previousOfShard: previous } = item;
    if (next !== undefined) next.previousOfShard = previous;
    if (previous !== undefined) previous.nextOfShard = next;
    else this.#firsts[shard] = next;
  }
}
