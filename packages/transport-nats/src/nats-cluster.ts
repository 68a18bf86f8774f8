/** One object that says where a cluster is and which: for its nodes, and for those who only call it. */
import type { Clock, Cluster, Logger, PlacementKind, Timing, TimingProfile, Transport } from '@clstr/core';
import { ClstrError, isClstrError } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  clockOption,
  flag,
  integer,
  loggerOption,
  milliseconds,
  optional,
  pause,
  placementOption,
  text,
  timingOption,
  resolve,
} from '@clstr/core/internal';
import { connectPart, natsConnectOptions } from './connect-options.ts';
import { defaults } from './defaults.ts';
import { clusterName, inboxPrefixesOption, subjectOption } from './location-options.ts';
import type { MaybeConnect, NatsLoginOptions, Servers } from './login-options.ts';
import { MAX_REPLICAS, MAX_SHARDS } from './membership-options.ts';
import { natsMembership } from './nats-membership.ts';
import { natsTransport } from './nats-transport.ts';

export interface NatsClusterOptions extends NatsLoginOptions {
  /**
   * Names the cluster and its bucket, of `[A-Za-z0-9_-]`; its subjects begin with it. Default `clstr`.
   */
  name?: string | undefined;
  /** First part of all subjects, where they do not begin with the name of the cluster. Default: the name. */
  subjectPrefix?: string | undefined;
  /** Where replies may go: nodes answer no other subject. Own inboxes start with the first. Default `['_INBOX']`. */
  inboxPrefixes?: readonly string[] | undefined;
  /** Shards of the cluster, never changed. Default: as the cluster has it, and 1,024 for a new one. */
  numShards?: number | undefined;
  /** Mixed into every hash, never changed. Default: as the cluster has it, and '' for a new one. Clients of a cluster that has one need it. */
  seed?: string | undefined;
  /** How long membership waits for what: `default`, `datacenter`, `fast`, or a `Timing`. Default `default`. */
  timing?: TimingProfile | Timing | undefined;
  /** How shards are given to nodes. Default `rendezvous`. */
  placement?: PlacementKind | undefined;
  /** Servers that keep a copy of the bucket, where this process is what creates it. Default 1. */
  replicas?: number | undefined;
  /** Trusts several replicas of servers below 2.11, which may lose acknowledged writes. Default false. */
  allowUnsafeServer?: boolean | undefined;
  /** How long a start waits for a NATS server that cannot be reached, in milliseconds. Default 30,000. */
  serverWaitMs?: number | undefined;
  clock?: Clock | undefined;
  /** Default: warnings and errors go to stderr. */
  logger?: Logger | undefined;
}

type Maybe = Exclude<MaybeConnect, 'name'> | 'subjectPrefix' | 'numShards' | 'seed' | 'logger';
const { name: _connectionName, ...connection } = connectPart;

export const natsClusterSpec: Spec<Resolved<NatsClusterOptions, Maybe, Servers & { timing: Timing }>> = {
  ...connection,
  name: clusterName,
  subjectPrefix: optional(subjectOption()),
  inboxPrefixes: inboxPrefixesOption,
  numShards: optional(integer(1, MAX_SHARDS)),
  seed: optional(text()),
  timing: timingOption('default'),
  placement: placementOption,
  replicas: integer(1, MAX_REPLICAS, 1),
  allowUnsafeServer: flag(false),
  serverWaitMs: milliseconds(0, defaults.serverWaitMs),
  clock: clockOption,
  logger: optional(loggerOption),
};

/** @throws INVALID_OPTION */
export function natsCluster(options: NatsClusterOptions = {}): Cluster {
  const resolved = resolve('natsCluster', natsClusterSpec, options);
  const { name, numShards, seed, timing, placement, replicas, allowUnsafeServer, ...shared } = resolved;
  const { inboxPrefixes, subjectPrefix, serverWaitMs, clock, logger, ...connect } = shared;
  const location = { cluster: name, subjectPrefix };
  // Wrong servers and logins are refused here, not at the first connection.
  const { servers } = natsConnectOptions('natsCluster', { ...connect, name }, defaults);
  return Object.freeze<Cluster>({
    name,
    address: [servers ?? []].flat().join(', '),
    numShards,
    seed,
    logger,
    connect: (context) =>
      untilConnected({ ...context, clock, serverWaitMs }, () =>
        natsTransport({ ...connect, ...location, name, inboxPrefixes, clock, logger }),
      ),
    membership: (service) =>
      natsMembership({
        ...connect,
        ...location,
        name,
        service,
        inboxPrefix: inboxPrefixes[0],
        timing,
        placement,
        replicas,
        allowUnsafeServer,
        clock,
        logger,
      }),
  });
}

interface Wait {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly serverWaitMs: number;
}

/** Between two rounds of dials to all servers. */
const ROUND_PAUSE_MS = 500;

async function untilConnected(wait: Wait, connect: () => Promise<Transport>): Promise<Transport> {
  const { logger, signal, clock, serverWaitMs } = wait;
  const untilMs = clock.monoMs() + serverWaitMs;
  for (let isSaid = false; ; isSaid = true) {
    try {
      return await connect();
    } catch (error) {
      const leftMs = untilMs - clock.monoMs();
      if (!isClstrError(error, 'CONNECT_FAILED') || leftMs <= 0) throw error;
      if (!isSaid) {
        const waitMs = Math.round(leftMs);
        logger.warn(
          { event: 'connection.awaited', err: error },
          `no NATS server answers: the start waits for up to ${waitMs} ms`,
        );
      }
      await pause(clock, Math.min(ROUND_PAUSE_MS, leftMs));
    }
    if (signal.aborted) {
      throw new ClstrError('ABORTED', 'the start was ended while it waited for a NATS server', {
        outcome: 'not-executed',
      });
    }
  }
}
