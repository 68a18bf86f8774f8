/** The actors of this process: read when somebody reads the metrics, until their handler is closed. */
import type { WatchedActors } from '@clstr/core';
import type { Sample } from './family.ts';

export class Actors {
  readonly #open = new Set<WatchedActors>();

  watch(actors: WatchedActors): void {
    this.#forgetClosed();
    this.#open.add(actors);
  }

  sum(read: (actors: WatchedActors) => number): Sample {
    this.#forgetClosed();
    let value = 0;
    for (const actors of this.#open) value += read(actors);
    return { labels: {}, value };
  }

  /** How many actors of each type are in memory. */
  active(): ReadonlyMap<string, number> {
    this.#forgetClosed();
    const counts = new Map<string, number>();
    for (const actors of this.#open) {
      for (const [actor, count] of actors.active()) counts.set(actor, (counts.get(actor) ?? 0) + count);
    }
    return counts;
  }

  #forgetClosed(): void {
    for (const actors of this.#open) if (actors.isClosed) this.#open.delete(actors);
  }
}
