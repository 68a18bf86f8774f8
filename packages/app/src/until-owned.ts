/** The last step of a start in a dynamic cluster: until every shard has an owner, a first call might find no node. */
import { counted, pause } from '@clstr/core/internal';
import type { Clock, Logger, Node, Timing } from '@clstr/core';

export interface UntilOwnedOptions {
  readonly timing: Timing;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 20;

/**
 * Resolves when, to the node's knowledge, every shard of the cluster has an owner, or when the node ends. Gives up
 * after two expiries: the node is a member, and if others are missing it has to serve without them.
 */
export async function untilOwned(node: Node, { timing, clock, logger }: UntilOwnedOptions): Promise<void> {
  const { expiryMs, stableMs } = timing;
  const startedMs = clock.monoMs();
  let isSaid = false;
  for (
    let waitedMs = 0;
    node.state !== 'draining' && node.state !== 'closed';
    waitedMs = clock.monoMs() - startedMs
  ) {
    const { id: nodeId, unowned } = node;
    if (unowned === 0) return;
    if (waitedMs >= 2 * (expiryMs + stableMs)) {
      logger.warn(
        { event: 'app.starts_unowned', nodeId, unowned },
        `node ${nodeId} starts, but ${counted(unowned, 'shard')} without an owner cannot be called yet`,
      );
      return;
    }
    if (!isSaid && waitedMs >= 2 * stableMs) {
      isSaid = true;
      const message =
        `node ${nodeId} waits for the owners of ${counted(unowned, 'shard')}, up to ${expiryMs} ms: they have no record, or their ` +
        'owner has just died. provisionCluster({ numShards, isNew: true }) spares a new cluster this wait';
      logger.warn({ event: 'app.waits_for_owners', nodeId, unowned }, message);
    }
    await pause(clock, LOOK_MS);
  }
}
