/** The shards that a node holds now. */

/** A shard as its record says that this node holds it. */
export interface HeldShard {
  readonly epoch: number;
  revision: number;
  /** The `leaseTerm` of the session when the write that proves ownership was first sent; -1 for none. */
  confirmedInTerm: number;
  /** Messages may reach the shard: it is neither on its way in nor out. */
  isServing: boolean;
  /** The host knows of the shard: not before it is asserted, and so not while the session is lapsed. */
  isAnnounced: boolean;
}

export class HeldShards {
  readonly #held: (HeldShard | undefined)[];
  /** How many there are: read at each change, where counting all would take quadratic time. */
  count = 0;
  #list: readonly number[] | undefined;

  constructor(numShards: number) {
    this.#held = new Array<HeldShard | undefined>(numShards).fill(undefined);
  }

  /** Hot path. */
  get(shard: number): HeldShard | undefined {
    return this.#held[shard];
  }

  /** `undefined` for a shard that is not held any more. */
  set(shard: number, held: HeldShard | undefined): void {
    if (this.#held[shard] !== undefined) this.count--;
    if (held !== undefined) this.count++;
    this.#held[shard] = held;
    this.#list = undefined;
  }

  /** Ascending; the same list until it changes. */
  list(): readonly number[] {
    if (this.#list === undefined) {
      const shards: number[] = [];
      for (const [shard, held] of this.#held.entries()) if (held !== undefined) shards.push(shard);
      this.#list = Object.freeze(shards);
    }
    return this.#list;
  }
}
