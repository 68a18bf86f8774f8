/**
 * The bucket was lost: whoever knew the epochs of its shards writes them into the next one, so that they go on rising.
 *
 * A run does so before it has its name there, as it may never get it: another process may be quicker, and know less.
 */
import type { Ledger } from './ledger.ts';
import type { StoreEntry } from './store.ts';
import { readShardIn, shardKey } from './records.ts';
import type { ShardRecord } from './records.ts';

/** Writes on their way at a time. */
const PARALLEL = 64;

/** Whether the bucket knows less of a shard than somebody who knew the epoch `highest`. */
export function isForgotten(record: ShardRecord | undefined, highest: number): boolean {
  return highest > 0 && (record === undefined || (record.state === 'restored' && record.epoch < highest));
}

/** Nobody's shard: somebody may still hold it from before. */
export function restoredAt(epoch: number): Omit<ShardRecord, 'nonce'> {
  return { epoch, owner: '', inc: '', state: 'restored' };
}

/**
 * Writes what the bucket does not know, each record once: what is not certain then is written again when the run is a
 * member. Never rejects. Needs no lease, as it gives nobody a shard, and never writes over a record of an owner.
 */
export async function restoreEpochs(ledger: Ledger): Promise<void> {
  const { store, clusterId, highestEpochs } = ledger;
  const { ackTimeoutMs } = ledger.timing;
  if (highestEpochs.size === 0) return;
  let entries: readonly StoreEntry[];
  try {
    entries = await store.list(ackTimeoutMs);
  } catch {
    return;
  }
  const known = new Map(entries.map((entry) => [entry.key, entry]));
  const rest = [...highestEpochs].filter(([shard, epoch]) =>
    isForgotten(readShardIn(clusterId, known.get(shardKey(shard))?.value), epoch),
  );
  const work = async (): Promise<void> => {
    for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
      const key = shardKey(next[0]);
      const revision = known.get(key)?.revision ?? 0;
      const { kind } = await store.cas(key, revision, ledger.encode(restoredAt(next[1])), ackTimeoutMs);
      // The store is out of reach, or the bucket lost once more: the others would wait for as long, and in vain.
      if (kind === 'unknown') rest.length = 0;
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, rest.length) }, work));
}
