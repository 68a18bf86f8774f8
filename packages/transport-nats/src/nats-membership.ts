/** Membership over NATS: the members of a cluster meet in a JetStream bucket. */
import type { ClstrError, Logger, Membership } from '@clstr/core';
import { provisionShards } from '@clstr/core/store';
import { systemRandom } from '@clstr/core/internal';
import type { NatsMembershipOptions, ProvisionOptions } from './bucket-options.ts';
import { Bucket } from './bucket.ts';
import type { BucketShape, FoundBucket } from './bucket.ts';
import { openControlConnection } from './control-connection.ts';
import type { ControlConnection } from './control-connection.ts';
import { resolveMembershipOptions, resolveProvisionOptions } from './membership-options.ts';
import type { ResolvedClusterOptions } from './membership-options.ts';
import { bucketDiffers, bucketIsFed, fromOpeningError, unsafeServer } from './nats-errors.ts';
import { NatsStore } from './nats-store.ts';

/**
 * Each node that opens it gets a connection of its own. `open` also throws UNSUPPORTED_VERSION if the servers are not
 * safe with several replicas.
 *
 * @throws INVALID_OPTION
 */
export function natsMembership(options: NatsMembershipOptions = {}): Membership {
  const resolved = resolveMembershipOptions(options);
  const { cluster, prefix, timing, placement } = resolved;
  return Object.freeze({
    name: 'nats',
    cluster: { name: cluster, prefix },
    timing,
    placement,
    open: async ({ logger = resolved.logger } = {}) => {
      const settings = options.logger === undefined ? { ...resolved, logger } : resolved;
      const opened = await openBucket(settings);
      sayWeaknesses(opened, settings.logger);
      return storeOf(opened, settings);
    },
  });
}

/**
 * Creates the bucket of a cluster, if its first node should not choose replicas and storage; with `numShards` it also
 * fills it, so that the first node need not wait for an expiry. It changes only one thing in an existing bucket: it
 * forbids roll-ups and purges if an earlier version created it. You may call it again, even while the cluster runs.
 *
 * @throws INVALID_OPTION, CONNECT_FAILED, AUTH_FAILED, NO_PERMISSION, UNSUPPORTED_VERSION, STORE_REFUSED, TIMEOUT,
 * CONNECTION_LOST;
 * CLUSTER_CONFIG_MISMATCH when the bucket exists with other replicas or storage, or for another `numShards`, `seed` or
 * `placement`, or takes records from elsewhere
 */
export async function provisionCluster(options: ProvisionOptions = {}): Promise<void> {
  const resolved = resolveProvisionOptions(options);
  const wanted = shapeOf(resolved);
  const { control, bucket } = await openBucket(resolved);
  try {
    await bucket.create(wanted, ANSWER_MS);
    const found = await bucket.look(ANSWER_MS);
    if (found?.shape.replicas !== wanted.replicas || found.shape.storage !== wanted.storage) {
      throw bucketDiffers(bucket.stream, found?.shape, wanted);
    }
    if (!found.isGuarded) await bucket.guard(ANSWER_MS);
    const { shards, timing, clock, logger } = resolved;
    if (shards !== undefined) {
      const store = storeOf({ control, bucket }, resolved);
      await provisionShards(store, shards, { ...shards, timing, clock, logger, random: systemRandom });
    }
  } finally {
    await control.close();
  }
}

/** For calls of a program that is starting, or that a person runs. */
const ANSWER_MS = 5_000;

/** Closing it closes the connection. */
function storeOf({ control, bucket }: Omit<OpenBucket, 'found'>, options: ResolvedClusterOptions): NatsStore {
  const { inboxPrefix, clock, logger, timing } = options;
  return new NatsStore(control, bucket, {
    inboxPrefix,
    clock,
    logger,
    shape: shapeOf(options),
    timeoutMs: timing.ackTimeoutMs,
    idleHeartbeatMs: timing.pingMs,
  });
}

/** A node cannot fix these: it may neither update the stream nor do without it. */
function sayWeaknesses({ bucket: { stream }, found }: OpenBucket, logger: Logger): void {
  if (found?.isGuarded === false) {
    logger.warn(
      { event: 'store.rollups_allowed', stream },
      `${stream} can be emptied by one write: run provisionCluster, which forbids roll-ups`,
    );
  }
  if (found?.isRepublished === true) {
    logger.warn(
      { event: 'store.republished', stream },
      `${stream} republishes its records to other subjects: re-create it without republish`,
    );
  }
}

interface OpenBucket {
  /** The bucket as it was when it was opened; undefined if it did not exist. */
  readonly found: FoundBucket | undefined;
  readonly control: ControlConnection;
  readonly bucket: Bucket;
}

async function openBucket(options: ResolvedClusterOptions): Promise<OpenBucket> {
  const { bucket: name, connect, clock, logger, replicas, allowUnsafeServer } = options;
  const control = await openControlConnection({ connect, clock, logger });
  const bucket = new Bucket(control, name, clock);
  let found: FoundBucket | undefined;
  try {
    found = await firstAnswer(bucket, connect.servers as readonly string[]);
    if (found !== undefined && found.inflows.length > 0) throw bucketIsFed(bucket.stream, found.inflows);
    const most = Math.max(replicas, found?.shape.replicas ?? 1);
    if (most > 1 && !allowUnsafeServer && !isSafeServer(control.serverVersion)) {
      throw unsafeServer(control.serverVersion, most);
    }
  } catch (error) {
    await control.close();
    throw error;
  }
  return { control, bucket, found };
}

async function firstAnswer(bucket: Bucket, servers: readonly string[]): Promise<FoundBucket | undefined> {
  try {
    return await bucket.look(ANSWER_MS);
  } catch (error) {
    throw fromOpeningError(error as ClstrError, servers.join(', '));
  }
}

/** Since 2.11, the majority of servers has each acknowledged write of a replicated stream. */
export function isSafeServer(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 2 || (major === 2 && minor >= 11);
}

function shapeOf({ replicas, storage }: ResolvedClusterOptions): BucketShape {
  return { replicas, storage };
}
