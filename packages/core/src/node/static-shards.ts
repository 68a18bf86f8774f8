/** The shards of a node in a static cluster: they never change. */
import { Refusal } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import type { Shards, Topology } from '../cluster/shards.ts';
import { nodeAddress } from '../wire/address.ts';

const NO_OWNERS: Topology = { clusterId: '', owners: [] };

export function staticShards(nodeId: string, shards: ReadonlySet<number>, random: Random): Shards {
  const sorted = [...shards].sort((a, b) => a - b);
  // Read for each message, and cheaper than a set; V8 decides whether the array is dense or sparse.
  const isServed: boolean[] = [];
  for (const shard of shards) isServed[shard] = true;
  return {
    admits: (shard) => isServed[shard] === true,
    holds: () => true,
    epochOf: () => undefined,
    refusal: () => new Refusal('NOT_OWNER', `node ${nodeId} does not serve the shard of this message`),
    list: () => sorted,
    count: sorted.length,
    unowned: 0,
    wanted: sorted.length,
    isMixed: false,
    topology: () => NO_OWNERS,
    isValid: true,
    isFresh: true,
    leaseMarginMs: undefined,
    storeTrouble: undefined,
    isAway: false,
    onReach: () => undefined,
    start: (host) => host.enter(nodeAddress(nodeId, randomId(random, 10))!, sorted),
    leave: () => undefined,
  };
}
