/** The transports of this process. Their counts stay part of the totals when they are closed. */
import type { WatchedTransport } from '@clstr/core';
import { histogramSamples } from './durations.ts';
import type { Sample } from './family.ts';

const STATES: readonly WatchedTransport['state'][] = ['connected', 'disconnected'];

interface Counts {
  lostReplies: number;
  entries: number;
  readonly batchSizes: number[];
}

/** 1 to 1,024 entries in steps of a power of two, and more. */
const BOUNDS = Array.from({ length: 11 }, (_, power) => 2 ** power);

const noCounts = (): Counts => ({
  lostReplies: 0,
  entries: 0,
  batchSizes: new Array<number>(BOUNDS.length + 1).fill(0),
});

export class Transports {
  readonly #open = new Set<WatchedTransport>();
  /** What closed transports have counted. */
  readonly #closed: Counts = noCounts();

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
    const { batchSizes, entries } = this.#total();
    return histogramSamples(name, {}, BOUNDS, batchSizes, entries);
  }

  #total(): Counts {
    this.#takeClosed();
    const total = noCounts();
    add(total, this.#closed);
    for (const transport of this.#open) add(total, transport);
    return total;
  }

  #takeClosed(): void {
    for (const transport of this.#open) {
      if (transport.state !== 'closed') continue;
      this.#open.delete(transport);
      add(this.#closed, transport);
    }
  }
}

function add(total: Counts, more: Pick<WatchedTransport, keyof Counts>): void {
  total.lostReplies += more.lostReplies;
  total.entries += more.entries;
  for (const [power, count] of more.batchSizes.entries()) {
    total.batchSizes[Math.min(power, BOUNDS.length)]! += count;
  }
}
