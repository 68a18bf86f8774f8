/** What a client knows of each shard: the direct address of its owner, and the highest epoch seen. */
import type { Address, NodeAddress } from '../wire/transport.ts';

interface KnownOwner {
  address: NodeAddress | undefined;
  epoch: number;
  /** An owner of an earlier epoch was known before. */
  hasMoved: boolean;
}

/**
 * Where a client sends calls. `owner`: to the owner alone; in a dynamic cluster calls wait until it is known. `shard`: to
 * the subject of the shard, where the bus finds the owner. `hybrid`: to the owner, and to the shard's subject while the
 * owner is unknown or its breaker is open.
 */
export type Route = 'owner' | 'shard' | 'hybrid';

export class Routes {
  /** Calls go to no other subject than that of the known owner. */
  readonly isOwnerOnly: boolean;
  readonly #routes = new Map<number, KnownOwner>();
  /** Changes with each address that a shard gets or loses. */
  version = 0;
  /** The client uses no direct subjects of nodes, or the server has forbidden them. */
  #isForbidden: boolean;

  constructor(route: Route = 'hybrid') {
    this.isOwnerOnly = route === 'owner';
    this.#isForbidden = route === 'shard';
  }

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
    this.version++;
    const route = this.#routes.get(shard);
    if (route === undefined) this.#routes.set(shard, { address, epoch: 0, hasMoved: false });
    else route.address = address;
  }

  /** Learns the owner of the shard in `epoch`, which the caller has found newer than the known one. */
  learn(shard: number, epoch: number, address: NodeAddress): void {
    this.version++;
    this.#routes.set(shard, { address, epoch, hasMoved: this.epochOf(shard) > 0 });
  }

  /** Forgets a route that led to no node, or to another. */
  forget(shard: number, address: NodeAddress): void {
    const route = this.#routes.get(shard);
    if (route?.address !== address) return;
    route.address = undefined;
    this.version++;
  }

  /** The address of each shard that has one. */
  *addresses(): Iterable<NodeAddress> {
    for (const { address } of this.#routes.values()) if (address !== undefined) yield address;
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
