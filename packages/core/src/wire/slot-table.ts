/**
 * Finds what waits by a number that counts up. A `Map` would do, but under a steady flow of additions and removals it
 * rebuilds its table again and again, and its dead tables keep the dead entries alive until a full collection (measured
 * at 1,024 in flight: a fifth of the client's time): docs/decisions/0003.
 */
export class SlotTable<T extends { readonly id: number }> {
  /** By `id % slots`. */
  readonly #slots: (T | undefined)[];
  /** Those so old that a newer one took their slot. */
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

  /** Forgets it, and returns it if it was there. */
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
