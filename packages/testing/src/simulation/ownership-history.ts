/** Checks the bucket's history after a run. */
import { CONFIG_KEY } from '@clstr/core/store';
import type { MemoryStore } from '@clstr/transport-memory';
import type { StoreWrite } from '@clstr/transport-memory/internal';
import { auditEpochs } from '../checkers/audit-epochs.ts';
import type { Oracle } from './oracle.ts';

interface ShardWrite {
  readonly epoch: number;
  readonly cluster: string;
}

interface Audited {
  readonly store: MemoryStore;
  readonly oracle: Oracle;
}

/** The last epoch in which that run of a node owned the shard, according to the bucket. */
export function lastEpochOf(
  { history }: MemoryStore,
  shard: number,
  nodeId: string,
  inc: string,
): number | undefined {
  const key = `s.${shard}`;
  const mine = history.findLast(
    ({ key: written, value }) =>
      written === key && value?.includes(`"owner":"${nodeId}","inc":"${inc}","state":"owned"`),
  );
  return mine && (JSON.parse(mine.value!) as ShardWrite).epoch;
}

/**
 * Checks S1, that epochs rise with each change of owner and no epoch has two owners; and L4 if `maxMovesPerChange` is
 * given. It checks each bucket by itself; {@link BucketLosses} checks across buckets.
 */
export function checkEpochs({ store, oracle }: Audited, maxMovesPerChange: number | undefined): void {
  const buckets: StoreWrite[][] = [];
  for (const write of store.history) (buckets[write.bucket] ??= []).push(write);
  for (const writes of Object.values(buckets)) {
    for (const { kind, key, explanation } of auditEpochs(ownWrites(writes), { maxMovesPerChange }).problems) {
      oracle.violated(kind === 'too-many-moves' ? 'L4' : 'S1', `${key}: ${explanation}`);
    }
  }
}

/** Without the late writes for an earlier bucket, which make no node an owner. */
function ownWrites(writes: readonly StoreWrite[]): StoreWrite[] {
  const config = writes.find(({ key }) => key === CONFIG_KEY)?.value;
  const clusterId = config && (JSON.parse(config) as { id: string }).id;
  return writes.filter(
    ({ key, value }) =>
      !key.startsWith('s.') || value === undefined || (JSON.parse(value) as ShardWrite).cluster === clusterId,
  );
}
