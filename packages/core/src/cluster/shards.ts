/**
 * The shards of a node, which checks them for each message: a fixed list, or those that its membership gives it.
 */
import type { Refusal } from '../base/errors.ts';
import type { NodeAddress } from '../wire/transport.ts';

export interface Shards {
  /** Hot path: whether a message for the shard may start now, which is `nowMs` on the monotonic clock. */
  admits(shard: number, nowMs: number): boolean;
  /** Whether a message admitted in `epoch` may still be answered; without an epoch, whether this node holds the shard. */
  holds(shard: number, epoch: number | undefined): boolean;
  /** Undefined in a static cluster. */
  epochOf(shard: number): number | undefined;
  /** Why a message is not admitted. The refusal may reach callers of callers, so it does not name the shard. */
  refusal(shard: number): Refusal;
  /** Ascending; the same list until it changes. */
  list(): readonly number[];
  readonly count: number;
  /** How many shards no node owns and serves, as far as this one knows. */
  readonly unowned: number;
  /** How many shards the placement gives this node, as far as it knows the members. */
  readonly wanted: number;
  /** Whether another node may handle a message type that this one does not know. */
  readonly isMixed: boolean;
  /** The owners of all shards, for clients: the same object until one changes. */
  topology(): Topology;
  /** This node has a lease, or needs none. */
  readonly isValid: boolean;
  /** It is valid, and the store that renews the lease answers now. */
  readonly isFresh: boolean;
  /** How long the lease lasts without another heartbeat, and 0 without one; undefined in a static cluster. */
  readonly leaseMarginMs: number | undefined;
  /** Why the membership store does not answer this node; undefined while it answers. */
  readonly storeTrouble: string | undefined;
  /** This node has given its shards to other nodes, which are still there. */
  readonly isAway: boolean;
  /** The reach of the node has changed. */
  onReach(): void;
  /** Resolves when the node serves its list, or is a member and can get shards. */
  start(host: NodeHost): Promise<void>;
  /** Hands over all shards within `limitMs`; returns undefined if no node can take them. Idempotent. */
  leave(limitMs: number): Promise<void> | undefined;
}

/** Where a client finds the owner of each shard, as one node knows it. */
export interface Topology {
  /** The id of the bucket: in another bucket, epochs begin anew. Empty in a static cluster. */
  readonly clusterId: string;
  /** `[shard, epoch, nodeId, inc]` of each shard that is owned. */
  readonly owners: readonly (readonly [number, number, string, string])[];
  /** `[why, nodeId, shards]` of those that no live run owns; left out by a node that does not know all records yet. */
  readonly unowned?: readonly (readonly [NoOwnerReason, string, readonly number[]])[] | undefined;
}

/**
 * Why a shard has no owner. `new`: it has no record; `restored`: the bucket was lost; `released`: the node has handed it
 * over; `gone`: the node was declared dead, has left or was restarted.
 */
export type NoOwnerReason = 'new' | 'restored' | 'released' | 'gone';

/** What happens to the shards of a node in a dynamic cluster. `inc` names one incarnation of it. */
export type ShardEvent =
  | { readonly type: 'joined'; readonly inc: string }
  | { readonly type: 'acquired'; readonly shard: number; readonly epoch: number }
  /** The shard was handed over: nothing of it is left here. */
  | { readonly type: 'released'; readonly shard: number }
  /** Another node has taken the shard, or may have: the node drops what it had in memory. */
  | { readonly type: 'lost'; readonly shard: number }
  /** The lease is over: the node admits nothing until a heartbeat is acknowledged. */
  | { readonly type: 'lapsed' }
  /** All shards of this incarnation are lost; another one begins. */
  | { readonly type: 'fenced'; readonly inc: string; readonly reason: string };

/** A node that has handed over a shard, and the secret for which it gives away what it keeps of it. */
export interface FormerOwner {
  readonly address: NodeAddress;
  readonly secret: string;
}

/** What the node does when a shard comes or goes. None of it rejects. */
export interface ShardHost {
  /** Resolves when messages for the shard reach this node. `former` is the owner that has handed it over. */
  serve(shard: number, former: FormerOwner | undefined): Promise<void>;
  /**
   * Refuses waiting messages, finishes running ones, saves the actors in memory, and leaves the shard's subject. Resolves
   * with a secret for the next owner, if this one keeps something for it.
   */
  handOver(shard: number): Promise<string | undefined>;
  /**
   * The shard belongs to another node, perhaps for a long time: nothing of it may be saved. Resolves when nothing is left
   * that could run.
   */
  drop(shard: number): Promise<void>;
  onEvent(event: ShardEvent): void;
}

/** What a node does for its shards. */
export interface NodeHost extends ShardHost {
  /**
   * Serves the direct address of a new incarnation, and `shards` with it. Resolves when messages reach them; may reject
   * before the node has started.
   */
  enter(self: NodeAddress, shards: readonly number[]): Promise<void>;
  reach(): Reach;
}

/** Whether messages reach a node, as its own probes show; `doubted` when answers have been missing for a while. */
export type Reach = 'reached' | 'doubted' | 'lost';

/** The message for callers of a shard that is on its way. */
export function movedText(nodeId: string): string {
  return `the shard of this message is moving, to or from node ${nodeId}`;
}
