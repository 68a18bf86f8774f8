/** Which node owns a shard: rendezvous hashing, the node with the highest score for the shard wins. */
import { ClstrError } from './errors.ts';
import type { PlacementKind } from './membership/membership.ts';
import { checkInteger, checkString, invalidOption } from './options.ts';
import { boundOf, boundedOwners } from './placement-bound.ts';
import { bestFor, isEqual, isHigher, scoreNode, sortScores } from './placement-scores.ts';
import type { Scores } from './placement-scores.ts';
import type { Hash64 } from './shard.ts';
import { hash64 } from './shard.ts';

/**
 * The shards that `nodeId` owns when exactly `nodeIds` are members, ascending. Every node computes the same answer,
 * whatever the order of `nodeIds`.
 *
 * Score of a node for a shard: the hash of `shard.ts` over `[seed 0x00] "shard:<n>" 0x00 nodeId`. Nodes are compared
 * in bytewise order of their ids and only a strictly greater score wins (rendezvous hashing, Thaler and
 * Ravishankar, 1998).
 *
 * @throws INVALID_OPTION when an argument has the wrong type, or `nodeId` is not among `nodeIds`.
 */
export function shardsForNode(
  nodeId: string,
  nodeIds: readonly string[],
  numShards: number,
  seed = '',
): number[] {
  const list: unknown = nodeIds;
  if (!Array.isArray(list)) throw invalidOption('shardsForNode', 'nodeIds', list, 'a list of node ids');
  if (!nodeIds.includes(nodeId)) {
    throw new ClstrError(
      'INVALID_OPTION',
      `shardsForNode: node ${JSON.stringify(nodeId)} is not among the ${nodeIds.length} nodeIds`,
    );
  }
  const placement = createPlacement({ numShards, seed });
  for (const id of nodeIds) placement.addNode(id);
  return placement.shardsOf(nodeId);
}

export interface PlacementOptions {
  numShards: number;
  /** Default: ''. */
  seed?: string | undefined;
  /**
   * `bounded`: no node holds more than ceil(1.1 × its share of the shards), at the price of some more moves when a node
   * comes or goes. Default: `rendezvous`.
   */
  kind?: PlacementKind | undefined;
  /**
   * Node id → how much of the shards it gets, in proportion: above 0, at most 1,000. A node without one weighs 1, once
   * there are any. All members have to be told the same. Default: none, every node gets as much.
   */
  weights?: Readonly<Record<string, number>> | undefined;
  /** The hash function; another one only to observe or to study it. */
  hash?: ((text: string) => Hash64) | undefined;
}

/** A placement that changes node by node: adding one costs one hash per shard, removing one costs none. */
export interface Placement {
  /** Adds a node; adding it twice changes nothing. */
  addNode(nodeId: string): void;
  /** Removes a node; its shards go to the next highest score. */
  removeNode(nodeId: string): void;
  /** The owner of a shard, or undefined when there is no node. */
  ownerOf(shard: number): string | undefined;
  /** The shards of a node, ascending. */
  shardsOf(nodeId: string): number[];
}

/** A placement keeps 8 bytes per shard and node: 128 MiB for one node at this count. */
const MAX_PLACED_SHARDS = 16_777_216;
const MAX_WEIGHT = 1_000;

/** @throws INVALID_OPTION on a bad shard count, seed, kind or weight. */
export function createPlacement(options: PlacementOptions): Placement {
  const { numShards, seed, kind, weights, hash } = resolveOptions(options);
  const weightOf = (nodeId: string): number => weights?.get(nodeId) ?? 1;
  const members = new Map<string, Scores>();
  let sorted: Scores[] = [];
  /** The best node of each shard, changed by each join and leave. */
  const best: (Scores | undefined)[] = new Array<Scores | undefined>(numShards);
  /** Who owns each shard under the bound; worked out when somebody asks. */
  let bounded: (Scores | undefined)[] | undefined;

  function owners(): (Scores | undefined)[] {
    if (kind === 'rendezvous') return best;
    if (bounded !== undefined) return bounded;
    // Added up in an order that all members share: sums of fractions depend on it.
    const total = sorted.reduce((sum, { nodeId }) => sum + weightOf(nodeId), 0);
    const bounds = sorted.map(({ nodeId }) => boundOf(numShards, weightOf(nodeId), total));
    return (bounded = boundedOwners(best, sorted, bounds));
  }

  return {
    addNode(nodeId) {
      checkString('createPlacement', 'nodeId', nodeId);
      if (members.has(nodeId)) return;
      const weight = weights === undefined ? undefined : weightOf(nodeId);
      const scores = scoreNode(nodeId, weight, { numShards, seed, hash });
      members.set(nodeId, scores);
      sorted = sortScores(members.values());
      bounded = undefined;
      for (let shard = 0; shard < numShards; shard++) {
        const owner = best[shard];
        if (owner === undefined || isHigher(scores, owner, shard)) best[shard] = scores;
        else if (isEqual(scores, owner, shard)) best[shard] = bestFor(shard, sorted);
      }
    },
    removeNode(nodeId) {
      const scores = members.get(nodeId);
      if (scores === undefined) return;
      members.delete(nodeId);
      sorted = sorted.filter((other) => other !== scores);
      bounded = undefined;
      for (let shard = 0; shard < numShards; shard++) {
        if (best[shard] === scores) best[shard] = bestFor(shard, sorted);
      }
    },
    ownerOf: (shard) => owners()[shard]?.nodeId,
    shardsOf(nodeId) {
      const shards: number[] = [];
      for (const [shard, owner] of owners().entries()) if (owner?.nodeId === nodeId) shards.push(shard);
      return shards;
    },
  };
}

const KINDS: readonly unknown[] = ['rendezvous', 'bounded'] satisfies PlacementKind[];

function resolveOptions(options: PlacementOptions) {
  const owner = 'createPlacement';
  const { kind = 'rendezvous', weights, hash = hash64 } = options;
  if (!KINDS.includes(kind)) throw invalidOption(owner, 'kind', kind, `one of ${KINDS.join(', ')}`);
  return Object.freeze({
    numShards: checkInteger(owner, 'numShards', options.numShards, 1, MAX_PLACED_SHARDS),
    seed: checkString(owner, 'seed', options.seed ?? ''),
    kind,
    weights: weights === undefined ? undefined : checkWeights(owner, weights),
    hash,
  });
}

/** A copy: what the caller changes later must not change the placement. */
function checkWeights(owner: string, given: unknown): ReadonlyMap<string, number> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidOption(owner, 'weights', given, 'an object of node id → weight');
  }
  const weights = new Map<string, number>();
  for (const [nodeId, weight] of Object.entries(given) as [string, unknown][]) {
    if (typeof weight !== 'number' || !(weight > 0 && weight <= MAX_WEIGHT)) {
      throw invalidOption(owner, `weights.${nodeId}`, weight, `a number above 0, at most ${MAX_WEIGHT}`);
    }
    weights.set(nodeId, weight);
  }
  return weights;
}
