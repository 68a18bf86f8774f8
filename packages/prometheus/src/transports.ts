/** The transports of this process. Their counts stay part of the totals when they are closed. */
import type { WatchedTransport } from '@clstr/core';
import type { Sample } from './family.ts';
import { Sizes } from './sizes.ts';

const STATES: readonly WatchedTransport['state'][] = ['connected', 'disconnected'];

class Counts {
  lostReplies = 0;
  readonly batches: Sizes = new Sizes();

  add(lostReplies: number, batchSizes: readonly number[], entries: number): void {
    this.lostReplies += lostReplies;
    this.batches.addAll(batchSizes, entries);
  }
}

export class Transports {
  readonly #open = new Set<WatchedTransport>();
  /** What closed transports have counted. */
  readonly #closed: Counts = new Counts();

  watch(transport: WatchedTransport): void {
    this.#takeClosed();
    this.#open.add(transport);
  }

  get lostReplies(): number {
    return this.#total().lostReplies;
  }

  /** How many connections are up, and how many are down. */
  *connections(): Iterable<Sample> {
    this.#takeClosed();
    const states = [...this.#open].map(({ state }) => state);
    for (const state of STATES) {
      yield { labels: { state }, value: states.filter((one) => one === state).length };
    }
  }

  batchSizes(name: string): Iterable<Sample> {
    return this.#total().batches.samples(name, {});
  }

  #total(): Counts {
    this.#takeClosed();
    const total = new Counts();
    const { lostReplies, batches } = this.#closed;
    total.add(lostReplies, batches.counts, batches.sum);
    for (const open of this.#open) total.add(open.lostReplies, open.batchSizes, open.entries);
    return total;
  }

  #takeClosed(): void {
    for (const transport of this.#open) {
      const { state, lostReplies, batchSizes, entries } = transport;
      if (state !== 'closed') continue;
      this.#open.delete(transport);
      this.#closed.add(lostReplies, batchSizes, entries);
    }
  }
}
