/** Which node owns a shard: by rendezvous hashing, the node with the highest score for the shard. */
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import type { Hash64 } from './text-hash.ts';
import { PLACEMENT_KINDS } from './kind.ts';
import type { PlacementKind } from './kind.ts';
import { defaults } from '../base/defaults.ts';
import { checkString, invalidOption } from '../base/options.ts';
import type { Option, Resolved, Spec } from '../base/spec.ts';
import { callback, integer, oneOf, option, optional, resolve, text } from '../base/spec.ts';
import { boundOf, boundedOwners } from './bound.ts';
import { bestFor, isEqual, isHigher, scoreNode, sortScores, weightedScores } from './scores.ts';
import type { Scores } from './scores.ts';

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
      `shardsForNode: node ${describe(nodeId)} is not among the ${nodeIds.length} nodeIds`,
    );
  }
  const placement = createPlacement({ numShards, seed });
  for (const id of nodeIds) placement.addNode(id);
  return placement.shardsOf(nodeId);
}

export interface PlacementOptions {
  numShards: number;
  /** Mixed into every hash. Default ''. */
  seed?: string | undefined;
  /**
   * `bounded`: no node holds more than ceil(1.1 × its share of the shards), at the price of a few more moves when a node
   * comes or goes. Default `rendezvous`.
   */
  kind?: PlacementKind | undefined;
  /** Replaces the hash of `shardFromString`, for tests and experiments. */
  hash?: ((text: string) => Hash64) | undefined;
}

/** A placement that changes node by node: adding one costs one hash per shard, removing one costs none. */
export interface Placement {
  /**
   * Adds a node; adding it twice changes nothing. `weight` says how much of the shards it gets, in proportion: above 0,
   * at most 1,000, default 1. Placements agree only if they were given the same weights.
   *
   * @throws INVALID_OPTION
   */
  addNode(nodeId: string, weight?: number): void;
  /** Removes a node; its shards go to the next highest score. */
  removeNode(nodeId: string): void;
  /** The owner of a shard, or undefined when there is no node. */
  ownerOf(shard: number): string | undefined;
  /** The shards of a node, ascending. */
  shardsOf(nodeId: string): number[];
}

/** A placement keeps 8 bytes per shard and node, twice as much with weights: 128 MiB for one node at this count. */
const MAX_PLACED_SHARDS = 16_777_216;
const MAX_WEIGHT = 1_000;

const OWNER = 'createPlacement';

export const placementSpec: Spec<Resolved<PlacementOptions, 'hash'>> = {
  numShards: integer(1, MAX_PLACED_SHARDS),
  seed: text(defaults.seed),
  kind: oneOf(PLACEMENT_KINDS, 'rendezvous', `one of ${PLACEMENT_KINDS.join(', ')}`),
  hash: optional(callback()),
};

/** @throws INVALID_OPTION on a bad shard count, seed or kind. */
export function createPlacement(options: PlacementOptions): Placement {
  const { numShards, seed, kind, hash } = resolve(OWNER, placementSpec, options);
  /** The bare hashes of each node. */
  const members = new Map<string, Scores>();
  /** The scores that count, in the order in which equal ones win. */
  let sorted: Scores[] = [];
  let isWeighted = false;
  /** The best node of each shard, changed by each join and leave. */
  const best: (Scores | undefined)[] = new Array<Scores | undefined>(numShards);
  /** The owner of each shard under the bound, computed on demand. */
  let bounded: (Scores | undefined)[] | undefined;

  function owners(): (Scores | undefined)[] {
    if (kind === 'rendezvous') return best;
    if (bounded !== undefined) return bounded;
    // All members add up in the same order, because sums of fractions depend on it.
    const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
    const bounds = sorted.map(({ weight }) => boundOf(numShards, weight, total));
    return (bounded = boundedOwners(best, sorted, bounds));
  }

  /** Returns whether all scores changed: the first node that does not weigh 1 has come, or the last has gone. */
  function rescore(): boolean {
    const isWeightedNow = [...members.values()].some(({ weight }) => weight !== 1);
    if (isWeightedNow === isWeighted) return false;
    isWeighted = isWeightedNow;
    sorted = sortScores([...members.values()].map((bare) => (isWeighted ? weightedScores(bare) : bare)));
    for (let shard = 0; shard < numShards; shard++) best[shard] = bestFor(shard, sorted);
    return true;
  }

  return {
    addNode(nodeId, weight = 1) {
      checkString(OWNER, 'nodeId', nodeId);
      weightOption.check(OWNER, 'weight', weight);
      if (members.has(nodeId)) return;
      const bare = scoreNode(nodeId, weight, { numShards, seed, hash });
      members.set(nodeId, bare);
      bounded = undefined;
      if (rescore()) return;
      const scores = isWeighted ? weightedScores(bare) : bare;
      sorted = sortScores([...sorted, scores]);
      for (let shard = 0; shard < numShards; shard++) {
        const owner = best[shard];
        if (owner === undefined || isHigher(scores, owner, shard)) best[shard] = scores;
        else if (isEqual(scores, owner, shard)) best[shard] = bestFor(shard, sorted);
      }
    },
    removeNode(nodeId) {
      if (!members.delete(nodeId)) return;
      bounded = undefined;
      if (rescore()) return;
      sorted = sorted.filter((scores) => scores.nodeId !== nodeId);
      for (let shard = 0; shard < numShards; shard++) {
        if (best[shard]?.nodeId === nodeId) best[shard] = bestFor(shard, sorted);
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

export const weightOption: Option<number> = option((owner, name, value) => {
  if (isWeight(value)) return value;
  throw invalidOption(owner, name, value, `a number above 0, at most ${MAX_WEIGHT}`);
}, 1);

export function isWeight(weight: unknown): weight is number {
  return typeof weight === 'number' && weight > 0 && weight <= MAX_WEIGHT;
}
