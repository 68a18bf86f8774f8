/**
 * The faults of a simulated world and their times, drawn from a seed so that a failing run can be repeated and shrunk.
 */
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
  | 'delete-bucket'
  | 'restart'
  | 'usurp';

/** How long each kind lasts, as a multiple of the lease. */
const SPANS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  /** A process is killed, and later started again. */
  crash: [0.05, 4],
  /** A process is stopped; its clocks go on. */
  pause: [0.1, 3],
  /** An event loop is blocked for a moment, again and again. */
  stall: [0.3, 2],
  /** A machine is suspended: its monotonic clock stops as well. */
  suspend: [0.1, 3],
  /** A node loses its connection to the store, and notices. */
  cut: [0.1, 3],
  /** A node is isolated, and does not notice. */
  'black-hole': [0.1, 3],
  /** No messages pass between a node and the bus, in one or both directions; its store works. */
  'data-cut': [0.5, 4],
  /** The store's answers are lost unnoticed, return for a moment; then writes are lost and the connection breaks. */
  flap: [0.25, 0.95],
  /** The store is down for all nodes, and comes back. */
  outage: [0.2, 3],
  'lossy-answers': [0.5, 3],
  'slow-store': [0.5, 3],
  /** A write takes effect after its sender has given up. */
  'late-writes': [0.5, 3],
  /** A node reads stale data from the store, although its writes take effect. */
  deaf: [0.5, 4],
  'broken-watches': [0.5, 3],
  'packet-loss': [0.2, 1.5],
  /** Handlers on every node take up to 50 ms, and sometimes seconds. */
  'slow-handlers': [1, 5],
  leave: [0.5, 3],
  join: [0.5, 3],
  /** A second process starts with the id of a node. */
  twin: [0.5, 5],
  /** An operator deletes a node's own records. */
  'purge-marks': [0, 0],
  'delete-bucket': [0, 0],
  /** A process is killed and soon started again; its id is exclusive, so that it does not wait for its former run. */
  restart: [0, 0.5],
  /** A stopped process goes on after another has started under its id as if that were exclusive, which breaks S5. */
  usurp: [0.1, 3],
};

/** Those that break no promise. */
export const FAULT_KINDS: readonly FaultKind[] = (Object.keys(SPANS) as FaultKind[]).filter(
  (kind) => kind !== 'usurp',
);

/** After these kinds only the bucket's own history holds the cluster together, so they are drawn rarely. */
const RARE: ReadonlySet<FaultKind> = new Set(['delete-bucket', 'purge-marks']);

export interface Fault {
  readonly kind: FaultKind;
  /** The time since the start of the run, in virtual milliseconds. */
  readonly atMs: number;
  readonly durationMs: number;
  /** The number of the node, modulo the number of nodes. */
  readonly node: number;
  /** The source of the fault's other random choices. */
  readonly salt: number;
}

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Draws a random subset of the kinds, each a few times. */
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
    // Two faults at once find more bugs than two apart.
    const isNear = last !== undefined && random.chance(0.35);
    const atMs = isNear ? last.atMs + random.next() * leaseMs : fromMs + random.next() * (untilMs - fromMs);
    faults.push({
      ...drawFault(random, random.pick(enabled), atMs, leaseMs),
      ...(isNear && random.chance(0.6) ? { node: last.node } : {}),
    });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** Draws outages far enough apart that each meets a settled cluster. */
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
