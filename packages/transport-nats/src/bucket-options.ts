/** The options of what works on the bucket of a cluster. */
import type { Clock, Logger, PlacementKind, Timing, TimingProfile } from '@clstr/core';
import type { NatsConnectOptions } from './login-options.ts';

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
