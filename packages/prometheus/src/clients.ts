/** The clients of this process: read when somebody reads the metrics, until they are closed. */
import type { WatchedClient } from '@clstr/core';
import type { Sample } from './family.ts';

export class Clients {
  readonly #open = new Set<WatchedClient>();

  watch(client: WatchedClient): void {
    this.#forgetClosed();
    this.#open.add(client);
  }

  /** What is left of the smallest retry budget; no sample without a client that repeats calls. */
  *retriesLeft(): Iterable<Sample> {
    this.#forgetClosed();
    const left = [...this.#open].flatMap(({ retriesLeft }) => retriesLeft ?? []);
    if (left.length > 0) yield { labels: {}, value: Math.min(...left) };
  }

  /** Over all clients; no sample without one that has breakers. */
  *openBreakers(): Iterable<Sample> {
    this.#forgetClosed();
    const open = [...this.#open].flatMap(({ openBreakers }) => openBreakers ?? []);
    if (open.length > 0) yield { labels: {}, value: open.reduce((sum, count) => sum + count, 0) };
  }

  #forgetClosed(): void {
    for (const client of this.#open) if (client.isClosed) this.#open.delete(client);
  }
}
