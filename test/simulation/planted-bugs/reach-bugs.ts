/** Mistakes in how a node judges whether messages reach it, and in what it does about that. */
import type { Fault } from '@clstr/testing';
import type { PlantedBug } from './planted-bug.ts';

const DISPATCH = 'packages/core/src/node/dispatch.ts';
const REACH = 'packages/core/src/node/reach.ts';
const OWNERSHIP = 'packages/core/src/cluster/ownership.ts';

/** Longer than the limit of silence; some begin before the answer to a probe is read. */
function pausesBehindProbes(seed: number): readonly Fault[] {
  return Array.from({ length: 5 }, (_, i) => ({
    kind: 'pause',
    atMs: 6_000 + i * 4_000 + ((seed * 29 + i * 37) % 300),
    durationMs: 3_300,
    node: i % 3,
    salt: 1,
  }));
}

export const REACH_BUGS: readonly PlantedBug[] = [
  {
    name: 'a node does not ask itself whether messages reach it',
    invariant: 'L6',
    seed: 3,
    kinds: ['data-cut'],
    patches: [{ file: REACH, find: 'const isJudged = isCounting();', replace: 'const isJudged = false;' }],
  },
  {
    name: 'a node that messages do not reach keeps its shards',
    invariant: 'L6',
    seed: 3,
    kinds: ['data-cut'],
    patches: [
      {
        file: OWNERSHIP,
        find: 'return !isDesired && this.#mayMove() ?',
        replace: 'return !isDesired && (this.#isDraining || ledger.isUp(nodeId)) && this.#mayMove() ?',
      },
    ],
  },
  {
    name: 'a node takes a shard that it has yet to assert for one that it is not reached for',
    invariant: 'L7',
    seed: 132,
    patches: [{ file: DISPATCH, find: ' || entry.type === PROBE_TYPE;', replace: ';' }],
  },
  {
    name: 'the time for which a loop was blocked counts as silence',
    invariant: 'L7',
    seed: 93,
    schedule: pausesBehindProbes,
    patches: [
      {
        file: REACH,
        find: 'const passedMs = Math.min(nowMs - this.#lastTickMs, timing.heartbeatMs);',
        replace: 'const passedMs = nowMs - this.#lastTickMs;',
      },
      {
        file: REACH,
        find: 'const isJudged = isCounting();',
        replace: 'const isJudged = true;',
      },
    ],
  },
];
