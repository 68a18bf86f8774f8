/** What a node shows of itself to health checks and gauges. Each value is computed when it is read, not per message. */
import type { Reach } from '../cluster/shards.ts';

export interface NodeReadings {
  /** How many messages are accepted and not yet answered. */
  readonly inFlight: number;
  /** How many messages in flight wait for their turn behind others of their key. */
  readonly waiting: number;
  /** Whether the node refuses calls, critical ones last, because messages wait too long for it. */
  readonly isShedding: boolean;
  /** How many shards of the cluster no node owns, as far as this one knows; 0 in a static cluster. */
  readonly unowned: number;
  /** How many shards this node should own, as far as it knows the members; in a static cluster those of its list. */
  readonly wanted: number;
  /**
   * How long the node may serve without another acknowledged heartbeat, in milliseconds: at 0 it is lapsed. Undefined in
   * a static cluster, which has no leases.
   */
  readonly leaseMarginMs: number | undefined;
  /** Why the membership store does not answer this node; undefined while it answers, and in a static cluster. */
  readonly storeTrouble: string | undefined;
  /** Whether messages reach this node, as its probes of its own subjects show. */
  readonly reach: Reach;
}
