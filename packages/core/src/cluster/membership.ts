/** What a node is given in place of a list of shards: where its cluster meets, and by which rules. */
import type { PlacementKind } from '../placement/kind.ts';
import type { Logger } from '../base/logger.ts';
import type { ClusterLocation } from '../wire/transport.ts';
import type { ClusterStore } from './store.ts';
import type { Timing } from './timing.ts';

/**
 * How shards are spread: `rendezvous` as `shardsForNode` computes it, `bounded` so that no node holds more than
 * ceil(1.1 × mean).
 */
export interface Membership {
  readonly name: string;
  /** Which cluster it leads to; undefined where there is only one. A node's transport has to lead to the same. */
  readonly cluster?: ClusterLocation | undefined;
  /** How this node waits; each node publishes its lease to the others. */
  readonly timing: Timing;
  /** How the cluster places shards: a node that differs is refused. */
  readonly placement: PlacementKind;
  /**
   * Opens this node's own way to the bucket; the node closes it.
   *
   * @throws CONNECT_FAILED, AUTH_FAILED, NO_PERMISSION, UNSUPPORTED_VERSION
   */
  open(context?: MembershipContext): Promise<ClusterStore>;
}

/** What a node tells the way to its cluster's bucket. */
export interface MembershipContext {
  /** The node's, for a membership that was given no logger. */
  readonly logger?: Logger | undefined;
}
