/** Checks that no two processes work for one shard, or under one node id, at the same time. */
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

interface RunningHandler {
  readonly epoch: number;
  readonly process: SimulatedNode;
  readonly signal: AbortSignal;
}

export class Exclusion {
  readonly #world: World;
  readonly #running = new Map<string, Set<RunningHandler>>();
  /** For each node id, the time until which two processes may both hold a session, because its heartbeat was lost. */
  readonly #twinsUntilMs = new Map<string, number>();
  #allTwinsUntilMs = 0;
  /** Overlaps are counted but do not fail the run, because clock rates exceed the bound. */
  readonly #isCountedOnly: boolean;
  overlaps = 0;

  constructor(world: World, isCountedOnly: boolean) {
    this.#world = world;
    this.#isCountedOnly = isCountedOnly;
  }

  /** Records that the heartbeats of all nodes, or of one, were lost. */
  onHeartbeatsLost(nodeId?: string): void {
    const untilMs = this.#world.nowMs + this.#world.timing.leaseMs;
    if (nodeId === undefined) this.#allTwinsUntilMs = untilMs;
    else this.#twinsUntilMs.set(nodeId, untilMs);
  }

  /** Checks, when `self` begins to work for the shard, that no other process does at that moment. */
  check(self: SimulatedNode, shard: number): void {
    for (const other of this.#world.processes) {
      if (other === self || !other.isRunning) continue;
      if (other.node.owns(shard)) this.#overlap(self, other, shard);
      if (other.id === self.id) this.#checkTwin(self, other);
    }
  }

  /** Records the start of a handler; call the returned function when it has ended. */
  started(key: string, handler: RunningHandler): () => void {
    let running = this.#running.get(key);
    if (running === undefined) this.#running.set(key, (running = new Set()));
    for (const other of running) {
      // A stopped process aborts at its next turn.
      if (other.epoch >= handler.epoch || other.signal.aborted || !other.process.isRunning) continue;
      this.#world.oracle.violated(
        'S10',
        `${key}: a handler of epoch ${other.epoch} runs on ${other.process.processId}, not aborted, while one of epoch ` +
          `${handler.epoch} starts on ${handler.process.processId}`,
      );
    }
    running.add(handler);
    return () => running.delete(handler);
  }

  #overlap(self: SimulatedNode, other: SimulatedNode, shard: number): void {
    this.overlaps++;
    if (this.#isCountedOnly) return;
    this.#world.oracle.violated(
      'S5',
      `${self.processId} works for shard ${shard} while ${other.processId} admits for it`,
    );
  }

  #checkTwin(self: SimulatedNode, other: SimulatedNode): void {
    const untilMs = Math.max(this.#allTwinsUntilMs, this.#twinsUntilMs.get(self.id) ?? 0);
    if (this.#world.nowMs <= untilMs) return;
    if (!other.node.shards().some((shard) => other.node.owns(shard))) return;
    this.#world.oracle.violated('S8', `${self.processId} and ${other.processId} both hold a session`);
  }
}
