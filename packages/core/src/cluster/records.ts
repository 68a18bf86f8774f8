/** The records of a cluster's bucket: their keys, and their shape as JSON. */
import { isAddressToken, nodeAddress } from '../wire/address.ts';
import type { NodeAddress } from '../wire/address.ts';
import { isWeight } from '../placement/placement.ts';
import type { PlacementKind } from '../placement/kind.ts';
import { isTraits } from './traits.ts';
import type { MemberTraits } from './traits.ts';

/** `cfg`: what all members agree on. Written once per bucket. */
export interface ClusterConfig {
  /** New with each bucket. */
  readonly id: string;
  readonly numShards: number;
  readonly seed: string;
  /** A hash of a fixed text: another hash function gives keys other homes. */
  readonly hash: string;
  readonly placement: PlacementKind;
  /** First part of the subjects; left out by earlier builds, and where a bus has none. */
  readonly prefix?: string | undefined;
  /** Name of the codec; left out by earlier builds, and by who provisions. */
  readonly codec?: string | undefined;
  /** Version of these records. */
  readonly proto: number;
}

/** `h.<nodeId>`: the lease of a node, and where it is declared dead. */
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
  /** How much of the shards it gets, in proportion; left out for 1. */
  readonly weight?: number | undefined;
  /** What it is compared by with the other members; earlier builds leave it out. */
  readonly traits?: MemberTraits | undefined;
  /** Messages may not reach the node, or some of its shards: nobody gives up shards in its favour. Left out for false. */
  readonly isInDoubt?: boolean | undefined;
  readonly nonce: string;
}

/** `s.<shard>`: who owns a shard. */
export interface ShardRecord {
  /** One more at each change of owner: the fencing token. */
  readonly epoch: number;
  readonly owner: string;
  readonly inc: string;
  /** `restored`: the bucket was lost; somebody may still hold the shard from before. */
  readonly state: 'owned' | 'released' | 'restored';
  /** `id` of the configuration it was written under; nobody but a node knows one for certain. */
  readonly cluster?: string | undefined;
  readonly nonce: string;
}

/** What a ledger writes: it adds the nonce. */
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

/** The record in `value`, or undefined when it is none: another program may have written it. */
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
  cluster: isOptionalText,
  nonce: isText,
});

/** Only a record that was never owned names no run. */
export const readShard: RecordReader<ShardRecord> = (value) => {
  const record = readShardFields(value);
  if (record === undefined || ownerIn(record) !== undefined) return record;
  return record.state !== 'owned' && record.owner === '' && record.inc === '' ? record : undefined;
};

/** The run that a record of a shard names; undefined when it names none. */
export function ownerIn({ owner, inc }: ShardRecord): NodeAddress | undefined {
  return nodeAddress(owner, inc);
}

/**
 * What a shard's record says in the bucket whose configuration is `clusterId`. One that was on its way when an earlier
 * bucket was lost may match a revision of this one: it proves no more than that there was such an epoch.
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
