/** Looks for a seed that shows a planted bug. */
import type { SimulationReport } from '@clstr/testing';
import { bundleSimulator } from './bundle.ts';
import type { Patch } from './bundle.ts';
import type { PlantedBug } from './planted-bugs/planted-bug.ts';
import { Pool } from './pool.ts';
import type { RunOptions } from './worker.ts';

export interface Found {
  /** Undefined when no seed did. */
  readonly seed: number | undefined;
  /** Seeds that were run. */
  readonly tried: number;
  /** What they tripped, and how often. */
  readonly tripped: ReadonlyMap<string, number>;
}

/** Of `count` seeds from `from`, one that trips the invariant of the bug. */
export async function search(bug: PlantedBug, from: number, count: number): Promise<Found> {
  const tripped = new Map<string, number>();
  let tried = 0;
  let next = from;
  for (;;) {
    let seed: number | undefined;
    await withPool(bug.patches, (pool) =>
      pool.runSeeds(
        next,
        from + count - next,
        (each) => optionsOf(bug, each),
        (report) => {
          tried++;
          for (const { invariant } of report.violations) {
            tripped.set(invariant, (tripped.get(invariant) ?? 0) + 1);
          }
          if (trips(bug, report)) seed ??= report.seed;
          return seed !== undefined;
        },
      ),
    );
    if (seed === undefined || !(await isTrippedWithoutBug(bug, seed))) return { seed, tried, tripped };
    next = seed + 1;
  }
}

export function optionsOf({ kinds, schedule, isDurable }: PlantedBug, seed: number): RunOptions {
  return { seed, kinds, faults: schedule?.(seed), isDurable };
}

export function trips(bug: PlantedBug, { violations }: SimulationReport): boolean {
  return violations.some(({ invariant }) => invariant === bug.invariant);
}

export async function withPool<T>(patches: readonly Patch[], use: (pool: Pool) => Promise<T>): Promise<T> {
  const bundle = await bundleSimulator(patches);
  const pool = new Pool(bundle);
  try {
    return await use(pool);
  } finally {
    await pool.close();
    await bundle.remove();
  }
}

/** By what only makes room for the bug. */
async function isTrippedWithoutBug(bug: PlantedBug, seed: number): Promise<boolean> {
  if (bug.harmless === undefined) return false;
  const { report } = await withPool(bug.harmless, (pool) => pool.run(optionsOf(bug, seed)));
  return trips(bug, report);
}
