/** L3: while the store is gone for everybody, and when it comes back, nothing moves. */
import type { Fault } from './faults.ts';
import { OUTAGE_STAGGER_MS } from './inflict.ts';
import type { World } from './world.ts';

/** How long a fault may be felt: a node that was lost is waited for, started again, and given its shards back. */
const AFTERMATH_LEASES = 10;
const SETTLED_LEASES = 5;

/** The outages that come to a cluster at rest, as spans in which no shard may move. */
export function quietOutages(
  { timing }: World,
  faults: readonly Fault[],
): { fromMs: number; untilMs: number }[] {
  const { leaseMs, expiryMs } = timing;
  const endOf = ({ atMs, durationMs }: Fault): number => atMs + durationMs + OUTAGE_STAGGER_MS;
  return faults.flatMap((fault) => {
    if (fault.kind !== 'outage' || fault.atMs < SETTLED_LEASES * leaseMs) return [];
    const untilMs = endOf(fault) + expiryMs;
    const isAlone = faults.every(
      (other) =>
        other === fault ||
        other.atMs > untilMs ||
        endOf(other) + (other.kind === 'outage' ? SETTLED_LEASES / 2 : AFTERMATH_LEASES) * leaseMs <
          fault.atMs,
    );
    return isAlone ? [{ fromMs: fault.atMs, untilMs }] : [];
  });
}
