/**
 * Fills the bucket of a cluster before its first node starts. A shard without any record may have an owner from a
 * bucket that was lost, so its first owner has to wait for an expiry; here that wait happens once, before any user comes.
 */
import { pause } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { ClstrError, isClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import { CONFIG_KEY } from './store.ts';
import type { ClusterStore } from './store.ts';
import { agreeOnConfig, configOf } from './joining.ts';
import type { Asker, ClusterShape } from './joining.ts';
import { shardKey } from './records.ts';
import type { ShardRecord } from './records.ts';
import { createStartLimit } from './refusal.ts';
import { ReportedStore } from './reported-store.ts';
import type { Timing } from './timing.ts';
import { writeUntilKnown } from './write.ts';

export interface ProvisioningOptions {
  /** Must have the longest lease that a node of the cluster may have. */
  readonly timing: Timing;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The user knows that no node can hold a shard from an earlier bucket: skips the wait. */
  readonly isNew: boolean;
  /** Epochs continue above this one. */
  readonly afterEpoch: number;
}

/** How long one answer of the store may take, and how long all of the work may, besides the wait. */
const ANSWER_MS = 10_000;
const LIMIT_MS = 60_000;
/** How many writes are in flight at a time. */
const PARALLEL = 64;

/**
 * Agrees on the cluster's configuration, then writes a `released` record for each shard that has none; returns how many.
 * It changes no existing record. Unless the cluster `isNew`, it first waits until no owner from an earlier bucket can
 * have a valid lease, and until each such owner has had the time to write the epochs it knew.
 *
 * @throws CLUSTER_CONFIG_MISMATCH, TIMEOUT, CONNECTION_LOST; a refusal of the store that lasts
 */
export async function provisionShards(
  given: ClusterStore,
  shape: ClusterShape,
  options: ProvisioningOptions,
): Promise<number> {
  const { timing, clock, random, logger, isNew, afterEpoch } = options;
  const untilMs = clock.monoMs() + LIMIT_MS + (isNew ? 0 : timing.expiryMs);
  const store = new ReportedStore(given, { who: 'provisioning', fields: {}, clock, logger });
  const limit = createStartLimit(clock, timing, 'the cluster could not be provisioned');
  const asker: Asker = { store, timing, clock, limit, isWanted: () => clock.monoMs() < untilMs };
  let waitedFor: string | undefined;
  try {
    for (;;) {
      // A new id each time: with the old one, a bucket re-created during the wait would go unnoticed.
      const own = configOf(shape, randomId(random, 10));
      const { config } = await agreeOnConfig(asker, own, 'the cluster exists with another configuration');
      const missing = await shardsWithoutRecord(store, shape.numShards);
      if (missing.length === 0) return 0;
      if (isNew || waitedFor === config.id) return await writeAll(asker, missing, afterEpoch);
      waitedFor = config.id;
      await pause(clock, timing.expiryMs);
    }
  } catch (cause) {
    if (!isClstrError(cause, 'TRANSPORT_CLOSED')) throw cause;
    throw new ClstrError('TIMEOUT', 'the store did not answer while the cluster was provisioned', { cause });
  } finally {
    store.stopReporting();
  }
}

/** All records in the bucket of a newly provisioned cluster, by key. */
export function provisionedRecords(
  shape: ClusterShape,
  id: string,
): readonly { readonly key: string; readonly value: string }[] {
  const shards = Array.from({ length: shape.numShards }, (_, shard) => ({
    key: shardKey(shard),
    value: releasedAfter(0),
  }));
  return [{ key: CONFIG_KEY, value: JSON.stringify(configOf(shape, id)) }, ...shards];
}

async function shardsWithoutRecord(store: ClusterStore, numShards: number): Promise<number[]> {
  const keys = new Set((await store.list(ANSWER_MS)).map(({ key }) => key));
  return Array.from({ length: numShards }, (_, shard) => shard).filter((shard) => !keys.has(shardKey(shard)));
}

/** A record that another process writes in the meantime stays as it is. */
async function writeAll(asker: Asker, shards: readonly number[], afterEpoch: number): Promise<number> {
  const { isWanted, limit } = asker;
  const rest = [...shards].reverse();
  const value = releasedAfter(afterEpoch);
  let written = 0;
  const work = async (): Promise<void> => {
    for (let shard = rest.pop(); shard !== undefined; shard = rest.pop()) {
      const record = shardKey(shard);
      const onFailure = limit?.begin(`write ${record}`);
      const result = await writeUntilKnown(asker, { key: record, revision: 0, value, isWanted, onFailure });
      if (result.kind === 'given-up')
        throw new ClstrError('TIMEOUT', `shard ${shard} was not written in time`);
      if (result.kind === 'acked') written++;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return written;
}

/** The nonce is fixed: these bytes mean the same whichever process wrote them. */
function releasedAfter(epoch: number): string {
  const record: ShardRecord = { epoch, owner: '', inc: '', state: 'released', nonce: 'provisioned' };
  return JSON.stringify(record);
}
