/** Checks that nodes know whether messages reach them: L6 if their data path is cut, L7 if nothing cuts it. */
import type { Fault, FaultKind } from './faults.ts';
import { directionsOf, targetOf } from './apply-fault.ts';
import { isAlone } from './outages.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { NUM_SHARDS } from './world.ts';
import type { World } from './world.ts';

/** The faults that keep messages from a node. */
const CUTTING: ReadonlySet<FaultKind> = new Set(['data-cut', 'black-hole', 'packet-loss']);

export class ReachChecks {
  unreachable = 0;
  readonly #world: World;
  #isCutting = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** Checks L6: within a bound after a cut in a settled cluster, reachable nodes serve every shard. */
  schedule(faults: readonly Fault[]): void {
    const { clock, timing } = this.#world;
    this.#isCutting = faults.some(({ kind }) => CUTTING.has(kind));
    const { leaseMs, heartbeatMs, ackTimeoutMs } = timing;
    for (const fault of faults) {
      if (fault.kind !== 'data-cut') continue;
      // Time counts half while messages from others arrive.
      const silenceMs = (directionsOf(fault.salt).cutsInbound ? 0.75 : 1.5) * leaseMs;
      const boundMs = silenceMs + 2 * heartbeatMs + 6 * ackTimeoutMs;
      if (fault.durationMs <= boundMs || !isAlone(fault, faults, timing, fault.atMs + boundMs)) continue;
      clock.timer(() => this.#checkMoved(targetOf(this.#world, fault)), fault.atMs + boundMs);
    }
  }

  /** Checks L7: no pause, no load and no trouble with the store makes a node give up its shards. */
  onUnreachable(process: SimulatedNode, reason: string): void {
    this.unreachable++;
    if (!this.#isCutting) this.#world.oracle.violated('L7', `${process.processId} gave up: ${reason}`);
  }

  #checkMoved(cut: SimulatedNode | undefined): void {
    const { oracle, processes } = this.#world;
    const others = processes.filter((process) => process !== cut && process.isServing);
    // Once the world is healed, nothing is cut off any more.
    if (this.#world.isHealed || cut === undefined || others.length === 0) return;
    for (let shard = 0; shard < NUM_SHARDS; shard++) {
      if (others.some(({ node }) => node.owns(shard))) continue;
      oracle.violated('L6', `shard ${shard} is not reached though only ${cut.processId} is cut off`);
    }
  }
}
