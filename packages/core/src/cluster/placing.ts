/** Brings the placement up to date with the members, a few nodes in each turn of the event loop. */
import type { Clock } from '../base/clock.ts';
import type { Placement } from '../placement/placement.ts';

/** 3 ms of work, or 35 ms without WebAssembly: heartbeats and messages need the loop while a node joins 200 others. */
const HASHES_PER_TURN = 8_192;

export interface PlacingOptions {
  readonly placement: Placement;
  readonly numShards: number;
  readonly clock: Clock;
  /** Called when the placement has changed and covers all known members. */
  readonly onPlaced: () => void;
}

export class Placing {
  readonly #options: PlacingOptions;
  /** The weights of the nodes among which shards are spread. */
  readonly #placed = new Map<string, number>();
  /** The weights of nodes that are yet to be placed: undefined for a node that wants no shards. */
  readonly #waiting = new Map<string, number | undefined>();
  /** Hashes computed in this turn. */
  #hashes = 0;
  #isTurnOver = true;
  #isEnded = false;

  constructor(options: PlacingOptions) {
    this.#options = options;
  }

  /** False while some members are yet to be placed: until then the owners may be wrong. */
  get isDone(): boolean {
    return this.#waiting.size === 0;
  }

  /** How many shards a node has among those that are placed. */
  countOf(nodeId: string): number {
    return this.#options.placement.shardsOf(nodeId).length;
  }

  /** `weight` is undefined for a node that wants no shards. */
  set(nodeId: string, weight: number | undefined): void {
    if (weight === this.#placed.get(nodeId) && !this.#waiting.has(nodeId)) return;
    this.#waiting.set(nodeId, weight);
    this.#placeSome();
  }

  /** Idempotent. */
  end(): void {
    this.#isEnded = true;
    this.#waiting.clear();
  }

  #placeSome(): void {
    for (const [nodeId, weight] of this.#waiting) {
      if (this.#hashes >= HASHES_PER_TURN) return;
      this.#waiting.delete(nodeId);
      this.#place(nodeId, weight);
    }
    this.#options.onPlaced();
  }

  #place(nodeId: string, weight: number | undefined): void {
    const { placement, numShards } = this.#options;
    if (weight === this.#placed.get(nodeId)) return;
    if (this.#placed.delete(nodeId)) placement.removeNode(nodeId);
    if (weight === undefined) return;
    this.#placed.set(nodeId, weight);
    placement.addNode(nodeId, weight);
    this.#hashes += numShards;
    this.#awaitTurn();
  }

  #awaitTurn(): void {
    if (!this.#isTurnOver) return;
    this.#isTurnOver = false;
    this.#options.clock.macrotask(() => {
      this.#isTurnOver = true;
      this.#hashes = 0;
      if (!this.#isEnded && !this.isDone) this.#placeSome();
    });
  }
}
