/** What a node gets instead of a list of shards: where to find its cluster, and its rules. */
import type { PlacementKind } from '../placement/kind.ts';
import type { Logger } from '../base/logger.ts';
import type { ClusterLocation } from '../wire/transport.ts';
import type { ClusterStore } from './store.ts';
import type { Timing } from './timing.ts';

/**
 * How shards are spread: `rendezvous` as `shardsForNode` computes it, or `bounded`, so that no node holds more than
 * ceil(1.1 × mean).
 */
export interface Membership {
  readonly name: string;
  /** Which cluster it leads to; undefined if there is only one. A node's transport has to lead to the same. */
  readonly cluster?: ClusterLocation | undefined;
  /** How long this node waits for what; each node publishes its lease to the others. */
  readonly timing: Timing;
  /** How the cluster places shards: a node that differs is refused. */
  readonly placement: PlacementKind;
  /**
   * Opens a connection to the bucket for this node, which closes it.
   *
   * @throws CONNECT_FAILED, AUTH_FAILED, NO_PERMISSION, UNSUPPORTED_VERSION
   */
  open(context?: MembershipContext): Promise<ClusterStore>;
}

/** What a node passes to {@link Membership.open}. */
export interface MembershipContext {
  /** The node's logger, for a membership that was created without one. */
  readonly logger?: Logger | undefined;
}
