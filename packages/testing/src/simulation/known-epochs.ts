/** The epochs of shards that one process knows: after the loss of a bucket it can restore no more than these. */
import type { ClusterStore, StoreEntry } from '@clstr/core/store';
import { altered } from '../altered.ts';

export class KnownEpochs {
  /** The highest known epoch, by the record key of the shard. */
  readonly highest: Map<string, number> = new Map();

  /** Returns the same store, and records all epochs that pass through it. */
  wrap(store: ClusterStore): ClusterStore {
    const cas: ClusterStore['cas'] = async (key, revision, value, timeoutMs) => {
      const outcome = await store.cas(key, revision, value, timeoutMs);
      if (outcome.kind === 'acked') this.#learn({ key, revision: outcome.revision, value });
      return outcome;
    };
    const watch: ClusterStore['watch'] = (pattern, listener) =>
      store.watch(pattern, {
        onEntry: (entry) => {
          this.#learn(entry);
          listener.onEntry(entry);
        },
        onGap: () => listener.onGap(),
      });
    return altered(store, { cas, watch });
  }

  #learn({ key, value }: StoreEntry): void {
    if (!key.startsWith('s.') || value === undefined) return;
    const { epoch } = JSON.parse(value) as { epoch: number };
    if (epoch > (this.highest.get(key) ?? 0)) this.highest.set(key, epoch);
  }
}
