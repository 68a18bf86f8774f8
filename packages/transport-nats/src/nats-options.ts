/** Options of the NATS transport, checked before anything connects. */
import type { Clock, Logger } from '@clstr/core';
import { ClstrError } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  LateLogger,
  clockOption,
  integer,
  loggerOption,
  milliseconds,
  oneOf,
  optional,
  orMade,
  resolve,
} from '@clstr/core/internal';
import type { ConnectionOptions, NatsConnection } from 'nats';
import { connectPart, natsConnectOptions, secret } from './connect-options.ts';
import type { MaybeConnect, NatsConnectOptions, Servers } from './connect-options.ts';
import { defaults } from './defaults.ts';
import { inboxPrefixesOption, locationPart } from './location-options.ts';

/** `native` is the fast binary wire; `json` reaches nodes of the Go implementation. Nodes understand both. */
export type Wire = 'native' | 'json';

export interface NatsTransportOptions extends NatsConnectOptions {
  /**
   * A connection of yours, which the transport never closes; not together with `servers`, credentials and the like. Open
   * it with `noAsyncTraces: true` for speed.
   */
  connection?: NatsConnection | undefined;
  /**
   * Names the cluster, of `[A-Za-z0-9_-]`; the same at every client and node, and for `natsMembership`. Its subjects
   * begin with it. Default `clstr`.
   */
  cluster?: string | undefined;
  /**
   * First part of all subjects, for a cluster whose subjects do not begin with its name, such as one with Go peers; the
   * same at every client and node, and for `natsMembership`. Default: the name of the cluster.
   */
  subjectPrefix?: string | undefined;
  /** Nodes reply only to subjects with these prefixes. Own inboxes start with the first. Default `['_INBOX']`. */
  inboxPrefixes?: readonly string[] | undefined;
  /** The wire that clients of this transport use. Default `native`. */
  wire?: Wire | undefined;
  /** Longest time one attempt to connect may take, in milliseconds. Default 2,000. */
  connectTimeoutMs?: number | undefined;
  /**
   * Pause between attempts to reconnect, in milliseconds. It grows by a quarter with each round of all servers, to four
   * times this value at most; there is no last attempt. Default 250.
   */
  reconnectWaitMs?: number | undefined;
  /**
   * How often the transport pings its server, in milliseconds. It leaves a server that says nothing between two pings for
   * the next one, and so notices one that goes dark within twice this time. Default 2,000.
   */
  pingIntervalMs?: number | undefined;
  /**
   * How many messages may wait for the connection to come back; more fail as `OVERLOADED`. As many replies of nodes may
   * wait too; beyond that the oldest are dropped. Default 16,384.
   */
  maxWaiting?: number | undefined;
  /** The bound of all their payloads together, in bytes. Default 64 MiB. */
  maxWaitingBytes?: number | undefined;
  clock?: Clock | undefined;
  /** Default: silent, or the logger of the app that uses the transport. */
  logger?: Logger | undefined;
}

export interface ResolvedNatsOptions {
  readonly connection: NatsConnection | undefined;
  /** For the NATS client; unused with a borrowed connection. */
  readonly connect: ConnectionOptions;
  /** Undefined when only the prefix was given. */
  readonly cluster: string | undefined;
  readonly subjectPrefix: string;
  readonly inboxPrefixes: readonly string[];
  readonly wire: Wire;
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const OWNER = 'natsTransport';

/** Options that only make sense for an owned connection. */
const ownedPart = {
  ...connectPart,
  connectTimeoutMs: milliseconds(1, defaults.connectTimeoutMs),
  reconnectWaitMs: milliseconds(1, defaults.reconnectWaitMs),
  pingIntervalMs: milliseconds(1, defaults.pingIntervalMs),
};

export const natsTransportSpec: Spec<
  Resolved<NatsTransportOptions, MaybeConnect | 'connection' | 'subjectPrefix', Servers>
> = {
  ...ownedPart,
  connection: optional(secret('a connection of the nats package', isConnection)),
  ...locationPart,
  inboxPrefixes: inboxPrefixesOption,
  wire: oneOf(['native', 'json'], defaults.wire),
  maxWaiting: integer(0, 2 ** 31, defaults.maxWaiting),
  maxWaitingBytes: integer(0, Number.MAX_SAFE_INTEGER, defaults.maxWaitingBytes),
  clock: clockOption,
  logger: orMade(loggerOption, () => new LateLogger()),
};

/** @throws INVALID_OPTION */
export function resolveNatsOptions(given: NatsTransportOptions): ResolvedNatsOptions {
  const options = resolve(OWNER, natsTransportSpec, given, checkBorrowed);
  const { connection, cluster, subjectPrefix, inboxPrefixes, wire } = options;
  const { maxWaiting, maxWaitingBytes, clock, logger } = options;
  return Object.freeze({
    connection,
    connect: connection === undefined ? natsConnectOptions(OWNER, options, options) : {},
    cluster: subjectPrefix === undefined ? cluster : given.cluster,
    subjectPrefix: subjectPrefix ?? cluster,
    inboxPrefixes,
    wire,
    maxWaiting,
    maxWaitingBytes,
    clock,
    logger,
  });
}

function checkBorrowed(given: NatsTransportOptions): void {
  if (given.connection === undefined) return;
  const clash = Object.keys(ownedPart).find((name) => given[name as keyof typeof ownedPart] !== undefined);
  if (clash === undefined) return;
  throw new ClstrError(
    'INVALID_OPTION',
    `${OWNER}: ${clash} has no effect on a borrowed connection; set it where the connection is opened`,
  );
}

function isConnection(value: unknown): boolean {
  return typeof (value as Partial<NatsConnection> | null)?.publish === 'function';
}
