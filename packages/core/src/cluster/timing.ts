/** How long membership waits for what: three profiles, and the inequalities that every profile must keep. */
import { ClstrError } from '../base/errors.ts';
import { checkInteger, checkKnownOptions, invalidOption } from '../base/options.ts';
import type { Option } from '../base/spec.ts';

/** All in milliseconds, except `maxMoving`. */
export interface Timing {
  /** The time between two heartbeats. */
  readonly heartbeatMs: number;
  /** How long a node waits for one answer of the store. */
  readonly ackTimeoutMs: number;
  /** How long a heartbeat entitles its node to its shards, counted from when it was first sent. */
  readonly leaseMs: number;
  /** How long before the end of its lease a node stops by itself. */
  readonly guardMs: number;
  /** How long a heartbeat has to be missing before its node may be declared dead. */
  readonly expiryMs: number;
  /** The margin of the expiry for delays of the watch and the event loop. */
  readonly slackMs: number;
  /** How long handlers and `passivate` may take when a shard is handed over, or a node drains. */
  readonly drainMs: number;
  /** How long membership has to be unchanged before shards move for balance. */
  readonly stableMs: number;
  /** The time between two full lists of the bucket. */
  readonly listMs: number;
  /** The time between two pings of the store's connection. */
  readonly pingMs: number;
  /** How long one attempt to connect to the store may take. */
  readonly dialMs: number;
  /** How many shards of one node may be moving to others at a time. */
  readonly maxMoving: number;
}

export type TimingProfile = 'default' | 'datacenter' | 'fast';

export const TIMINGS: Readonly<Record<TimingProfile, Timing>> = {
  default: {
    heartbeatMs: 2_000,
    ackTimeoutMs: 1_500,
    leaseMs: 15_000,
    guardMs: 1_000,
    expiryMs: 17_000,
    slackMs: 1_500,
    drainMs: 10_000,
    stableMs: 3_000,
    listMs: 10_000,
    pingMs: 2_000,
    dialMs: 2_000,
    maxMoving: 128,
  },
  /**
   * For servers and nodes in one datacenter: others serve a crashed node's shards within 8 s. Nodes serve for 4.7 s
   * without the store, and JetStream needs 4 to 9 s to replace a leader that was killed or cut off: with three replicas
   * all nodes may then refuse calls for some seconds, but nothing moves. A leader that shuts down hands over at once.
   */
  datacenter: {
    heartbeatMs: 800,
    ackTimeoutMs: 700,
    leaseMs: 5_000,
    guardMs: 300,
    expiryMs: 5_800,
    slackMs: 650,
    drainMs: 5_000,
    stableMs: 1_000,
    listMs: 5_000,
    pingMs: 800,
    dialMs: 1_000,
    maxMoving: 64,
  },
  /** For tests and for one server next door. */
  fast: {
    heartbeatMs: 300,
    ackTimeoutMs: 250,
    leaseMs: 2_000,
    guardMs: 200,
    expiryMs: 2_500,
    slackMs: 400,
    drainMs: 2_000,
    stableMs: 300,
    listMs: 1_000,
    pingMs: 300,
    dialMs: 500,
    maxMoving: 32,
  },
};
for (const timing of Object.values(TIMINGS)) Object.freeze(timing);
Object.freeze(TIMINGS);

const NAMES = Object.keys(TIMINGS.default) as (keyof Timing)[];
const MAX_MS = 3_600_000;
/** How much faster one clock may run than another. */
const MAX_CLOCK_RATE_ERROR = 0.01;

/**
 * A profile by name, or one of your own.
 *
 * @throws INVALID_OPTION naming the inequality that does not hold
 */
export function resolveTiming(owner: string, given: TimingProfile | Timing): Timing {
  if (typeof given === 'string') {
    const profile = Object.hasOwn(TIMINGS, given) ? TIMINGS[given] : undefined;
    if (profile !== undefined) return profile;
    throw invalidOption(owner, 'timing', given, `one of ${Object.keys(TIMINGS).join(', ')}, or a Timing`);
  }
  checkKnownOptions(`${owner}: timing`, given, NAMES);
  for (const name of NAMES) checkInteger(owner, `timing.${name}`, given[name], 1, MAX_MS);
  const broken = RULES.find((rule) => !rule.holds(given));
  if (broken !== undefined) {
    throw new ClstrError('INVALID_OPTION', `${owner}: timing must keep ${broken.text}`);
  }
  return Object.freeze({ ...given });
}

/** A profile by name, or one of your own; `profile` where neither is given. */
export function timingOption(profile: TimingProfile): Option<Timing> {
  const check = (owner: string, _name: string, given: unknown): Timing =>
    resolveTiming(owner, given as TimingProfile | Timing);
  return { check, fallback: () => TIMINGS[profile] };
}

/** How long a monitor waits for the heartbeat of a node whose lease takes `leaseMs`. */
export function expiryFor(timing: Timing, leaseMs: number): number {
  return Math.max(timing.expiryMs, shortestExpiry(leaseMs, timing.slackMs));
}

/** How long a node without answers on its own subjects keeps its shards, counting time in which its store answered. */
export function silenceLimit({ leaseMs }: Pick<Timing, 'leaseMs'>): number {
  return 0.75 * leaseMs;
}

/** The shortest time on the fastest clock in which the lease ends even on the slowest. */
function shortestExpiry(leaseMs: number, slackMs: number): number {
  return (leaseMs * (1 + MAX_CLOCK_RATE_ERROR)) / (1 - MAX_CLOCK_RATE_ERROR) + slackMs;
}

const RULES: readonly { text: string; holds: (timing: Timing) => boolean }[] = [
  {
    text: '3 heartbeatMs + ackTimeoutMs <= leaseMs - guardMs, or one lost heartbeat ends the lease',
    holds: (t) => 3 * t.heartbeatMs + t.ackTimeoutMs <= t.leaseMs - t.guardMs,
  },
  {
    text: 'expiryMs >= leaseMs * 1.01 / 0.99 + slackMs, or a node is declared dead within its lease',
    holds: (t) => t.expiryMs >= shortestExpiry(t.leaseMs, t.slackMs),
  },
  {
    text: '3 pingMs <= leaseMs / 2, or a broken connection outlives the lease',
    holds: (t) => 3 * t.pingMs <= t.leaseMs / 2,
  },
  {
    text: '2 pingMs + dialMs + heartbeatMs <= 3/4 leaseMs, or a node gives its shards up before it can have connected again',
    holds: (t) => 2 * t.pingMs + t.dialMs + t.heartbeatMs <= silenceLimit(t),
  },
];
