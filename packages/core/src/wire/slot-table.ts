/**
 * Finds waiting items by a number that counts up. Under a steady flow of additions and removals a `Map` rebuilds its
 * table again and again, and the old tables keep dead entries alive until a full collection (a fifth of the client's
 * time with 1,024 in flight): docs/decisions/0003.
 */
export class SlotTable<T extends { readonly id: number }> {
  /** By `id % slots`. */
  readonly #slots: (T | undefined)[];
  /** Items so old that a newer one took their slot. */
  readonly #overtaken = new Map<number, T>();

  constructor(slots: number) {
    this.#slots = new Array<T | undefined>(slots).fill(undefined);
  }

  add(value: T): void {
    const slot = value.id % this.#slots.length;
    const older = this.#slots[slot];
    if (older !== undefined) this.#overtaken.set(older.id, older);
    this.#slots[slot] = value;
  }

  get(id: number): T | undefined {
    const value = this.#slots[id % this.#slots.length];
    return value !== undefined && value.id === id ? value : this.#overtaken.get(id);
  }

  /** Removes an item, and returns it if it was there. */
  remove(id: number): T | undefined {
    const slot = id % this.#slots.length;
    const value = this.#slots[slot];
    if (value !== undefined && value.id === id) {
      this.#slots[slot] = undefined;
      return value;
    }
    const older = this.#overtaken.get(id);
    if (older !== undefined) this.#overtaken.delete(id);
    return older;
  }

  values(): T[] {
    return [...this.#overtaken.values(), ...this.#slots.filter((value) => value !== undefined)];
  }

  clear(): void {
    this.#overtaken.clear();
    this.#slots.fill(undefined);
  }
}
