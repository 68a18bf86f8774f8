/** Checks the bucket's history after a run. */
import { CONFIG_KEY } from '@clstr/core/store';
import type { MemoryStore } from '@clstr/transport-memory';
import type { StoreWrite } from '@clstr/transport-memory/internal';
import type { Oracle } from './oracle.ts';

interface ShardWrite {
  readonly epoch: number;
  readonly owner: string;
  readonly inc: string;
  readonly state: 'owned' | 'released' | 'restored';
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
 * Checks S1: epochs rise with each change of owner, and no epoch has two owners. It checks each bucket by itself;
 * {@link BucketLosses} checks across buckets.
 */
export function checkEpochs({ store, oracle }: Audited): void {
  const last = new Map<string, { epoch: number; holder: string }>();
  const holders = new Map<string, string>();
  let current = 1;
  let clusterId: string | undefined;
  for (const { bucket, key, value } of store.history) {
    if (bucket !== current) {
      last.clear();
      holders.clear();
    }
    current = bucket;
    if (key === CONFIG_KEY && value !== undefined) clusterId = (JSON.parse(value) as { id: string }).id;
    if (!key.startsWith('s.') || value === undefined) continue;
    const { epoch, owner, inc, state, cluster } = JSON.parse(value) as ShardWrite;
    // A late write for an earlier bucket makes no node an owner.
    if (state === 'restored' || owner === '' || cluster !== clusterId) continue;
    const holder = `${owner}#${inc}`;
    const before = last.get(key);
    if (before !== undefined && before.holder !== holder && epoch <= before.epoch) {
      oracle.violated('S1', `${key}: epoch ${before.epoch} of ${before.holder}, then ${epoch} of ${holder}`);
    }
    const known = holders.get(`${key}@${epoch}`);
    if (known !== undefined && known !== holder) {
      oracle.violated('S1', `${key}: epoch ${epoch} had the owners ${known} and ${holder}`);
    }
    holders.set(`${key}@${epoch}`, holder);
    last.set(key, { epoch, holder });
  }
}

/** Checks L4: while nodes only join and leave, a shard moves at most once for each of them. */
export function checkMoves({ store, oracle }: Audited): void {
  const history = store.history;
  const first = history.findIndex(({ key }) => key.startsWith('s.'));
  const changes = history.slice(first).filter(isMembershipChange).length;
  const moves = new Map<string, number>();
  const owners = new Map<string, string>();
  for (const { key, value } of history) {
    if (!key.startsWith('s.') || value === undefined) continue;
    const { owner, state } = JSON.parse(value) as ShardWrite;
    const before = owners.get(key);
    if (state !== 'owned' || before === owner) continue;
    owners.set(key, owner);
    if (before !== undefined) moves.set(key, (moves.get(key) ?? 0) + 1);
  }
  for (const [key, count] of moves) {
    if (count > changes) oracle.violated('L4', `${key} moved ${count} times for ${changes} joins and leaves`);
  }
}

function isMembershipChange({ key, value }: StoreWrite): boolean {
  return key.startsWith('m.') && value !== undefined && /"state":"(up|draining)"/.test(value);
}
