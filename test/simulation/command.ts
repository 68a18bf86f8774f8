/** `npm run simulate`: many seeds, and what they did; see `--help`. */
import type { Fault, SimulationReport } from '@clstr/testing';
import { FAULT_KINDS } from '@clstr/testing';
import { HELP, readArguments } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { bundleSimulator } from './bundle.ts';
import { PLANTED_BUGS } from './planted-bugs/index.ts';
import type { PlantedBug } from './planted-bugs/planted-bug.ts';
import { Pool } from './pool.ts';
import { search } from './search.ts';
import { shrink } from './shrink.ts';
import { SLICES } from './slices.ts';
import { Tally } from './tally.ts';
import type { RunOptions } from './worker.ts';

const MAX_SHOWN = 5;

/** Resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let given: Arguments;
  let bugs: readonly PlantedBug[];
  let options: Omit<RunOptions, 'seed'>;
  try {
    given = readArguments(args);
    bugs = bugsOf(given);
    options = optionsOf(given, bugs[0]);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  if (given.wantsHelp) console.log(HELP);
  else if (given.wantsSearch) return await searchAll(bugs.length > 0 ? bugs : PLANTED_BUGS, given);
  else return await runAll(given, options, bugs[0]);
  return 0;
}

function bugsOf({ bug, wantsSearch }: Arguments): readonly PlantedBug[] {
  if (bug === undefined) return [];
  const bugs = PLANTED_BUGS.filter(({ name }) => name.includes(bug));
  if (bugs.length === 0 || (bugs.length > 1 && !wantsSearch)) {
    throw new Error(`--bug must name one of:\n  ${PLANTED_BUGS.map(({ name }) => name).join('\n  ')}`);
  }
  return bugs;
}

function optionsOf(given: Arguments, bug: PlantedBug | undefined): Omit<RunOptions, 'seed'> {
  const { timing, skew: clockRateError } = given;
  const faults = given.faults === undefined ? undefined : (JSON.parse(given.faults) as readonly Fault[]);
  const isDurable = given.isDurable || bug?.isDurable === true;
  return { kinds: given.kinds ?? bug?.kinds, faults, timing, clockRateError, isDurable };
}

async function runAll(
  given: Arguments,
  options: Omit<RunOptions, 'seed'>,
  bug: PlantedBug | undefined,
): Promise<number> {
  const { seed, seeds, threads, wantsTrace, wantsShrink, wantsSlices } = given;
  console.log(`${seeds} seeds from ${seed}${bug === undefined ? '' : `, with a planted bug: ${bug.name}`}`);
  const bundle = await bundleSimulator([...(bug?.patches ?? []), ...(wantsSlices ? SLICES : [])]);
  const pool = new Pool(bundle, threads);
  const tally = new Tally();
  try {
    if (wantsTrace) {
      const { report, trace } = await pool.run({ ...options, seed }, true);
      for (const line of trace) console.log(line);
      tally.add(report);
    } else {
      const optionsFor = (each: number): RunOptions => ({
        ...options,
        seed: each,
        faults: options.faults ?? bug?.schedule?.(each),
      });
      await pool.runSeeds(seed, seeds, optionsFor, (report) => tally.add(report));
    }
    for (const report of tally.failed.slice(0, MAX_SHOWN)) show(report);
    if (wantsShrink && tally.failed.length > 0) await showSmallest(pool, options, tally.failed[0]!);
  } finally {
    await pool.close();
    await bundle.remove();
  }
  const empty = seeds === 1 ? [] : tally.emptiness(options.kinds ?? FAULT_KINDS);
  for (const line of [...tally.lines(), ...empty]) console.log(line);
  return tally.failed.length + empty.length > 0 ? 1 : 0;
}

function show({ seed, violations, faults }: SimulationReport): void {
  console.log(`seed ${seed}: ${violations.length} violations`);
  for (const { invariant, atMs, text } of violations.slice(0, MAX_SHOWN)) {
    console.log(`  ${invariant} at ${atMs.toFixed(0)} ms: ${text}`);
  }
  console.log(`  --seed ${seed} --faults '${JSON.stringify(faults)}'`);
}

async function showSmallest(
  pool: Pool,
  options: Omit<RunOptions, 'seed'>,
  { seed, faults, violations }: SimulationReport,
): Promise<void> {
  const { invariant } = violations[0]!;
  const smallest = await shrink(faults, async (fewer) => {
    const { report } = await pool.run({ ...options, seed, faults: fewer });
    return report.violations.some((violation) => violation.invariant === invariant);
  });
  console.log(`smallest schedule of seed ${seed} that still trips ${invariant}:`);
  console.log(`  --seed ${seed} --faults '${JSON.stringify(smallest)}'`);
}

async function searchAll(bugs: readonly PlantedBug[], { seed, seeds, kinds }: Arguments): Promise<number> {
  let missed = 0;
  console.log(`${bugs.length} planted bugs, up to ${seeds} seeds from ${seed}`);
  for (const bug of bugs) {
    const found = await search(kinds === undefined ? bug : { ...bug, kinds }, seed, seeds);
    const tripped = [...found.tripped].map(([name, count]) => `${name} ${count}`).join(', ');
    if (found.seed === undefined) missed++;
    const verdict = found.seed === undefined ? 'MISSED' : `seed ${found.seed}`;
    console.log(`${verdict} after ${found.tried}: ${bug.invariant}, ${bug.name} (${tripped})`);
  }
  return missed > 0 ? 1 : 0;
}
