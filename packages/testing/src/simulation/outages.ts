/** L3: while the store is gone for everybody, and when it comes back, nothing moves. */
import type { Timing } from '@clstr/core';
import type { Fault } from './faults.ts';
import { OUTAGE_STAGGER_MS } from './apply-fault.ts';
import type { World } from './world.ts';

/** How long a fault may be felt: a node that was lost is waited for, started again, and given its shards back. */
const AFTERMATH_LEASES = 10;
const SETTLED_LEASES = 5;

/** The outages that come to a cluster at rest, as spans in which no shard may move. */
export function quietOutages(
  { timing }: World,
  faults: readonly Fault[],
): { fromMs: number; untilMs: number }[] {
  const { expiryMs } = timing;
  return faults.flatMap((fault) => {
    if (fault.kind !== 'outage') return [];
    const untilMs = endOf(fault) + expiryMs;
    return isAlone(fault, faults, timing, untilMs) ? [{ fromMs: fault.atMs, untilMs }] : [];
  });
}

/** Whether the fault comes to a cluster at rest, and no other one before `untilMs`. */
export function isAlone(
  fault: Fault,
  faults: readonly Fault[],
  { leaseMs }: Timing,
  untilMs: number,
): boolean {
  return (
    fault.atMs >= SETTLED_LEASES * leaseMs &&
    faults.every(
      (other) =>
        other === fault ||
        other.atMs > untilMs ||
        endOf(other) + (other.kind === 'outage' ? SETTLED_LEASES / 2 : AFTERMATH_LEASES) * leaseMs <
          fault.atMs,
    )
  );
}

function endOf({ atMs, durationMs }: Fault): number {
  return atMs + durationMs + OUTAGE_STAGGER_MS;
}
