/** What users see of a node: the counterpart of client/api.ts. */
import type { NodeState } from '../base/node-state.ts';
import type { OverdueTurn } from '../base/overdue-turns.ts';
import type { ShardEvent } from '../cluster/shards.ts';
import type { DrainOptions } from './options.ts';
import type { NodeReadings } from './readings.ts';

/** An event of a node: about its reach, and in a dynamic cluster about its shards. */
export type NodeEvent =
  | ShardEvent
  /** Messages do not reach this node, or not for all its shards. Also in a static cluster. */
  | { readonly type: 'unreachable'; readonly reason: string }
  /** Messages reach it again. */
  | { readonly type: 'reachable' };

export interface Node extends NodeReadings {
  readonly id: string;
  readonly state: NodeState;
  /**
   * Handlers and other user code that have not ended 100 ms after their time, the oldest first, 1,024 at most. Each blocks
   * its actor: messages behind it expire. The node also logs them, once and then rarely.
   */
  overdue(): readonly OverdueTurn[];
  /** The shards this node owns, ascending. */
  shards(): readonly number[];
  /** Whether the node would admit a message for the shard at this very moment. */
  owns(shard: number): boolean;
  /** Calls `listener` with each event of this node; the returned function ends that. */
  onEvent(listener: (event: NodeEvent) => void): () => void;
  /**
   * Resolves when messages reach every shard; with a membership, when they reach the node and it is a member, which gets
   * shards from then on. A node starts once.
   *
   * @throws TRANSPORT_CLOSED, NO_PERMISSION, SUBSCRIPTION_LIMIT, NO_SUBSCRIBER, TIMEOUT; with a membership also
   * NODE_ID_IN_USE, CLUSTER_CONFIG_MISMATCH, and STORE_REFUSED or TIMEOUT when the store refuses or does not answer for too
   * long
   */
  start(): Promise<void>;
  /**
   * With a membership, hands every shard over to the other nodes first, which takes `graceMs` at most. Then refuses new
   * messages as `DRAINING`, answers those it has accepted, and leaves the bus. If a handler takes longer than `graceMs`,
   * its signal fires, and its caller gets `ABORTED`, outcome unknown. Idempotent.
   */
  drain(options?: DrainOptions): Promise<void>;
  /** Drains without grace. Leaves the transport open. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
