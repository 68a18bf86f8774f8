/** Compares the owner of each shard, as nodes report it, with the desired one. */
import { createPlacement } from '@clstr/core';
import type { NodeEvent, Placement } from '@clstr/core';

export class Owners {
  readonly #numShards: number;
  readonly #placement: Placement;
  readonly #owners: (string | undefined)[];
  /** The moves of each shard since the last {@link Owners.forgetMoves}. */
  #moves: number[] = [];
  #listeners = new Set<() => void>();

  constructor(numShards: number) {
    this.#numShards = numShards;
    this.#placement = createPlacement({ numShards });
    this.#owners = new Array<string | undefined>(numShards).fill(undefined);
    this.forgetMoves();
  }

  /** `onEvent` subscribes to the events of the node. */
  add(nodeId: string, onEvent: (listener: (event: NodeEvent) => void) => void): void {
    this.#placement.addNode(nodeId);
    onEvent((event) => {
      if (event.type === 'acquired') {
        this.#owners[event.shard] = nodeId;
        this.#moves[event.shard]!++;
      } else if (event.type === 'released' || event.type === 'lost') {
        if (this.#owners[event.shard] === nodeId) this.#owners[event.shard] = undefined;
      } else return;
      for (const listener of this.#listeners) listener();
    });
  }

  /** The node leaves. */
  remove(nodeId: string): void {
    this.#placement.removeNode(nodeId);
  }

  isSettled(): boolean {
    return this.#owners.every((owner, shard) => owner === this.#placement.ownerOf(shard));
  }

  /** Resolves once every shard is where it should be. */
  async untilSettled(): Promise<void> {
    while (!this.isSettled()) {
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          this.#listeners.delete(listener);
          setImmediate(resolve);
        };
        this.#listeners.add(listener);
      });
    }
  }

  forgetMoves(): void {
    this.#moves = new Array<number>(this.#numShards).fill(0);
  }

  get moves(): { total: number; mostOfOneShard: number } {
    return {
      total: this.#moves.reduce((sum, moves) => sum + moves, 0),
      mostOfOneShard: this.#moves.reduce((most, moves) => Math.max(most, moves), 0),
    };
  }
}
