/** Which node owns a shard: rendezvous hashing, the node with the highest score for the shard wins. */
import { ClstrError } from './errors.ts';
import { checkInteger, checkString, invalidOption } from './options.ts';
import type { Hash64 } from './shard.ts';
import { hash64, seeded } from './shard.ts';

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

/** Scores of one node for every shard: the two halves of each hash. */
interface Scores {
  readonly nodeId: string;
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

/** @throws INVALID_OPTION on a bad shard count or seed. */
export function createPlacement(options: PlacementOptions): Placement {
  const numShards = checkInteger('createPlacement', 'numShards', options.numShards, 1, MAX_PLACED_SHARDS);
  const seed = checkString('createPlacement', 'seed', options.seed ?? '');
  const hash = options.hash ?? hash64;
  const members = new Map<string, Scores>();
  let sorted: Scores[] = [];
  const owners: (Scores | undefined)[] = new Array<Scores | undefined>(numShards);

  function winner(shard: number): Scores | undefined {
    let best: Scores | undefined;
    for (const scores of sorted) if (best === undefined || isHigher(scores, best, shard)) best = scores;
    return best;
  }

  return {
    addNode(nodeId) {
      checkString('createPlacement', 'nodeId', nodeId);
      if (members.has(nodeId)) return;
      const scores = scoreNode(nodeId, numShards, seed, hash);
      members.set(nodeId, scores);
      sorted = [...members.values()].sort((a, b) => compareBytewise(a.nodeId, b.nodeId));
      for (let shard = 0; shard < numShards; shard++) {
        const owner = owners[shard];
        if (owner === undefined || isHigher(scores, owner, shard)) owners[shard] = scores;
        else if (isEqual(scores, owner, shard)) owners[shard] = winner(shard);
      }
    },
    removeNode(nodeId) {
      const scores = members.get(nodeId);
      if (scores === undefined) return;
      members.delete(nodeId);
      sorted = sorted.filter((other) => other !== scores);
      for (let shard = 0; shard < numShards; shard++) {
        if (owners[shard] === scores) owners[shard] = winner(shard);
      }
    },
    ownerOf: (shard) => owners[shard]?.nodeId,
    shardsOf(nodeId) {
      const shards: number[] = [];
      for (let shard = 0; shard < numShards; shard++)
        if (owners[shard]?.nodeId === nodeId) shards.push(shard);
      return shards;
    },
  };
}

function scoreNode(nodeId: string, numShards: number, seed: string, hash: (text: string) => Hash64): Scores {
  const high = new Uint32Array(numShards);
  const low = new Uint32Array(numShards);
  for (let shard = 0; shard < numShards; shard++) {
    const score = hash(seeded(seed, `shard:${shard}\0${nodeId}`));
    high[shard] = score.high;
    low[shard] = score.low;
  }
  return { nodeId, high, low };
}

function isHigher(a: Scores, b: Scores, shard: number): boolean {
  const high = a.high[shard]! - b.high[shard]!;
  return high === 0 ? a.low[shard]! > b.low[shard]! : high > 0;
}

function isEqual(a: Scores, b: Scores, shard: number): boolean {
  return a.high[shard] === b.high[shard] && a.low[shard] === b.low[shard];
}

/** Order of UTF-8 bytes, which is the order of code points; JavaScript compares UTF-16 units. */
function compareBytewise(a: string, b: string): number {
  const left = Array.from(a);
  const right = Array.from(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
