/** The scores of rendezvous hashing, by which all processes agree on the best node for a shard. */
import { hashSeries } from './hash64.ts';
import { hashSeriesBy } from './text-hash.ts';
import type { Hash64 } from './text-hash.ts';
import { seeded } from './shard.ts';

/** Scores of one node for every shard: the two halves of each. */
export interface Scores {
  readonly nodeId: string;
  readonly weight: number;
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

export interface Scoring {
  readonly numShards: number;
  readonly seed: string;
  /** Undefined means the hash of `hash64.ts`. */
  readonly hash: ((text: string) => Hash64) | undefined;
}

/** The bare hashes, which are the scores as long as every node weighs 1. */
export function scoreNode(nodeId: string, weight: number, scoring: Scoring): Scores {
  const { numShards, seed, hash } = scoring;
  const high = new Uint32Array(numShards);
  const low = new Uint32Array(numShards);
  const series = { head: seeded(seed, 'shard:'), tail: `\0${nodeId}`, high, low };
  if (hash === undefined) hashSeries(series);
  else hashSeriesBy(hash, series);
  return { nodeId, weight, high, low };
}

/** Weights bare hashes, for when not every node weighs 1. Nodes that weigh 1 keep the order of their hashes. */
export function weightedScores({ nodeId, weight, high, low }: Scores): Scores {
  const weighted: Scores = {
    nodeId,
    weight,
    high: new Uint32Array(high.length),
    low: new Uint32Array(high.length),
  };
  for (let shard = 0; shard < high.length; shard++) {
    bits.setFloat64(0, weigh(high[shard]!, low[shard]!, weight));
    weighted.high[shard] = bits.getUint32(0);
    weighted.low[shard] = bits.getUint32(4);
  }
  return weighted;
}

const bits = new DataView(new ArrayBuffer(8));

/**
 * -weight / ln(hash as a fraction of 1): the highest wins with a chance in proportion to its weight (Schindelhauer and
 * Schomaker, Weighted distributed hash tables, 2005). Scores are the bits of positive doubles, which rise with them.
 *
 * The fraction has 52 bits and a half, so that it is neither 0 nor 1. `Math.log` may differ in its last bit between
 * engines: they disagree only where two scores are that close, about one shard in 2^50 for each pair of nodes.
 */
function weigh(high: number, low: number, weight: number): number {
  const fraction = (high * 0x10_0000 + (low >>> 12) + 0.5) / 0x10_0000_0000_0000;
  return -weight / Math.log(fraction);
}

/** Sorts into the order in which equal scores win. */
export function sortScores(scores: Iterable<Scores>): Scores[] {
  return [...scores].sort((a, b) => compareBytewise(a.nodeId, b.nodeId));
}

/** The best of `sorted` for a shard: the first of those with the highest score. */
export function bestFor(shard: number, sorted: readonly Scores[]): Scores | undefined {
  let best: Scores | undefined;
  for (const scores of sorted) if (best === undefined || isHigher(scores, best, shard)) best = scores;
  return best;
}

export function isHigher(a: Scores, b: Scores, shard: number): boolean {
  const high = a.high[shard]! - b.high[shard]!;
  return high === 0 ? a.low[shard]! > b.low[shard]! : high > 0;
}

export function isEqual(a: Scores, b: Scores, shard: number): boolean {
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
