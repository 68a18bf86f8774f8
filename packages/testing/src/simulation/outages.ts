/** Checks L3: nothing moves while the store is down for all nodes, nor when it comes back. */
import type { Timing } from '@clstr/core';
import type { Fault } from './faults.ts';
import { OUTAGE_STAGGER_MS } from './apply-fault.ts';
import type { World } from './world.ts';

/** How long a fault has effects, in leases: others wait for a lost node, it restarts, and gets its shards back. */
const AFTERMATH_LEASES = 10;
const SETTLED_LEASES = 5;

/** The outages of a settled cluster, as spans in which no shard may move. */
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

/** Whether the fault meets a settled cluster, and no other fault follows before `untilMs`. */
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
