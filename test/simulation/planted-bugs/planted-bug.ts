/** A mistake put into the sources, to see that the simulator finds it. */
import type { Fault, FaultKind, Invariant } from '@clstr/testing';
import type { Patch } from '../bundle.ts';

export interface PlantedBug {
  readonly name: string;
  /** What it must trip; which others it trips as well is of no interest. */
  readonly invariant: Invariant;
  /** A run that finds it. */
  readonly seed: number;
  /** With durable counters in place of those that keep their state themselves. */
  readonly isDurable?: boolean;
  /** What the seed and a search draw faults from. Default: all. */
  readonly kinds?: readonly FaultKind[];
  /** In place of what the seed would draw: for mistakes that take several faults in one order, each within a moment. */
  readonly schedule?: (seed: number) => readonly Fault[];
  readonly patches: readonly Patch[];
  /** Those of the patches that must not trip the invariant by themselves: the rest is the mistake. */
  readonly harmless?: readonly Patch[];
}
