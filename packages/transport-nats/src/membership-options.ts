/** Options of membership over NATS, checked before anything connects. */
import type { Clock, Logger, PlacementKind, Timing, TimingProfile } from '@clstr/core';
import type { ClusterShape } from '@clstr/core/store';
import { ClstrError, defaults as coreDefaults, systemClock } from '@clstr/core';
import { resolveTiming } from '@clstr/core/store';
import {
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkString,
  invalidOption,
  safeLogger,
  silentLogger,
} from '@clstr/core/internal';
import type { ConnectionOptions } from 'nats';
import { CONNECT_OPTIONS, resolveConnectOptions } from './connect-options.ts';
import type { NatsConnectOptions } from './connect-options.ts';
import { checkCluster, defaults, resolveLocation } from './nats-options.ts';
import { isPlainSubject } from './subjects.ts';

export interface NatsClusterOptions extends NatsConnectOptions {
  /** Names the cluster and its bucket, as the transports of its nodes and clients say. Default `clstr`. */
  cluster?: string | undefined;
  /** As the transports say, where they set one. Default: the name of the cluster. */
  subjectPrefix?: string | undefined;
  /** Servers that keep a copy of the bucket, where this call is what creates it. Default 1. */
  replicas?: number | undefined;
  /** Trusts several replicas of servers below 2.11, which may lose acknowledged writes. Default false. */
  allowUnsafeServer?: boolean | undefined;
  /** Where answers of the server go; for users who may subscribe to nothing else. Default `_INBOX`. */
  inboxPrefix?: string | undefined;
  clock?: Clock | undefined;
  /** Default: that of the node that opens it. */
  logger?: Logger | undefined;
}

export interface NatsMembershipOptions extends NatsClusterOptions {
  /** Default `default`. */
  timing?: TimingProfile | Timing | undefined;
  /** Default `rendezvous`. */
  placement?: PlacementKind | undefined;
}

export interface ProvisionOptions extends NatsClusterOptions {
  /** Default `file`. A bucket in memory is gone with its servers. */
  storage?: 'file' | 'memory' | undefined;
  /**
   * Shards of the cluster, as its nodes will say: writes what they have to agree on, and a record for each shard that has
   * none, so that the first node serves at once. Default: none is written, and the first owner of each shard waits for
   * an expiry.
   */
  numShards?: number | undefined;
  /** With `numShards`, as the nodes will say. Default ''. */
  seed?: string | undefined;
  /** With `numShards`, as the nodes will say. Default `rendezvous`. */
  placement?: PlacementKind | undefined;
  /** With `numShards`: of the node with the longest lease. Default `default`. */
  timing?: TimingProfile | Timing | undefined;
  /**
   * With `numShards`: you know that no node of this cluster runs, or has run for an expiry, so that nothing needs to be
   * waited for. Default false: the records are written an expiry after the bucket was first seen.
   */
  isNew?: boolean | undefined;
  /**
   * With `numShards`: the highest fencing token that the cluster ever gave, where this bucket replaces one that was lost
   * with all nodes. Default 0.
   */
  afterEpoch?: number | undefined;
}

export interface ResolvedClusterOptions {
  readonly cluster: string;
  readonly subjectPrefix: string;
  readonly replicas: number;
  readonly storage: 'file' | 'memory';
  readonly allowUnsafeServer: boolean;
  readonly inboxPrefix: string;
  /** For the NATS client. */
  readonly connect: ConnectionOptions;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ShardsToProvision extends ClusterShape {
  readonly isNew: boolean;
  readonly afterEpoch: number;
}

export interface ResolvedProvisionOptions extends ResolvedClusterOptions {
  /** Undefined: only the bucket. */
  readonly shards: ShardsToProvision | undefined;
}

export interface ResolvedMembershipOptions extends ResolvedClusterOptions {
  readonly placement: PlacementKind;
}

const CLUSTER_OPTIONS: readonly string[] = [
  ...CONNECT_OPTIONS,
  'cluster',
  'subjectPrefix',
  'replicas',
  'allowUnsafeServer',
  'inboxPrefix',
  'clock',
  'logger',
];

/** @throws INVALID_OPTION */
export function resolveMembershipOptions(given: NatsMembershipOptions): ResolvedMembershipOptions {
  const owner = 'natsMembership';
  checkKnownOptions(owner, given, [...CLUSTER_OPTIONS, 'timing', 'placement']);
  const timing = resolveTiming(owner, given.timing ?? 'default');
  return Object.freeze({
    ...resolveCluster(owner, given, timing),
    storage: 'file',
    placement: oneOf(owner, 'placement', given.placement ?? 'rendezvous', PLACEMENTS),
  });
}

/** @throws INVALID_OPTION */
export function resolveProvisionOptions(given: ProvisionOptions): ResolvedProvisionOptions {
  const owner = 'provisionCluster';
  checkKnownOptions(owner, given, [...CLUSTER_OPTIONS, 'storage', 'numShards', ...SHARD_OPTIONS]);
  return Object.freeze({
    ...resolveCluster(owner, given, resolveTiming(owner, given.timing ?? 'default')),
    storage: oneOf(owner, 'storage', given.storage ?? 'file', ['file', 'memory']),
    shards: resolveShards(owner, given),
  });
}

/** They say something about the shards, so that they need `numShards`. */
const SHARD_OPTIONS = [
  'seed',
  'placement',
  'timing',
  'isNew',
  'afterEpoch',
] as const satisfies readonly (keyof ProvisionOptions)[];

/** The most records that one call is willing to write. */
const MAX_SHARDS = 2 ** 24;

function resolveShards(owner: string, given: ProvisionOptions): ShardsToProvision | undefined {
  const { numShards, seed, placement = 'rendezvous', isNew = false, afterEpoch = 0 } = given;
  if (numShards === undefined) {
    const idle = SHARD_OPTIONS.find((name) => given[name] !== undefined);
    if (idle === undefined) return undefined;
    throw new ClstrError('INVALID_OPTION', `${owner}: ${idle} has no effect without numShards`);
  }
  return Object.freeze({
    numShards: checkInteger(owner, 'numShards', numShards, 1, MAX_SHARDS),
    seed: checkString(owner, 'seed', seed ?? coreDefaults.seed),
    placement: oneOf(owner, 'placement', placement, PLACEMENTS),
    prefix: resolveLocation(owner, given).subjectPrefix,
    isNew: checkBoolean(owner, 'isNew', isNew),
    afterEpoch: checkInteger(owner, 'afterEpoch', afterEpoch, 0, Number.MAX_SAFE_INTEGER - 1),
  });
}

const PLACEMENTS: readonly PlacementKind[] = ['rendezvous', 'bounded'];

/** Of JetStream. */
const MAX_REPLICAS = 5;

function resolveCluster(
  owner: string,
  given: NatsClusterOptions,
  timing: Timing,
): Omit<ResolvedClusterOptions, 'storage'> {
  const { allowUnsafeServer = false, inboxPrefix = defaults.inboxPrefix } = given;
  checkBoolean(owner, 'allowUnsafeServer', allowUnsafeServer);
  if (typeof (inboxPrefix as unknown) !== 'string' || !isPlainSubject(inboxPrefix)) {
    throw invalidOption(owner, 'inboxPrefix', inboxPrefix, 'a NATS subject without wildcards');
  }
  const connect = resolveConnectOptions(owner, given, {
    servers: defaults.servers,
    connectTimeoutMs: timing.dialMs,
    reconnectWaitMs: defaults.reconnectWaitMs,
    pingIntervalMs: timing.pingMs,
  });
  return {
    cluster: checkCluster(owner, given.cluster),
    subjectPrefix: resolveLocation(owner, given).subjectPrefix,
    replicas: checkInteger(owner, 'replicas', given.replicas ?? 1, 1, MAX_REPLICAS),
    allowUnsafeServer,
    inboxPrefix,
    connect: { ...connect, inboxPrefix },
    timing,
    clock: checkMethods(owner, 'clock', given.clock ?? systemClock, [
      ...(['monoMs', 'wallMs', 'timer', 'macrotask'] as const),
    ]),
    logger: safeLogger(
      checkMethods(owner, 'logger', given.logger ?? silentLogger, ['debug', 'info', 'warn', 'error']),
    ),
  };
}

function checkBoolean(owner: string, name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw invalidOption(owner, name, value, 'true or false');
}

function oneOf<T extends string>(owner: string, name: string, value: T, values: readonly T[]): T {
  if (values.includes(value)) return value;
  throw invalidOption(owner, name, value, values.map((text) => `'${text}'`).join(' or '));
}
