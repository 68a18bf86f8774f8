/** What decides whether a node may work for a shard: a list given at start, or its membership in a cluster. */
import { Refusal } from '../base/errors.ts';

/** Where a client finds the owner of each shard, as one node knows it. */
export interface Topology {
  /** Of the bucket: with another one, epochs begin anew. Empty in a static cluster. */
  readonly clusterId: string;
  /** `[shard, epoch, nodeId, inc]` of each shard that is owned. */
  readonly owners: readonly (readonly [number, number, string, string])[];
}

/** What happens to the shards of a node in a dynamic cluster. `inc` names one incarnation of it. */
export type ShardEvent =
  | { readonly type: 'joined'; readonly inc: string }
  | { readonly type: 'acquired'; readonly shard: number; readonly epoch: number }
  /** Handed over: nothing of it is left here. */
  | { readonly type: 'released'; readonly shard: number }
  /** Another node has taken it, or may have: what was in memory is dropped. */
  | { readonly type: 'lost'; readonly shard: number }
  /** The lease is over: nothing is admitted until a heartbeat gets through. */
  | { readonly type: 'lapsed' }
  /** All shards of this incarnation are lost; another one begins. */
  | { readonly type: 'fenced'; readonly inc: string; readonly reason: string };

/** What the node does when a shard comes or goes. Nothing of it rejects. */
export interface ShardHost {
  /** Resolves when messages for the shard reach this node. */
  serve(shard: number): Promise<void>;
  /** Refuses what waits, finishes what runs, saves what is in memory, and leaves the shard's subject. */
  handOver(shard: number): Promise<void>;
  /**
   * The shard belongs to another node, perhaps for long: nothing of it may be saved. Resolves when nothing of it is left
   * that could run.
   */
  drop(shard: number): Promise<void>;
  onEvent(event: ShardEvent): void;
}

/** Whether messages reach a node, as it finds out by itself. */
export type Reach = 'reached' | 'doubted' | 'lost';

/** For which shards a node may work, asked anew for each message. */
export interface ShardGate {
  /** Whether a message for the shard may start now, which is `nowMs` on the monotonic clock. */
  admits(shard: number, nowMs: number): boolean;
  /** Whether what was admitted in `epoch` may still be answered; without an epoch, whether the shard is this node's. */
  holds(shard: number, epoch: number | undefined): boolean;
  /** Undefined in a static cluster. */
  epochOf(shard: number): number | undefined;
  /** Why a message is not admitted. It may reach callers of callers, and names no shard. */
  refusal(shard: number): Refusal;
  /** Ascending; the same list until it changes. */
  shards(): readonly number[];
  /** Whether another node may handle a message type that this one does not know. */
  readonly isMixed: boolean;
  /** Who owns what, for clients: the same object until that changes. */
  topology(): Topology;
}

const NO_OWNERS: Topology = { clusterId: '', owners: [] };

/** The same shards for ever. */
export function staticGate(nodeId: string, shards: ReadonlySet<number>): ShardGate {
  const sorted = [...shards].sort((a, b) => a - b);
  // Asked for each message, and cheaper than a set: dense or sparse, as the engine finds best.
  const isServed: boolean[] = [];
  for (const shard of shards) isServed[shard] = true;
  return {
    admits: (shard) => isServed[shard] === true,
    holds: () => true,
    epochOf: () => undefined,
    refusal: () => new Refusal('NOT_OWNER', `node ${nodeId} does not serve the shard of this message`),
    shards: () => sorted,
    isMixed: false,
    topology: () => NO_OWNERS,
  };
}
