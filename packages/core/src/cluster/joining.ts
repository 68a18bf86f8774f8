/** How a node enters a cluster: it agrees on the configuration, then takes its name, which no other run may hold. */
import { pause } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { fingerprintOf } from '../placement/fingerprint.ts';
import { CONFIG_KEY } from './store.ts';
import type { ClusterStore, StoreEntry } from './store.ts';
import type { Instant } from './lease.ts';
import {
  PROTO,
  heartbeatKey,
  memberKey,
  readConfig,
  readHeartbeat,
  readMember,
  readShard,
} from './records.ts';
import type { ClusterConfig } from './records.ts';
import { refusalOf } from './refusal.ts';
import type { StartLimit } from './refusal.ts';
import { expiryFor } from './timing.ts';
import type { Timing } from './timing.ts';
import { writeUntilKnown } from './write.ts';

/** Asks the store until it answers. */
export interface Asker {
  readonly store: ClusterStore;
  readonly timing: Timing;
  readonly clock: Clock;
  /** Returns false when asking should end. */
  readonly isWanted: () => boolean;
  /** How long it asks; undefined means as long as it is wanted. */
  readonly limit: StartLimit | undefined;
}

export interface JoiningOptions extends Asker {
  readonly nodeId: string;
  /** Whether no other process can run under the id: a former run is replaced and not waited for. */
  readonly isExclusive: boolean;
  readonly logger: Logger;
}

/** The settings that all members have to agree on besides the protocol. */
export type ClusterShape = Pick<ClusterConfig, 'numShards' | 'seed' | 'placement' | 'prefix' | 'codec'>;

/** `id` is new with each bucket. */
export function configOf(shape: ClusterShape, id: string): ClusterConfig {
  const { numShards, seed, placement, prefix, codec } = shape;
  return { id, numShards, seed, hash: hashFingerprint(), placement, prefix, codec, proto: PROTO };
}

/** The version of the hash that assigns keys to shards: a member with another one would disagree about every key. */
function hashFingerprint(): string {
  return fingerprintOf('clstr');
}

/** A configuration, and the revision at which it was written; 1 in a bucket that was empty until then. */
export interface Agreement {
  readonly config: ClusterConfig;
  readonly revision: number;
}

/**
 * Returns the configuration that the bucket has already, or `own` once that is written.
 *
 * @throws CLUSTER_CONFIG_MISMATCH, TRANSPORT_CLOSED; TIMEOUT or a refusal of the store when the limit is over
 */
export async function agreeOnConfig(
  options: Asker,
  own: ClusterConfig,
  complaint = 'this node does not fit into its cluster',
): Promise<Agreement> {
  const onFailure = options.limit?.begin(`write ${CONFIG_KEY}`);
  for (;;) {
    const known = await readOrWait(options, CONFIG_KEY);
    const config = readConfig(known?.value);
    if (config !== undefined) {
      checkConfig(config, own, complaint);
      return { config, revision: known!.revision };
    }
    await writeUntilKnown(options, {
      key: CONFIG_KEY,
      revision: known?.revision ?? 0,
      value: JSON.stringify(own),
      isWanted: options.isWanted,
      onFailure,
    });
  }
}

/** All but the id and what may differ between members. */
const AGREED = [
  ...(['numShards', 'seed', 'hash', 'placement', 'prefix', 'codec', 'proto'] as const),
] satisfies (keyof ClusterConfig)[];
/** Not in every record: where the cluster does not say, the member records are compared. */
const OPTIONAL: ReadonlySet<string> = new Set(['prefix', 'codec'] satisfies (keyof ClusterConfig)[]);

function checkConfig(cluster: ClusterConfig, own: ClusterConfig, complaint: string): void {
  const isSaid = (name: keyof ClusterConfig): boolean =>
    !OPTIONAL.has(name) || (cluster[name] !== undefined && own[name] !== undefined);
  const differing = AGREED.filter((name) => isSaid(name) && cluster[name] !== own[name]);
  if (differing.length === 0) return;
  const list = differing.map(
    (name) => `${name} is ${describe(cluster[name])} there and ${describe(own[name])} here`,
  );
  throw new ClstrError('CLUSTER_CONFIG_MISMATCH', `${complaint}: ${list.join(', ')}`, {
    details: Object.fromEntries(differing.map((name) => [name, { cluster: cluster[name], here: own[name] }])),
  });
}

/**
 * Writes the first heartbeat of a run, `value`, once no other run holds the name: it watches a run that may be alive for
 * longer than its lease, unless the id is exclusive. If two processes have one id, one write wins.
 *
 * @throws NODE_ID_IN_USE, TRANSPORT_CLOSED; TIMEOUT or a refusal of the store when the limit is over
 */
export async function claimNodeId(
  options: JoiningOptions,
  value: string,
  now: () => Instant,
): Promise<{ entry: StoreEntry; from: Instant }> {
  const { nodeId, timing, clock, isWanted, limit } = options;
  const record = heartbeatKey(nodeId);
  let seenInc: string | undefined;
  let seen: Pulse | undefined;
  for (;;) {
    const holder = await findHolder(options);
    if (holder.mayLiveMs > 0 && !options.isExclusive) {
      if (seenInc !== holder.inc) {
        sayThatItWaits(options, holder);
        seenInc = holder.inc;
        seen = undefined;
      }
      seen = pulseOf(seen, holder.revision, clock.monoMs());
      if (seen.renewals >= PROOF_OF_LIFE) throw inUse(nodeId);
      if (clock.monoMs() - seen.sinceMs < holder.mayLiveMs) {
        await pause(clock, timing.heartbeatMs / 3);
        continue;
      }
    }
    const from = now();
    const onFailure = limit?.begin(`write ${record}`);
    const result = await writeUntilKnown(options, {
      key: record,
      revision: holder.revision,
      value,
      isWanted,
      onFailure,
    });
    if (result.kind === 'acked') return { entry: result.entry, from };
    if (result.kind === 'given-up') throw closedWhileJoining();
  }
}

function sayThatItWaits({ nodeId, logger }: JoiningOptions, { inc, mayLiveMs }: Holder): void {
  const waitMs = Math.round(mayLiveMs);
  logger.warn(
    { event: 'node.waits_to_join', nodeId, inc, waitMs },
    `node ${nodeId} waits for up to ${waitMs} ms to join: another run with this id may still be alive`,
  );
}

/** The readings of a heartbeat so far. */
export interface Pulse {
  /** The highest revision so far, and when it was first read. */
  readonly revision: number;
  readonly sinceMs: number;
  /** How often a higher revision was read. */
  readonly renewals: number;
}

/** A single renewal may be an old answer followed by a newer one from a node that has died since. */
export const PROOF_OF_LIFE = 2;

export function pulseOf(before: Pulse | undefined, revision: number, nowMs: number): Pulse {
  if (before === undefined) return { revision, sinceMs: nowMs, renewals: 0 };
  // A lower revision is an old answer and proves nothing.
  return revision <= before.revision ? before : { revision, sinceMs: nowMs, renewals: before.renewals + 1 };
}

interface Holder {
  /** '' when only shards name it. */
  readonly inc: string;
  readonly revision: number;
  /** How long its heartbeat must stay unchanged until its run counts as over. */
  readonly mayLiveMs: number;
}

/** The newest heartbeat under this name. */
async function findHolder(options: JoiningOptions): Promise<Holder> {
  const { nodeId, timing } = options;
  const newest = await readOrWait(options, heartbeatKey(nodeId));
  const revision = newest?.revision ?? 0;
  const beat = readHeartbeat(newest?.value);
  if (beat === undefined) {
    const isNamed = (await listOrWait(options)).some((entry) => isOwnedBy(entry, nodeId));
    return { inc: '', revision, mayLiveMs: isNamed ? timing.expiryMs : 0 };
  }
  const member = readMember((await readOrWait(options, memberKey(nodeId)))?.value);
  const hasLeft = member?.inc === beat.inc && (member.state === 'left' || member.state === 'dead');
  const mayLiveMs = beat.isDead || hasLeft ? 0 : expiryFor(timing, beat.leaseMs);
  return { inc: beat.inc, revision, mayLiveMs };
}

function isOwnedBy({ key, value }: StoreEntry, nodeId: string): boolean {
  if (!key.startsWith('s.')) return false;
  const record = readShard(value);
  return record?.state === 'owned' && record.owner === nodeId;
}

function readOrWait(options: Asker, record: string): Promise<StoreEntry | undefined> {
  return answered(options, `read ${record}`, () => options.store.read(record, options.timing.ackTimeoutMs));
}

function listOrWait(options: JoiningOptions): Promise<readonly StoreEntry[]> {
  return answered(options, 'list all keys', () => options.store.list(options.timing.ackTimeoutMs));
}

/** Asks until there is an answer. @throws TRANSPORT_CLOSED when the node ends; what the limit throws */
async function answered<T>(
  { clock, timing, isWanted, limit }: Asker,
  doing: string,
  ask: () => Promise<T>,
): Promise<T> {
  const onFailure = limit?.begin(doing);
  while (isWanted()) {
    try {
      return await ask();
    } catch (error) {
      onFailure?.(refusalOf(error));
      await pause(clock, timing.heartbeatMs / 3);
    }
  }
  throw closedWhileJoining();
}

function inUse(nodeId: string): ClstrError {
  return new ClstrError(
    'NODE_ID_IN_USE',
    `another live node of the cluster has the id ${describe(nodeId)}: give each process an id of its own`,
  );
}

export function closedWhileJoining(): ClstrError {
  return new ClstrError('TRANSPORT_CLOSED', 'the node was closed while it joined its cluster');
}
