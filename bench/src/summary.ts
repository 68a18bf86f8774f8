/** Turns samples into the lines of the table: medians, and ratios within each round. */
import { BATCH_BASELINE, contenders, REQUEST_BASELINE } from './contenders/index.ts';
import type { Sample } from './rounds.ts';
import type { Spread } from './statistics.ts';
import { spreadOf } from './statistics.ts';

export interface SummaryLine {
  contender: string;
  inFlight: number;
  rounds: number;
  requests: number;
  requestsPerSecond: Spread;
  p50Ms: Spread;
  p99Ms: Spread;
  /** Requests per second over those of `nc.request` in the same round; null when it did not run. */
  timesRequest: Spread | null;
  /** The same against batching by hand. */
  timesBatch: Spread | null;
  /** p50 over that of `nc.request` in the same round. */
  p50TimesRequest: Spread | null;
}

export function summarise(samples: readonly Sample[]): SummaryLine[] {
  const levels = [...new Set(samples.map((sample) => sample.inFlight))];
  return levels.flatMap((inFlight) =>
    contenders.flatMap(({ name }) => {
      const of = (contender: string): Sample[] =>
        samples.filter((sample) => sample.contender === contender && sample.inFlight === inFlight);
      const own = of(name);
      if (own.length === 0) return [];
      return {
        contender: name,
        inFlight,
        rounds: own.length,
        requests: own.reduce((sum, sample) => sum + sample.requests, 0),
        requestsPerSecond: spreadOf(own.map(rate)),
        p50Ms: spreadOf(own.map((sample) => sample.p50Ms)),
        p99Ms: spreadOf(own.map((sample) => sample.p99Ms)),
        timesRequest: ratioOf(own, of(REQUEST_BASELINE), rate),
        timesBatch: ratioOf(own, of(BATCH_BASELINE), rate),
        p50TimesRequest: ratioOf(own, of(REQUEST_BASELINE), (sample) => sample.p50Ms),
      };
    }),
  );
}

const rate = (sample: Sample): number => sample.requestsPerSecond;

/** Both sides of a ratio come from one round, seconds apart, so that a noisy neighbour hits both; null without them. */
export function ratioOf(
  own: readonly Sample[],
  baseline: readonly Sample[],
  figure: (sample: Sample) => number,
): Spread | null {
  if (own.length === 0 || baseline.length === 0) return null;
  const byRound = new Map(baseline.map((sample) => [sample.round, figure(sample)]));
  return spreadOf(own.map((sample) => figure(sample) / byRound.get(sample.round)!));
}
