/** The command line of `npm run simulate`. */
import { parseArgs } from 'node:util';
import { TIMINGS } from '@clstr/core';
import type { TimingProfile } from '@clstr/core';
import { FAULT_KINDS } from '@clstr/testing';
import type { FaultKind } from '@clstr/testing';

export const HELP = `npm run simulate -- [options]

  --seeds N        how many seeds to run (default 500)
  --seed S         the first of them (default: drawn, and printed)
  --kinds a,b      faults to draw from (default: all)
                   ${FAULT_KINDS.join(', ')}
  --timing NAME    fast (default), datacenter or default
  --skew SHARE     clock rate error (default 0.01); above it overlaps are counted, not failed
  --threads N      default 2
  --faults JSON    this schedule in place of what the seed draws, as a violation prints it
  --shrink         on a violation: print the smallest schedule that still fails
  --durable        durable actors, and calls with idempotency keys
  --slices         place one node in each turn of the event loop, as large clusters do
  --trace          print all that happens, of one seed
  --bug NAME       plant the bug whose name contains NAME
  --search         until each planted bug is found, or --seeds are over; with --bug for some of them

Exit code: 0 when all is well, 1 on violations or an EMPTY run, 2 on bad arguments.`;

const OPTIONS = {
  seeds: { type: 'string' },
  seed: { type: 'string' },
  kinds: { type: 'string' },
  timing: { type: 'string' },
  skew: { type: 'string' },
  threads: { type: 'string' },
  faults: { type: 'string' },
  bug: { type: 'string' },
  shrink: { type: 'boolean' },
  durable: { type: 'boolean' },
  slices: { type: 'boolean' },
  trace: { type: 'boolean' },
  search: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

export interface Arguments {
  readonly seeds: number;
  readonly seed: number;
  readonly kinds: readonly FaultKind[] | undefined;
  readonly timing: TimingProfile;
  readonly skew: number;
  readonly threads: number;
  readonly faults: string | undefined;
  readonly bug: string | undefined;
  readonly wantsShrink: boolean;
  readonly isDurable: boolean;
  readonly wantsSlices: boolean;
  readonly wantsTrace: boolean;
  readonly wantsSearch: boolean;
  readonly wantsHelp: boolean;
}

const MAX_SEED = 0xffff_ffff;

/** @throws Error that says what is wrong */
export function readArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true });
  const integer = (
    name: 'seeds' | 'seed' | 'threads',
    fallback: number,
    min: number,
    max: number,
  ): number => {
    const text = values[name];
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new Error(`--${name} must be a whole number from ${min} to ${max}, not ${text}`);
    }
    return value;
  };
  const wantsTrace = values.trace ?? false;
  const isOne = wantsTrace || values.faults !== undefined;
  return {
    seeds: integer('seeds', isOne ? 1 : 500, 1, 10_000_000),
    seed: integer('seed', Math.floor(Math.random() * 1e9), 0, MAX_SEED),
    threads: integer('threads', 2, 1, 64),
    kinds: readKinds(values.kinds),
    timing: readTiming(values.timing),
    skew: readSkew(values.skew),
    faults: values.faults,
    bug: values.bug,
    wantsTrace,
    wantsShrink: values.shrink ?? false,
    isDurable: values.durable ?? false,
    wantsSlices: values.slices ?? false,
    wantsSearch: values.search ?? false,
    wantsHelp: values.help ?? false,
  };
}

function readKinds(text: string | undefined): readonly FaultKind[] | undefined {
  const kinds = text?.split(',');
  const unknown = kinds?.filter((kind) => !(FAULT_KINDS as readonly string[]).includes(kind)) ?? [];
  if (unknown.length > 0) throw new Error(`--kinds: no such fault: ${unknown.join(', ')}`);
  return kinds as FaultKind[] | undefined;
}

function readTiming(text = 'fast'): TimingProfile {
  if (Object.hasOwn(TIMINGS, text)) return text as TimingProfile;
  throw new Error(`--timing must be one of ${Object.keys(TIMINGS).join(', ')}, not ${text}`);
}

function readSkew(text = '0.01'): number {
  const skew = Number(text);
  if (text === '' || !(skew >= 0 && skew < 1))
    throw new Error(`--skew must be from 0 to below 1, not ${text}`);
  return skew;
}
