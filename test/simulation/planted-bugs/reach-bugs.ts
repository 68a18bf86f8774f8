/** Mistakes in how a node judges whether messages reach it, and in what it does about that. */
import type { PlantedBug } from './planted-bug.ts';

const REACH = 'packages/core/src/node-reach.ts';
const OWNERSHIP = 'packages/core/src/membership/ownership.ts';
const SESSION = 'packages/core/src/membership/session.ts';

export const REACH_BUGS: readonly PlantedBug[] = [
  {
    name: 'a node does not ask itself whether messages reach it',
    invariant: 'L6',
    seed: 1,
    kinds: ['data-cut'],
    patches: [{ file: REACH, find: 'const isJudged = isCounting();', replace: 'const isJudged = false;' }],
  },
  {
    name: 'a node that messages do not reach keeps its shards',
    invariant: 'L6',
    seed: 1,
    kinds: ['data-cut'],
    patches: [
      {
        file: OWNERSHIP,
        find: 'return !isDesired && this.#mayMove() ?',
        replace: 'return !isDesired && (this.#isDraining || view.isUp(nodeId)) && this.#mayMove() ?',
      },
    ],
  },
  {
    name: 'the time for which a loop was blocked counts as silence',
    invariant: 'L7',
    seed: 1,
    kinds: ['pause'],
    patches: [
      {
        file: REACH,
        find: 'const passedMs = Math.min(nowMs - this.#lastTickMs, timing.heartbeatMs);',
        replace: 'const passedMs = nowMs - this.#lastTickMs;',
      },
      {
        file: SESSION,
        find: 'return this.isValid() && this.#lease.ageMs <= 2 * this.#options.timing.heartbeatMs;',
        replace: 'return this.isValid();',
      },
    ],
  },
];
