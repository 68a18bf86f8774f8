/** Mistakes in how a node judges whether messages reach it, and in what it does about that. */
import type { Fault } from '@clstr/testing';
import type { PlantedBug } from './planted-bug.ts';

const RECEIVERS = 'packages/core/src/node/receivers.ts';
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

/** Two outages, the second while answers are lost: a node has its lease again long before its shards are asserted. */
const outagesAndLostAnswers: readonly Fault[] = [
  { kind: 'outage', atMs: 7_599, durationMs: 2_288, node: 56, salt: 980_640_159 },
  { kind: 'broken-watches', atMs: 7_672, durationMs: 4_925, node: 36, salt: 2_223_118_217 },
  { kind: 'outage', atMs: 7_711, durationMs: 5_717, node: 36, salt: 1_310_382_389 },
  { kind: 'lossy-answers', atMs: 8_760, durationMs: 3_018, node: 36, salt: 2_168_129_205 },
  { kind: 'deaf', atMs: 9_667, durationMs: 5_220, node: 36, salt: 3_081_489_740 },
  { kind: 'lossy-answers', atMs: 13_108, durationMs: 5_366, node: 59, salt: 1_749_290_152 },
  { kind: 'broken-watches', atMs: 14_806, durationMs: 4_240, node: 56, salt: 3_482_087_389 },
  { kind: 'outage', atMs: 18_425, durationMs: 1_629, node: 78, salt: 2_657_247_176 },
];

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
    seed: 14,
    schedule: () => outagesAndLostAnswers,
    patches: [{ file: RECEIVERS, find: ' || entry.type === PROBE_TYPE;', replace: ';' }],
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
