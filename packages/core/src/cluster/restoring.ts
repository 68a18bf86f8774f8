/**
 * After the bucket was lost, each run writes the epochs it knew into the next bucket, so that they go on rising.
 *
 * A run does so before it has its name there, as it may never get it: another process may be quicker, and know less.
 */
import type { Ledger } from './ledger.ts';
import type { StoreEntry } from './store.ts';
import { readShardIn, shardKey } from './records.ts';
import type { ShardRecord } from './records.ts';

/** How many writes are in flight at a time. */
const PARALLEL = 64;

/** Whether the bucket has forgotten that a shard had the epoch `highest`. */
export function isForgotten(record: ShardRecord | undefined, highest: number): boolean {
  return highest > 0 && (record === undefined || (record.state === 'restored' && record.epoch < highest));
}

/** The record of a shard without an owner, which a node may still hold from before. */
export function restoredAt(epoch: number): Omit<ShardRecord, 'nonce'> {
  return { epoch, owner: '', inc: '', state: 'restored' };
}

/**
 * Writes the epochs that the bucket does not know, each once: the run repeats uncertain writes when it is a member. Never
 * rejects. Needs no lease, because it gives no node a shard, and never overwrites the record of an owner.
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
      // The store is out of reach, or the bucket was lost once more: the other writes would wait as long, and in vain.
      if (kind === 'unknown') rest.length = 0;
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, rest.length) }, work));
}
