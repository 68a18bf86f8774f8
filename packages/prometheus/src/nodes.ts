/** The nodes of this process: read when somebody reads the metrics, until they are closed. */
import type { WatchedNode } from '@clstr/core';
import type { Sample } from './family.ts';

export class Nodes {
  readonly #open = new Set<WatchedNode>();

  watch(node: WatchedNode): void {
    this.#forgetClosed();
    this.#open.add(node);
  }

  /**
   * One sample per node id. Nodes of several services may share an id, and `join` makes one value of theirs. A node that
   * has no value is left out.
   */
  *samples(
    read: (node: WatchedNode) => number | undefined,
    join: (a: number, b: number) => number = (a, b) => a + b,
  ): Iterable<Sample> {
    this.#forgetClosed();
    const values = new Map<string, number>();
    for (const node of this.#open) {
      const value = read(node);
      if (value === undefined) continue;
      const before = values.get(node.id);
      values.set(node.id, before === undefined ? value : join(before, value));
    }
    for (const [id, value] of values) yield { labels: { node_id: id }, value };
  }

  #forgetClosed(): void {
    for (const node of this.#open) if (node.state === 'closed') this.#open.delete(node);
  }
}
