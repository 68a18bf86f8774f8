/** The records of a cluster's bucket: their keys, and their shape as JSON. */
import { isAddressToken, nodeAddress } from '../wire/address.ts';
import type { NodeAddress } from '../wire/address.ts';
import { isWeight } from '../placement/placement.ts';
import type { PlacementKind } from '../placement/kind.ts';
import type { FormerOwner } from './shards.ts';
import { isTraits } from './traits.ts';
import type { MemberTraits } from './traits.ts';

/** `cfg`: the settings that all members agree on. Written once per bucket. */
export interface ClusterConfig {
  /** New with each bucket. */
  readonly id: string;
  readonly numShards: number;
  readonly seed: string;
  /** A hash of a fixed text: another hash function gives keys other homes. */
  readonly hash: string;
  readonly placement: PlacementKind;
  /** First part of the subjects; absent from records of earlier builds, and if the bus has none. */
  readonly prefix?: string | undefined;
  /** Name of the codec; absent from records of earlier builds and of `provisionCluster`. */
  readonly codec?: string | undefined;
  /** Version of these records. */
  readonly proto: number;
}

/** `h.<nodeId>`: the lease of a node. A monitor declares the node dead by a write to this record. */
export interface Heartbeat {
  readonly inc: string;
  readonly beat: number;
  readonly leaseMs: number;
  readonly isDead: boolean;
  /** New with each write, so that its sender recognises it. */
  readonly nonce: string;
}

export type MemberState = 'up' | 'draining' | 'left' | 'dead';

/** `m.<nodeId>`: whether a node wants shards. Written after its first heartbeat. */
export interface MemberRecord {
  readonly inc: string;
  readonly state: MemberState;
  /** The proportion of shards it gets; absent for 1. */
  readonly weight?: number | undefined;
  /** What the other members must have in common with it; absent from records of earlier builds. */
  readonly traits?: MemberTraits | undefined;
  /** Messages may not reach the node, or some of its shards: no node gives up shards to it. Absent for false. */
  readonly isInDoubt?: boolean | undefined;
  readonly nonce: string;
}

/** `s.<shard>`: who owns a shard. */
export interface ShardRecord {
  /** One more at each change of owner: the fencing token. */
  readonly epoch: number;
  readonly owner: string;
  readonly inc: string;
  /** `restored`: the bucket was lost; a node may still hold the shard from before. */
  readonly state: 'owned' | 'released' | 'restored';
  /** With `released`: the secret for which the former owner gives the next one what it keeps; absent if that is nothing. */
  readonly carries?: string | undefined;
  /** `id` of the configuration it was written under; only a node knows one for certain. */
  readonly cluster?: string | undefined;
  readonly nonce: string;
}

/** A record without its nonce, which the ledger adds. */
export type WithoutNonce =
  Omit<Heartbeat, 'nonce'> | Omit<MemberRecord, 'nonce'> | Omit<ShardRecord, 'nonce'>;

export const PROTO = 1;

export function heartbeatKey(nodeId: string): string {
  return `h.${nodeId}`;
}

export function memberKey(nodeId: string): string {
  return `m.${nodeId}`;
}

export function shardKey(shard: number): string {
  return `s.${shard}`;
}

/** Returns the record in `value`, or undefined if it holds none: another program may have written it. */
export type RecordReader<R> = (value: string | undefined) => R | undefined;

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isOptionalText: Check = (value) => value === undefined || isText(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isOneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);

export const readConfig: RecordReader<ClusterConfig> = reader<ClusterConfig>({
  id: isText,
  numShards: isCount,
  seed: isText,
  hash: isText,
  placement: isText,
  prefix: isOptionalText,
  codec: isOptionalText,
  proto: isCount,
});

export const readHeartbeat: RecordReader<Heartbeat> = reader<Heartbeat>({
  inc: isAddressToken,
  beat: isCount,
  leaseMs: isCount,
  isDead: isOneOf(true, false),
  nonce: isText,
});

export const readMember: RecordReader<MemberRecord> = reader<MemberRecord>({
  inc: isAddressToken,
  state: isOneOf('up', 'draining', 'left', 'dead'),
  weight: (value) => value === undefined || isWeight(value),
  traits: (value) => value === undefined || isTraits(value),
  isInDoubt: isOneOf(undefined, true, false),
  nonce: isText,
});

const readShardFields = reader<ShardRecord>({
  epoch: isCount,
  owner: isText,
  inc: isText,
  state: isOneOf('owned', 'released', 'restored'),
  carries: isOptionalText,
  cluster: isOptionalText,
  nonce: isText,
});

/** Only the record of a shard that never had an owner names no run. */
export const readShard: RecordReader<ShardRecord> = (value) => {
  const record = readShardFields(value);
  if (record === undefined || ownerIn(record) !== undefined) return record;
  return record.state !== 'owned' && record.owner === '' && record.inc === '' ? record : undefined;
};

/** The run that the record of a shard names; undefined if it names none. */
export function ownerIn({ owner, inc }: ShardRecord): NodeAddress | undefined {
  return nodeAddress(owner, inc);
}

/** The owner that has handed the shard over, if it keeps something for the next one. */
export function formerOwnerIn(record: ShardRecord | undefined): FormerOwner | undefined {
  if (record?.state !== 'released' || record.carries === undefined) return undefined;
  const address = ownerIn(record);
  return address && { address, secret: record.carries };
}

/**
 * Reads a shard's record in the bucket whose configuration is `clusterId`. A write that was in flight when an earlier
 * bucket was lost may match a revision of this one: it proves only that there was such an epoch.
 */
export function readShardIn(clusterId: string, value: string | undefined): ShardRecord | undefined {
  const record = readShard(value);
  if (record?.cluster === undefined || record.cluster === clusterId) return record;
  return { ...record, owner: '', inc: '', state: 'restored' };
}

function reader<R>(shape: Readonly<Record<keyof R & string, Check>>): RecordReader<R> {
  const checks = Object.entries<Check>(shape);
  return (value) => {
    let record: unknown;
    try {
      record = JSON.parse(value ?? 'null');
    } catch {
      return undefined;
    }
    if (typeof record !== 'object' || record === null) return undefined;
    const fields = record as Record<string, unknown>;
    return checks.every(([name, holds]) => holds(fields[name])) ? (record as R) : undefined;
  };
}
