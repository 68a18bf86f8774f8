/** Options of membership over NATS, checked before anything connects. */
import type { Clock, Logger, PlacementKind, Timing, TimingProfile } from '@clstr/core';
import {
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkString,
  invalidOption,
  resolveTiming,
  safeLogger,
  silentLogger,
  systemClock,
} from '@clstr/core';
import type { ConnectionOptions } from 'nats';
import { CONNECT_OPTIONS, resolveConnectOptions } from './connect-options.ts';
import type { NatsConnectOptions } from './connect-options.ts';
import { defaults } from './nats-options.ts';
import { isPlainSubject } from './subjects.ts';

export interface NatsClusterOptions extends NatsConnectOptions {
  /** Names the cluster and its bucket; the subject prefix is a good one. Of `[A-Za-z0-9_-]`. Default `clstr`. */
  cluster?: string | undefined;
  /** Servers that keep a copy of the bucket, where this call is what creates it. Default 1. */
  replicas?: number | undefined;
  /** Trusts several replicas of servers below 2.11, which may lose acknowledged writes. Default false. */
  allowUnsafeServer?: boolean | undefined;
  /** Where answers of the server go; for users who may subscribe to nothing else. Default `_INBOX`. */
  inboxPrefix?: string | undefined;
  clock?: Clock | undefined;
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
}

export interface ResolvedClusterOptions {
  readonly cluster: string;
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

export interface ResolvedMembershipOptions extends ResolvedClusterOptions {
  readonly placement: PlacementKind;
}

const CLUSTER_OPTIONS: readonly string[] = [
  ...CONNECT_OPTIONS,
  'cluster',
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
    placement: oneOf(owner, 'placement', given.placement ?? 'rendezvous', ['rendezvous', 'bounded']),
  });
}

/** @throws INVALID_OPTION */
export function resolveProvisionOptions(given: ProvisionOptions): ResolvedClusterOptions {
  const owner = 'provisionCluster';
  checkKnownOptions(owner, given, [...CLUSTER_OPTIONS, 'storage']);
  return Object.freeze({
    ...resolveCluster(owner, given, resolveTiming(owner, 'default')),
    storage: oneOf(owner, 'storage', given.storage ?? 'file', ['file', 'memory']),
  });
}

const CLUSTER_NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Of JetStream. */
const MAX_REPLICAS = 5;

function resolveCluster(
  owner: string,
  given: NatsClusterOptions,
  timing: Timing,
): Omit<ResolvedClusterOptions, 'storage'> {
  const { allowUnsafeServer = false, inboxPrefix = defaults.inboxPrefix } = given;
  if (typeof (allowUnsafeServer as unknown) !== 'boolean') {
    throw invalidOption(owner, 'allowUnsafeServer', allowUnsafeServer, 'true or false');
  }
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
    cluster: checkString(
      owner,
      'cluster',
      given.cluster ?? defaults.subjectPrefix,
      CLUSTER_NAME,
      '1 to 64 of A-Z a-z 0-9 _ -',
    ),
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

function oneOf<T extends string>(owner: string, name: string, value: T, values: readonly T[]): T {
  if (values.includes(value)) return value;
  throw invalidOption(owner, name, value, values.map((text) => `'${text}'`).join(' or '));
}
