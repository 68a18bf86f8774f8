/** A cluster of real nodes in one process, over memory and on virtual time. */
import { createNode } from '@clstr/core';
import type { Node, TimingProfile } from '@clstr/core';
import { VirtualClock } from '@clstr/testing/internal';
import { createMemoryBus, memoryMembership, memoryTransport } from '@clstr/transport-memory';
import { createCountedStore, difference } from './counted-store.ts';
import type { StoreCounts } from './counted-store.ts';
import { Owners } from './owners.ts';

export interface MemoryClusterOptions {
  readonly numShards: number;
  /** Default `default`. */
  readonly timing?: TimingProfile;
}

/** The cost of one change of the cluster, until every shard was where it should be. */
export interface Change {
  /** In virtual time. */
  readonly settledMs: number;
  /** Processor time of this process: all nodes, the store and the virtual clock together. */
  readonly cpuMs: number;
  readonly moves: number;
  readonly mostMovesOfOneShard: number;
  readonly counts: StoreCounts;
}

const STEP_MS = 20;
const LIMIT_MS = 600_000;

export class MemoryCluster {
  readonly #clock = new VirtualClock();
  readonly #numShards: number;
  readonly #owners: Owners;
  readonly #nodes = new Map<string, Node>();
  readonly #store;
  readonly #counts: StoreCounts;
  readonly #transport;
  readonly #timing: TimingProfile;

  constructor({ numShards, timing = 'default' }: MemoryClusterOptions) {
    this.#numShards = numShards;
    this.#timing = timing;
    this.#owners = new Owners(numShards);
    const { store, counts } = createCountedStore(this.#clock, numShards);
    this.#store = store;
    this.#counts = counts;
    this.#transport = memoryTransport({ bus: createMemoryBus({ clock: this.#clock }) });
  }

  /** Starts nodes, all at the same time. */
  join(...ids: readonly string[]): Promise<Change> {
    return this.#change(() => {
      for (const id of ids) {
        const node = createNode({
          id,
          numShards: this.#numShards,
          clock: this.#clock,
          transport: this.#transport,
          membership: memoryMembership({
            store: this.#store,
            member: id,
            clock: this.#clock,
            timing: this.#timing,
          }),
          handler: () => id,
        });
        this.#nodes.set(id, node);
        this.#owners.add(node.id, (listener) => node.onEvent(listener));
        void node.start();
      }
    });
  }

  leave(id: string): Promise<Change> {
    return this.#change(() => {
      this.#owners.remove(id);
      void this.#nodes.get(id)!.drain();
    });
  }

  /** The counts of the store per second of virtual time, while nothing changes. */
  async countsPerSecond(seconds: number): Promise<StoreCounts> {
    const before = { ...this.#counts };
    await this.#clock.pass(seconds * 1_000);
    const counts = difference(this.#counts, before);
    const names = Object.keys(counts) as (keyof StoreCounts)[];
    return Object.fromEntries(names.map((name) => [name, counts[name] / seconds])) as unknown as StoreCounts;
  }

  async #change(begin: () => void): Promise<Change> {
    const before = { ...this.#counts };
    const cpuBefore = process.cpuUsage();
    const startedMs = this.#clock.monoMs();
    this.#owners.forgetMoves();
    begin();
    while (!this.#owners.isSettled()) {
      if (this.#clock.monoMs() - startedMs > LIMIT_MS) throw new Error('the cluster does not come to rest');
      await this.#clock.pass(STEP_MS);
    }
    const settledMs = this.#clock.monoMs() - startedMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    const { total, mostOfOneShard } = this.#owners.moves;
    const counts = difference(this.#counts, before);
    // Lets the cluster come to rest before the next change.
    await this.#clock.pass(REST_MS);
    return {
      settledMs,
      cpuMs: (user + system) / 1_000,
      counts,
      moves: total,
      mostMovesOfOneShard: mostOfOneShard,
    };
  }
}

const REST_MS = 10_000;

export function nodeIds(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `node-${String(i).padStart(4, '0')}`);
}
