/** What goes wrong in a simulated world, and when: drawn from a seed, so that a failing run can be repeated and shrunk. */
import type { SeededRandom } from './seeded-random.ts';

export type FaultKind =
  | 'crash'
  | 'pause'
  | 'stall'
  | 'suspend'
  | 'cut'
  | 'black-hole'
  | 'data-cut'
  | 'flap'
  | 'outage'
  | 'lossy-answers'
  | 'slow-store'
  | 'late-writes'
  | 'deaf'
  | 'broken-watches'
  | 'packet-loss'
  | 'slow-handlers'
  | 'leave'
  | 'join'
  | 'twin'
  | 'purge-marks'
  | 'delete-bucket';

/** How long each kind lasts, as a multiple of the lease. */
const SPANS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  /** A process is killed, and later started again. */
  crash: [0.05, 4],
  /** A process stands still; its clocks go on. */
  pause: [0.1, 3],
  /** An event loop that is busy for a moment, again and again. */
  stall: [0.3, 2],
  /** A machine is suspended: its monotonic clock stands still as well. */
  suspend: [0.1, 3],
  /** A node loses its connection to the store, and knows. */
  cut: [0.1, 3],
  /** A node is alone, and does not know. */
  'black-hole': [0.1, 3],
  /** No messages pass between a node and the bus, in one direction or in both; its store works. */
  'data-cut': [0.5, 4],
  /** Answers of the store are lost unnoticed, come back for a moment, then writes are lost and the connection breaks. */
  flap: [0.25, 0.95],
  /** The store is gone for everybody, and comes back. */
  outage: [0.2, 3],
  'lossy-answers': [0.5, 3],
  'slow-store': [0.5, 3],
  /** A write whose sender has given it up is done later. */
  'late-writes': [0.5, 3],
  /** What a node hears of the store is old, though its writes are done. */
  deaf: [0.5, 4],
  'broken-watches': [0.5, 3],
  'packet-loss': [0.2, 1.5],
  /** Handlers take up to 50 ms, and sometimes seconds, at every node. */
  'slow-handlers': [1, 5],
  leave: [0.5, 3],
  join: [0.5, 3],
  /** A second process with the id of a node. */
  twin: [0.5, 5],
  /** An operator deletes what a node has written about itself. */
  'purge-marks': [0, 0],
  'delete-bucket': [0, 0],
};

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(SPANS) as FaultKind[];

/** After these nothing but the bucket's own history holds the cluster together: not too often. */
const RARE: ReadonlySet<FaultKind> = new Set(['delete-bucket', 'purge-marks']);

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

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** A random subset of the kinds, each a few times. */
export function drawFaults(
  random: SeededRandom,
  span: Span,
  leaseMs: number,
  kinds: readonly FaultKind[] = FAULT_KINDS,
): Fault[] {
  const share = kinds.length > 8 ? 0.25 : 0.7;
  const enabled = kinds.filter((kind) => random.chance(RARE.has(kind) && kinds.length > 8 ? 0.1 : share));
  if (enabled.length === 0) enabled.push(random.pick(kinds));
  if (kinds.includes('outage') && random.chance(0.1)) return drawOutages(random, span, leaseMs);
  const { fromMs, untilMs } = random.chance(0.15)
    ? { fromMs: 0, untilMs: Math.min(span.untilMs, 4 * leaseMs) }
    : span;
  const faults: Fault[] = [];
  for (let left = random.int(3, 10); left > 0; left--) {
    const last = faults.at(-1);
    // Two at once find more than two apart.
    const isNear = last !== undefined && random.chance(0.35);
    const atMs = isNear ? last.atMs + random.next() * leaseMs : fromMs + random.next() * (untilMs - fromMs);
    faults.push({
      ...drawFault(random, random.pick(enabled), atMs, leaseMs),
      ...(isNear && random.chance(0.6) ? { node: last.node } : {}),
    });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** Far enough apart that each meets a cluster at rest. */
function drawOutages(random: SeededRandom, { fromMs, untilMs }: Span, leaseMs: number): Fault[] {
  const faults: Fault[] = [];
  for (let atMs = fromMs + leaseMs; atMs < untilMs; atMs += 8 * leaseMs) {
    faults.push(drawFault(random, 'outage', atMs + random.next() * leaseMs, leaseMs));
  }
  return faults;
}

function drawFault(random: SeededRandom, kind: FaultKind, atMs: number, leaseMs: number): Fault {
  const [least, most] = SPANS[kind];
  return {
    kind,
    atMs: Math.round(atMs),
    durationMs: Math.round((least + random.next() * (most - least)) * leaseMs),
    node: random.int(0, 99),
    salt: random.int(0, 0xffff_ffff),
  };
}
