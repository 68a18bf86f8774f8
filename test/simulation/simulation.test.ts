/** The invariants of the protocol, held over many seeded runs of whole clusters. */
import { defineActor, request } from '@clstr/actors';
import { FAULT_KINDS, simulate } from '@clstr/testing';
import type { Fault, FaultKind, SimulationReport } from '@clstr/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleSimulator } from './bundle.ts';
import type { Bundle } from './bundle.ts';
import { Pool } from './pool.ts';
import { REGRESSIONS } from './regressions.ts';
import { withPool } from './search.ts';
import { shrink } from './shrink.ts';
import { SLICES } from './slices.ts';
import { Tally } from './tally.ts';

const SEEDS = 700;
const TWICE = 30;
const SLICED = 60;
const TIMEOUT_MS = 600_000;

let bundle: Bundle;
let pool: Pool;

beforeAll(async () => {
  bundle = await bundleSimulator();
  pool = new Pool(bundle);
});

afterAll(async () => {
  await pool.close();
  await bundle.remove();
});

const base = Math.floor(Math.random() * 1e9);

describe('simulated clusters', () => {
  test(
    `keep every promise over ${SEEDS} seeds from ${base}`,
    async () => {
      const tally = new Tally();
      await pool.runSeeds(
        base,
        SEEDS,
        (seed) => ({ seed }),
        (report) => tally.add(report),
      );
      console.log([`simulation: base ${base}`, ...tally.lines()].join('\n'));
      expect(tally.failed.map(summary)).toEqual([]);
      expect(tally.emptiness(FAULT_KINDS)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'keep them in runs that once failed',
    async () => {
      for (const { name, seed, faults } of REGRESSIONS) {
        const { report } = await pool.run({ seed, faults });
        expect(report.violations, name).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    `keep them where nodes are placed one in each turn, over ${SLICED} seeds from ${base} and in runs that once failed`,
    async () => {
      const failed = await withPool(SLICES, async (sliced) => {
        const seeds = Array.from({ length: SLICED }, (_, i) => ({ seed: base + i }));
        const runs = [...REGRESSIONS, ...seeds].map((options) => sliced.run(options));
        return (await Promise.all(runs)).filter(({ report }) => report.violations.length > 0);
      });
      expect(failed.map(({ report }) => summary(report))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'run the same way twice',
    async () => {
      const seeds = Array.from({ length: TWICE }, (_, i) => base + i);
      const run = (): Promise<string[]> =>
        Promise.all(seeds.map(async (seed) => (await pool.run({ seed })).report.traceHash));
      const first = await run();
      expect(await run()).toEqual(first);
      expect(new Set(first).size).toBe(TWICE);
    },
    TIMEOUT_MS,
  );

  test(
    'are longer than the leases they test with the default timing',
    async () => {
      const { report } = await pool.run({ seed: base, timing: 'default' });
      expect(report.violations).toEqual([]);
      expect(report.virtualMs).toBeGreaterThan(120_000);
    },
    TIMEOUT_MS,
  );

  test(
    'count overlaps when clocks run further apart than the protocol allows, and do not fail',
    async () => {
      const reports: SimulationReport[] = [];
      await pool.runSeeds(
        base,
        40,
        (seed) => ({ seed, kinds: ['cut', 'black-hole'], clockRateError: 0.4 }),
        (report) => reports.push(report),
      );
      expect(reports.some(({ overlaps }) => overlaps > 0)).toBe(true);
      const failed = reports.flatMap(({ violations }) => violations.map(({ invariant }) => invariant));
      expect(failed).not.toContain('S5');
      expect(failed).not.toContain('LIN');
    },
    TIMEOUT_MS,
  );

  test(
    'lose no acknowledged write to a fenced store when two processes run under an id that was said to be exclusive',
    async () => {
      const tally = new Tally();
      await pool.runSeeds(
        base,
        60,
        (seed) => ({ seed, kinds: ['usurp', 'restart', 'slow-handlers'] }),
        (report) => tally.add(report),
      );
      expect(tally.failed.map(summary)).toEqual([]);
      expect(tally.counts.get('overlaps')).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test(
    'keep them in buckets that are lost while their nodes run and reach the store, where a new process trusts the next one',
    async () => {
      const tally = new Tally();
      const kinds: FaultKind[] = ['delete-bucket', 'crash', 'join', 'restart', 'leave'];
      await pool.runSeeds(
        base,
        100,
        (seed) => ({ seed, kinds, newBucket: 'trust' }),
        (report) => tally.add(report),
      );
      expect(tally.failed.map(summary)).toEqual([]);
      expect(tally.faults.get('delete-bucket')).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test('that do nothing fail as empty', async () => {
    const Idle = defineActor('idle', { ask: request<void, number>() });
    const idle = Idle.implement({ setup: () => 0, handlers: { ask: (state) => state } });
    const { violations } = await simulate({ seed: 1, actors: [idle], workload: () => Promise.resolve() });
    expect(violations.map(({ invariant }) => invariant)).toContain('EMPTY');
  });
});

describe('a failing schedule', () => {
  test('shrinks to the faults it needs, as short as they may be', async () => {
    const faults = [fault('cut'), fault('pause'), fault('crash'), fault('join'), fault('leave')];
    const isFailing = (left: readonly Fault[]): Promise<boolean> =>
      Promise.resolve(
        left.some(({ kind, durationMs }) => kind === 'pause' && durationMs >= 500) &&
          left.some(({ kind }) => kind === 'join'),
      );
    const smallest = await shrink(faults, isFailing);
    expect(smallest.map(({ kind }) => kind)).toEqual(['pause', 'join']);
    expect(smallest[0]!.durationMs).toBe(500);
  });
});

function fault(kind: Fault['kind']): Fault {
  return { kind, atMs: 0, durationMs: 8_000, node: 0, salt: 0 };
}

function summary({ seed, violations, faults }: SimulationReport): unknown {
  return {
    seed,
    violations: violations.slice(0, 3),
    again: `--seed ${seed} --faults '${JSON.stringify(faults)}'`,
  };
}
