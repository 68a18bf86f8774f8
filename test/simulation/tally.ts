/** What a number of runs did together. */
import type { FaultKind, SimulationReport } from '@clstr/testing';

const COUNTED = [
  'calls',
  'ok',
  'notExecuted',
  'unknown',
  'moves',
  'fenced',
  'leaseTerm',
  'unreachable',
  'overlaps',
] as const;

/** Below these a campaign shows nothing; per run. */
const LEAST = { ok: 200, moves: 16 } as const;
/** With fewer runs a kind may be missing by chance. */
const RUNS_WITH_ALL_KINDS = 200;

export class Tally {
  readonly counts = new Map<(typeof COUNTED)[number], number>(COUNTED.map((name) => [name, 0]));
  readonly faults = new Map<FaultKind, number>();
  readonly violations = new Map<string, number>();
  readonly failed: SimulationReport[] = [];
  readonly #startedMs = performance.now();
  #runs = 0;

  add(report: SimulationReport): void {
    this.#runs++;
    for (const name of COUNTED) increase(this.counts, name, report[name]);
    for (const { kind } of report.faults) increase(this.faults, kind);
    for (const { invariant } of report.violations) increase(this.violations, invariant);
    if (report.violations.length > 0) this.failed.push(report);
  }

  /** Why these runs prove nothing, if so; `kinds` are those that were to happen. */
  emptiness(kinds: readonly FaultKind[]): string[] {
    if (this.#runs === 0) return ['EMPTY: nothing was run'];
    const empty = Object.entries(LEAST).flatMap(([name, least]) => {
      const mean = this.counts.get(name as keyof typeof LEAST)! / this.#runs;
      return mean < least ? [`EMPTY: ${name} is ${mean.toFixed(1)} per run, not ${least}`] : [];
    });
    if (this.#runs < RUNS_WITH_ALL_KINDS) return empty;
    const missing = kinds.filter((kind) => !this.faults.has(kind));
    return [...empty, ...missing.map((kind) => `EMPTY: no ${kind} ever happened`)];
  }

  lines(): string[] {
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const list = (counts: ReadonlyMap<string, number>): string =>
      [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
    return [
      `${this.#runs} seeds in ${seconds.toFixed(1)} s, ${(this.#runs / seconds).toFixed(1)} seeds/s`,
      list(this.counts),
      `faults: ${list(this.faults)}`,
      `violations: ${this.violations.size === 0 ? 'none' : list(this.violations)}`,
    ];
  }
}

function increase<K>(counts: Map<K, number>, name: K, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
