/** What one process has heard of the epochs of shards: when the bucket is lost, it can say no more than this. */
import type { ClusterStore, StoreEntry } from '@clstr/core/store';

export class HeardEpochs {
  /** By the key of the shard. */
  readonly highest: Map<string, number> = new Map();

  /** The same store, overheard. */
  wrap(store: ClusterStore): ClusterStore {
    const cas: ClusterStore['cas'] = async (key, revision, value, timeoutMs) => {
      const outcome = await store.cas(key, revision, value, timeoutMs);
      if (outcome.kind === 'acked') this.#hear({ key, revision: outcome.revision, value });
      return outcome;
    };
    const watch: ClusterStore['watch'] = (pattern, listener) =>
      store.watch(pattern, {
        onEntry: (entry) => {
          this.#hear(entry);
          listener.onEntry(entry);
        },
        onGap: () => listener.onGap(),
      });
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'cas') return cas;
        if (name === 'watch') return watch;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  #hear({ key, value }: StoreEntry): void {
    if (!key.startsWith('s.') || value === undefined) return;
    const { epoch } = JSON.parse(value) as { epoch: number };
    if (epoch > (this.highest.get(key) ?? 0)) this.highest.set(key, epoch);
  }
}
