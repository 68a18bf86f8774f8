/** What goes wrong in a simulated world, and when: drawn from a seed, so that a failing run can be repeated and shrunk. */
import type { SeededRandom } from './seeded-random.ts';

export const FAULT_KINDS = [
  'crash',
  'pause',
  'cut',
  'black-hole',
  'flap',
  'lossy-answers',
  'slow-store',
  'broken-watches',
  'packet-loss',
  'leave',
  'join',
  'delete-bucket',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** From the start of the run, in virtual milliseconds. */
  readonly atMs: number;
  readonly durationMs: number;
  /** Which node; a number beyond the nodes counts from the start again. */
  readonly node: number;
  /** What else the fault draws. */
  readonly salt: number;
}

/** How long each kind lasts, as a multiple of the lease. */
const SPANS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  crash: [0.05, 4],
  pause: [0.1, 3],
  cut: [0.1, 3],
  'black-hole': [0.1, 3],
  flap: [0.3, 1.2],
  'lossy-answers': [0.5, 3],
  'slow-store': [0.5, 3],
  'broken-watches': [0.5, 3],
  'packet-loss': [0.2, 1.5],
  leave: [0.5, 3],
  join: [0.5, 3],
  'delete-bucket': [0, 0],
};

/** A random subset of the kinds, each a few times. */
export function drawFaults(
  random: SeededRandom,
  spanMs: number,
  leaseMs: number,
  kinds: readonly FaultKind[] = FAULT_KINDS,
): Fault[] {
  const enabled = kinds.filter((kind) => random.chance(kind === 'delete-bucket' ? 0.15 : 0.4));
  if (enabled.length === 0) enabled.push(random.pick(kinds));
  const count = random.int(3, 10);
  const faults = Array.from({ length: count }, (): Fault => {
    const kind = random.pick(enabled);
    const [least, most] = SPANS[kind];
    return {
      kind,
      atMs: Math.round(random.next() * spanMs),
      durationMs: Math.round((least + random.next() * (most - least)) * leaseMs),
      node: random.int(0, 99),
      salt: random.int(0, 0xffff_ffff),
    };
  });
  return faults.sort((a, b) => a.atMs - b.atMs);
}
