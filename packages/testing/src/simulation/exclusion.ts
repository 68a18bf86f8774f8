/** Checks that no two processes work for one shard, or under one node id, at the same time. */
import { createOverlapOracle } from '../checkers/overlap-oracle.ts';
import type { OverlapOracle, ShardOwner } from '../checkers/overlap-oracle.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

export class Exclusion {
  readonly #world: World;
  readonly #oracle: OverlapOracle = createOverlapOracle();
  /** The processes on which handlers have started. */
  readonly #hosts = new Set<SimulatedNode>();
  /** For each node id, the time until which two processes may both hold a session, because its heartbeat was lost. */
  readonly #twinsUntilMs = new Map<string, number>();
  #allTwinsUntilMs = 0;
  /** The node ids of which two processes ran although they were said to be exclusive. */
  readonly #usurped = new Set<string>();
  /** Overlaps are counted but do not fail the run, because clock rates exceed the bound. */
  readonly #isCountedOnly: boolean;
  #reported = 0;

  constructor(world: World, isCountedOnly: boolean) {
    this.#world = world;
    this.#isCountedOnly = isCountedOnly;
  }

  /** How many pairs of processes worked for one shard at the same time. */
  get overlaps(): number {
    return this.#oracle.overlaps.filter(({ kind }) => kind === 'two-owners').length;
  }

  /** Records that the heartbeats of all nodes, or of one, were lost. */
  onHeartbeatsLost(nodeId?: string): void {
    const untilMs = this.#world.nowMs + this.#world.timing.leaseMs;
    if (nodeId === undefined) this.#allTwinsUntilMs = untilMs;
    else this.#twinsUntilMs.set(nodeId, untilMs);
  }

  /** Records that a process was started under the id as if no other ran. */
  onUsurped(nodeId: string): void {
    this.#usurped.add(nodeId);
  }

  /** Checks, when `self` begins to work for the shard, that no other process does at that moment. */
  check(self: SimulatedNode, shard: number): void {
    const others = this.#world.processes.filter((other) => other !== self && other.isRunning);
    const working = [...others.filter(({ node }) => node.owns(shard)), self].map((each) =>
      ownerOf(each, shard),
    );
    for (const owner of working) this.#oracle.admitted(owner, this.#world.nowMs);
    for (const owner of working) this.#oracle.ended(owner);
    this.#report();
    for (const other of others) if (other.id === self.id) this.#checkTwin(self, other);
  }

  /** Records the start of a handler, named uniquely; call the returned function when it has ended. */
  started(self: SimulatedNode, owner: ShardOwner, handler: string, signal: AbortSignal): () => void {
    // A stopped process aborts at its next turn.
    for (const { processId, isRunning } of this.#hosts) {
      if (isRunning) this.#oracle.resumed(processId);
      else this.#oracle.paused(processId);
    }
    this.#hosts.add(self);
    this.#oracle.handlerStarted(owner, handler, this.#world.nowMs);
    this.#report();
    const aborted = (): void => this.#oracle.handlerAborted(handler);
    signal.addEventListener('abort', aborted);
    if (signal.aborted) aborted();
    return () => this.#oracle.handlerEnded(handler);
  }

  #report(): void {
    const { overlaps } = this.#oracle;
    for (; this.#reported < overlaps.length; this.#reported++) {
      const { kind, owners } = overlaps[this.#reported]!;
      if (kind === 'two-owners' && this.#isCountedOnly) continue;
      if (owners[0].nodeId === owners[1].nodeId && this.#usurped.has(owners[0].nodeId)) continue;
      const [there, came] = owners.map(({ inc, epoch }) => `${inc} in epoch ${epoch}`);
      const text = `${came} works for shard ${owners[0].shard} while ${there} does`;
      this.#world.oracle.violated(kind === 'two-owners' ? 'S5' : 'S10', text);
    }
  }

  #checkTwin(self: SimulatedNode, other: SimulatedNode): void {
    const untilMs = Math.max(this.#allTwinsUntilMs, this.#twinsUntilMs.get(self.id) ?? 0);
    if (this.#world.nowMs <= untilMs || this.#usurped.has(self.id)) return;
    if (!other.node.shards().some((shard) => other.node.owns(shard))) return;
    this.#world.oracle.violated('S8', `${self.processId} and ${other.processId} both hold a session`);
  }
}

/** Two processes may have the same id, so that the process stands for its incarnation. */
export function ownerOf({ id, processId, epochs }: SimulatedNode, shard: number): ShardOwner {
  return { shard, nodeId: id, inc: processId, epoch: epochs.highest.get(`s.${shard}`) ?? 0 };
}
