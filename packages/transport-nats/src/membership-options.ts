/** Options of membership over NATS, checked before anything connects. */
import type { PlacementKind, Timing } from '@clstr/core';
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
import type { NatsBucketOptions, NatsMembershipOptions, ProvisionOptions } from './bucket-options.ts';
import { connectPart, natsConnectOptions } from './connect-options.ts';
import { defaults } from './defaults.ts';
import { locationOf, locationPart, subjectOption } from './location-options.ts';
import type { Location } from './location-options.ts';
import type { MaybeConnect, NatsConnectOptions, Servers } from './login-options.ts';

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
export const MAX_REPLICAS = 5;
/** The most records that one call writes. */
export const MAX_SHARDS: number = 2 ** 24;

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
