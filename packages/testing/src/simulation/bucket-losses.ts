/**
 * S1 over the loss of a bucket. Epochs go on rising as far as survivors that do not stand still write what they know into
 * the next bucket; what nobody could tell in time cannot be surpassed.
 */
import { CONFIG_KEY } from '@clstr/core/store';
import type { ClusterStore, StoreEntry, Watch } from '@clstr/core/store';
import type { MemoryStore } from '@clstr/transport-memory';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

interface Loss {
  readonly atMs: number;
  /** What each process had heard by then. */
  readonly known: ReadonlyMap<SimulatedNode, ReadonlyMap<string, number>>;
}

export class BucketLosses {
  readonly #world: World;
  readonly #store: ClusterStore;
  #watch: Watch | undefined;
  #last: Loss | undefined;
  /** Shards that have had an owner in the bucket of now. */
  readonly #owned = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    this.#store = world.store.connect({ member: 'auditor' });
  }

  /** The bucket was deleted. */
  onLoss(): void {
    const { nowMs, processes } = this.#world;
    const there = processes.filter((process) => !process.hasEnded);
    this.#last = {
      atMs: nowMs,
      known: new Map(there.map((process) => [process, new Map(process.heard.highest)])),
    };
    this.#owned.clear();
    // The one before still watches the bucket that is gone.
    this.#watch?.close();
    this.#watch = this.#store.watch('s.*', { onEntry: (entry) => this.#onShard(entry), onGap: ignore });
  }

  #onShard({ key, value }: StoreEntry): void {
    if (this.#last === undefined || value === undefined || this.#owned.has(key)) return;
    const { epoch, owner, inc, state, cluster } = JSON.parse(value) as Record<string, unknown>;
    const { nowMs, timing, oracle, store } = this.#world;
    // What was written for an earlier bucket, and came late, makes nobody an owner.
    if (state !== 'owned' || cluster !== clusterIdOf(store)) return;
    this.#owned.add(key);
    // Nobody may take a shard of a new bucket earlier than that: so long there was to write what one knew.
    const sinceMs = Math.max(this.#last.atMs, nowMs - timing.expiryMs);
    for (const [process, known] of this.#last.known) {
      const highest = known.get(key) ?? 0;
      if (highest < (epoch as number) || !couldTell(process, sinceMs)) continue;
      oracle.violated(
        'S1',
        `${key}: epoch ${String(epoch)} of ${String(owner)}#${String(inc)} in a new bucket, though ` +
          `${process.processId} knew ${highest} and ran on`,
      );
    }
  }
}

/** Of the bucket of now. */
function clusterIdOf({ history }: MemoryStore): unknown {
  const config = history.findLast(({ key }) => key === CONFIG_KEY)?.value;
  return config && (JSON.parse(config) as { id: unknown }).id;
}

/** It ran, and had its connection, from `sinceMs` on; who leaves, or was refused its name, is no survivor. */
function couldTell(process: SimulatedNode, sinceMs: number): boolean {
  const { hasEnded, node, unhinderedSinceMs } = process;
  return !hasEnded && node.state !== 'draining' && unhinderedSinceMs <= sinceMs;
}

function ignore(): void {
  // An auditor that nothing hinders misses nothing.
}
