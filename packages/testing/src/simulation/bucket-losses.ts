/**
 * S1 across the loss of a bucket. Epochs keep rising as far as survivors that do not stall write what they know into
 * the next bucket; an epoch that no process could write in time may be assigned again, and until then a fenced store
 * refuses the owners of its keys.
 */
import { CONFIG_KEY } from '@clstr/core/store';
import type { ClusterStore, StoreEntry, Watch } from '@clstr/core/store';
import type { MemoryStore } from '@clstr/transport-memory';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

interface Loss {
  readonly atMs: number;
  /** The epochs that each process knew by then. */
  readonly known: ReadonlyMap<SimulatedNode, ReadonlyMap<string, number>>;
}

export class BucketLosses {
  readonly #world: World;
  readonly #store: ClusterStore;
  #watch: Watch | undefined;
  #last: Loss | undefined;
  /** The epochs of the last owners in the current bucket, by the record keys of their shards. */
  readonly #epochs = new Map<string, number>();
  /** The highest epochs of the buckets that were lost. */
  readonly #lost = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    this.#store = world.store.connect({ member: 'auditor' });
  }

  /** Records that the bucket was deleted. */
  onLoss(): void {
    const { nowMs, processes } = this.#world;
    const there = processes.filter((process) => !process.hasEnded);
    this.#last = {
      atMs: nowMs,
      known: new Map(there.map((process) => [process, new Map(process.epochs.highest)])),
    };
    for (const { key, value } of this.#world.store.history) {
      if (!key.startsWith('s.') || value === undefined) continue;
      const { epoch } = JSON.parse(value) as { epoch: number };
      this.#lost.set(key, Math.max(epoch, this.#lost.get(key) ?? 0));
    }
    this.#epochs.clear();
    // The previous watch still watches the deleted bucket.
    this.#watch?.close();
    this.#watch = this.#store.watch('s.*', { onEntry: (entry) => this.#onShard(entry), onGap: ignore });
  }

  /** Whether a fenced store that holds the token has to refuse the present owner of the shard, as its epoch was lost. */
  hasForgotten(shard: number, token: number): boolean {
    const key = `s.${shard}`;
    return token <= (this.#lost.get(key) ?? 0) && token > (this.#epochs.get(key) ?? 0);
  }

  #onShard({ key, value }: StoreEntry): void {
    if (this.#last === undefined || value === undefined) return;
    const { epoch, owner, inc, state, cluster } = JSON.parse(value) as Record<string, unknown>;
    const { nowMs, timing, oracle, store } = this.#world;
    // A late write for an earlier bucket makes no node an owner.
    if (state !== 'owned' || cluster !== clusterIdOf(store)) return;
    const isFirst = !this.#epochs.has(key);
    this.#epochs.set(key, epoch as number);
    if (!isFirst) return;
    // No node may take a shard of a new bucket earlier than this, so each process had this long to write its epochs.
    const sinceMs = Math.max(this.#last.atMs, nowMs - timing.expiryMs);
    for (const [process, known] of this.#last.known) {
      const highest = known.get(key) ?? 0;
      if (highest < (epoch as number) || !couldRestore(process, sinceMs)) continue;
      oracle.violated(
        'S1',
        `${key}: epoch ${String(epoch)} of ${String(owner)}#${String(inc)} in a new bucket, though ` +
          `${process.processId} knew ${highest} and ran on`,
      );
    }
  }
}

/** The cluster id of the current bucket. */
function clusterIdOf({ history }: MemoryStore): unknown {
  const config = history.findLast(({ key }) => key === CONFIG_KEY)?.value;
  return config && (JSON.parse(config) as { id: unknown }).id;
}

/**
 * Whether the process ran and was connected from `sinceMs` on. One that leaves, or was refused its name, does not
 * count.
 */
function couldRestore(process: SimulatedNode, sinceMs: number): boolean {
  const { hasEnded, node, unhinderedSinceMs } = process;
  return !hasEnded && node.state !== 'draining' && unhinderedSinceMs <= sinceMs;
}

function ignore(): void {
  // The auditor's connection has no faults, so it never misses an entry.
}
