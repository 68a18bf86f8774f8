/** What a client knows of each shard: the direct address of its owner, and the highest epoch seen. */
import type { Address, NodeAddress } from '../wire/transport.ts';

interface Route {
  address: NodeAddress | undefined;
  epoch: number;
  /** An owner of an earlier epoch was known before. */
  hasMoved: boolean;
}

export class Routes {
  readonly #routes = new Map<number, Route>();
  /** The server has forbidden this client the direct subjects of nodes. */
  #isForbidden = false;

  get(shard: number): NodeAddress | undefined {
    return this.#isForbidden ? undefined : this.#routes.get(shard)?.address;
  }

  /** Hot path: where a message for the shard goes. The shard's own subject finds the owner. */
  addressOf(shard: number): Address {
    return this.get(shard) ?? { shard };
  }

  /** Returns 0 if no epoch is known. */
  epochOf(shard: number): number {
    return this.#routes.get(shard)?.epoch ?? 0;
  }

  /** Whether a known owner of the shard has been replaced. */
  hasMoved(shard: number): boolean {
    return this.#routes.get(shard)?.hasMoved ?? false;
  }

  set(shard: number, address: NodeAddress): void {
    const route = this.#routes.get(shard);
    if (route === undefined) this.#routes.set(shard, { address, epoch: 0, hasMoved: false });
    else route.address = address;
  }

  /** Learns the owner of the shard in `epoch`, which the caller has found newer than the known one. */
  learn(shard: number, epoch: number, address: NodeAddress): void {
    this.#routes.set(shard, { address, epoch, hasMoved: this.epochOf(shard) > 0 });
  }

  /** Forgets a route that led to no node, or to another. */
  forget(shard: number, address: NodeAddress): void {
    const route = this.#routes.get(shard);
    if (route?.address === address) route.address = undefined;
  }

  /** From now on all messages go to the shards' own subjects. */
  forbid(): void {
    this.#isForbidden = true;
  }

  /** The cluster was re-created: its epochs begin again. */
  forgetEpochs(): void {
    for (const route of this.#routes.values()) route.epoch = 0;
  }
}
