/** Options of membership over NATS, checked before anything connects. */
import type { Clock, Logger, PlacementKind, Timing, TimingProfile } from '@clstr/core';
import type { ClusterShape } from '@clstr/core/store';
import { ClstrError, defaults as coreDefaults } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  clockOption,
  flag,
  integer,
  loggerOption,
  oneOf,
  optional,
  placementOption,
  resolve,
  serviceOption,
  text,
  timingOption,
} from '@clstr/core/internal';
import type { ConnectionOptions } from 'nats';
import { connectPart, natsConnectOptions } from './connect-options.ts';
import type { MaybeConnect, NatsConnectOptions, Servers } from './connect-options.ts';
import { defaults } from './defaults.ts';
import { locationOf, locationPart, subjectOption } from './location-options.ts';
import type { Location } from './location-options.ts';

export interface NatsBucketOptions extends NatsConnectOptions {
  /** Names the cluster and its bucket; the same as for the transports of its nodes and clients. Default `clstr`. */
  cluster?: string | undefined;
  /** The same as for the transports, if they set one. Default: the name of the cluster. */
  subjectPrefix?: string | undefined;
  /** The service whose nodes meet here. Default: the one without a name. */
  service?: string | undefined;
  /** How many servers keep a copy of the bucket, if this call creates it. Default 1. */
  replicas?: number | undefined;
  /** Trusts several replicas of servers below 2.11, which may lose acknowledged writes. Default false. */
  allowUnsafeServer?: boolean | undefined;
  /** Where the server's answers go; set it for a user who may subscribe to nothing else. Default `_INBOX`. */
  inboxPrefix?: string | undefined;
  clock?: Clock | undefined;
  /** Default: the logger of the node that opens it. */
  logger?: Logger | undefined;
}

export interface NatsMembershipOptions extends NatsBucketOptions {
  /** How long membership waits for what: `default`, `datacenter`, `fast`, or a `Timing`. Default `default`. */
  timing?: TimingProfile | Timing | undefined;
  /** How shards are given to nodes. Default `rendezvous`. */
  placement?: PlacementKind | undefined;
}

export interface ProvisionOptions extends NatsBucketOptions {
  /** Where the servers keep the bucket; one in memory is lost with its servers. Default `file`. */
  storage?: 'file' | 'memory' | undefined;
  /**
   * Shards of the cluster, the same as for its nodes: writes the configuration, and a record for each shard that has
   * none, so that the first node serves at once. Default: nothing is written, and the first owner of each shard waits
   * for an expiry.
   */
  numShards?: number | undefined;
  /** With `numShards`: the same as for the nodes. Default ''. */
  seed?: string | undefined;
  /** With `numShards`: the same as for the nodes. Default `rendezvous`. */
  placement?: PlacementKind | undefined;
  /** With `numShards`: the timing of the node with the longest lease. Default `default`. */
  timing?: TimingProfile | Timing | undefined;
  /**
   * With `numShards`: you know that no node of this cluster runs, or has run for an expiry, so the call need not wait.
   * Default false: it writes the records an expiry after it first sees the bucket.
   */
  isNew?: boolean | undefined;
  /**
   * With `numShards`: the highest fencing token that the cluster ever gave, if this bucket replaces one that was lost
   * with all nodes. Default 0.
   */
  afterEpoch?: number | undefined;
}

type Maybe = MaybeConnect | 'subjectPrefix' | 'service';
type ClusterTable = Resolved<NatsBucketOptions, Maybe, Servers>;

type NamedElsewhere = keyof NatsConnectOptions | 'subjectPrefix' | 'service';

export interface ResolvedClusterOptions extends Omit<ClusterTable, NamedElsewhere>, Location {
  readonly storage: 'file' | 'memory';
  /** For the NATS client. */
  readonly connect: ConnectionOptions;
  readonly timing: Timing;
}

export interface ShardsToProvision extends ClusterShape {
  readonly isNew: boolean;
  readonly afterEpoch: number;
}

export interface ResolvedProvisionOptions extends ResolvedClusterOptions {
  /** Undefined means that only the bucket is created. */
  readonly shards: ShardsToProvision | undefined;
}

export interface ResolvedMembershipOptions extends ResolvedClusterOptions {
  readonly placement: PlacementKind;
}

/** The limit of JetStream. */
const MAX_REPLICAS = 5;
/** The most records that one call writes. */
const MAX_SHARDS = 2 ** 24;

const clusterPart: Spec<ClusterTable> = {
  ...connectPart,
  ...locationPart,
  service: serviceOption,
  replicas: integer(1, MAX_REPLICAS, 1),
  allowUnsafeServer: flag(false),
  inboxPrefix: subjectOption(defaults.inboxPrefix),
  clock: clockOption,
  logger: loggerOption,
};

export const membershipSpec: Spec<Resolved<NatsMembershipOptions, Maybe, Servers & { timing: Timing }>> = {
  ...clusterPart,
  timing: timingOption('default'),
  placement: placementOption,
};

/** Options about the shards, which need `numShards`. */
const shardsPart = {
  seed: text(coreDefaults.seed),
  placement: placementOption,
  timing: timingOption('default'),
  isNew: flag(false),
  afterEpoch: integer(0, Number.MAX_SAFE_INTEGER - 1, 0),
};

export const provisionSpec: Spec<
  Resolved<ProvisionOptions, Maybe | 'numShards', Servers & { timing: Timing }>
> = {
  ...clusterPart,
  storage: oneOf(['file', 'memory'], 'file'),
  numShards: optional(integer(1, MAX_SHARDS)),
  ...shardsPart,
};

/** @throws INVALID_OPTION */
export function resolveMembershipOptions(given: NatsMembershipOptions): ResolvedMembershipOptions {
  const owner = 'natsMembership';
  const options = resolve(owner, membershipSpec, given);
  return Object.freeze({ ...toCluster(owner, options), storage: 'file', placement: options.placement });
}

/** @throws INVALID_OPTION */
export function resolveProvisionOptions(given: ProvisionOptions): ResolvedProvisionOptions {
  const owner = 'provisionCluster';
  const options = resolve(owner, provisionSpec, given, ({ numShards, ...others }) => {
    const idle = Object.keys(shardsPart).find(
      (name) => others[name as keyof typeof shardsPart] !== undefined,
    );
    if (numShards !== undefined || idle === undefined) return;
    throw new ClstrError('INVALID_OPTION', `${owner}: ${idle} has no effect without numShards`);
  });
  const { storage, numShards, seed, placement, isNew, afterEpoch } = options;
  const cluster = toCluster(owner, options);
  const shards = { seed, placement, prefix: cluster.prefix, isNew, afterEpoch };
  return Object.freeze({
    ...cluster,
    storage,
    shards: numShards === undefined ? undefined : Object.freeze({ numShards, ...shards }),
  });
}

function toCluster(
  owner: string,
  options: ClusterTable & { readonly timing: Timing },
): Omit<ResolvedClusterOptions, 'storage'> {
  const { cluster, replicas, allowUnsafeServer, inboxPrefix, timing, clock, logger } = options;
  const connect = natsConnectOptions(owner, options, {
    connectTimeoutMs: timing.dialMs,
    reconnectWaitMs: defaults.reconnectWaitMs,
    pingIntervalMs: timing.pingMs,
  });
  return {
    cluster,
    ...locationOf(options),
    replicas,
    allowUnsafeServer,
    inboxPrefix,
    connect: { ...connect, inboxPrefix },
    timing,
    clock,
    logger,
  };
}
