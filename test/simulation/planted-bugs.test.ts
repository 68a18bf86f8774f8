/** Tests of the simulator: each mistake put into the sources is found, by the invariant it breaks. */
import { describe, expect, test } from 'vitest';
import { PLANTED_BUGS } from './planted-bugs/index.ts';
import { optionsOf, search, trips, withPool } from './search.ts';

const TIMEOUT_MS = 120_000;
const MAX_SEEDS = 2_000;
/** One of each file, quick to find: all of them from a random base take `npm run simulate -- --search --seeds 2000`. */
const SEARCHED = [
  'silence alone',
  'counted from the acknowledgement',
  'a new call overtakes',
  'messages do not reach keeps',
];

describe('a planted bug', () => {
  test.each(PLANTED_BUGS)(
    'trips $invariant: $name',
    async (bug) => {
      const { report } = await withPool(bug.patches, (pool) => pool.run(optionsOf(bug, bug.seed)));
      expect(report.violations.map(({ invariant }) => invariant)).toContain(bug.invariant);
    },
    TIMEOUT_MS,
  );

  test.each(PLANTED_BUGS.filter(({ harmless }) => harmless !== undefined))(
    'is what trips it, not the room made for it: $name',
    async (bug) => {
      const { report } = await withPool(bug.harmless!, (pool) => pool.run(optionsOf(bug, bug.seed)));
      expect(trips(bug, report)).toBe(false);
    },
    TIMEOUT_MS,
  );

  test.each(SEARCHED)(
    'is found from a random seed on: %s',
    async (name) => {
      const base = Math.floor(Math.random() * 1e9);
      const found = await search(
        PLANTED_BUGS.find((bug) => bug.name.includes(name))!,
        base,
        MAX_SEEDS,
      );
      expect(found.seed, `${MAX_SEEDS} seeds from ${base}`).toBeDefined();
    },
    TIMEOUT_MS,
  );
});

describe('the sources as they are', () => {
  test(
    'break nothing with the same seeds and faults',
    async () => {
      const failed = await withPool([], async (pool) => {
        const runs = await Promise.all(PLANTED_BUGS.map((bug) => pool.run(optionsOf(bug, bug.seed))));
        return runs.filter(({ report }) => report.violations.length > 0);
      });
      expect(failed.map(({ report }) => ({ seed: report.seed, violations: report.violations }))).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
