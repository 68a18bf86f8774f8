/** Options of the NATS transport, checked before anything connects. */
import type { Clock, Logger } from '@clstr/core';
import { ClstrError, systemClock } from '@clstr/core';
import {
  LateLogger,
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkString,
  invalidOption,
  safeLogger,
} from '@clstr/core/internal';
import type { ConnectionOptions, NatsConnection } from 'nats';
import { CONNECT_OPTIONS, resolveConnectOptions, wrongType } from './connect-options.ts';
import type { ConnectSettings, NatsConnectOptions } from './connect-options.ts';
import { isPlainSubject } from './subjects.ts';

/** `native` is the fast binary wire; `json` reaches nodes of the Go implementation. Nodes understand both. */
export type Wire = 'native' | 'json';

export interface NatsTransportOptions extends NatsConnectOptions {
  /**
   * A connection of yours, which is never closed here; not with `servers`, credentials and the like. Open it with
   * `noAsyncTraces: true` for speed.
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
  /** Where replies may go: nodes answer no other subject. Own inboxes start with the first. Default `['_INBOX']`. */
  inboxPrefixes?: readonly string[] | undefined;
  /** What clients of this transport speak. Default `native`. */
  wire?: Wire | undefined;
  /** Longest time one attempt to connect may take, in milliseconds. Default 2000. */
  connectTimeoutMs?: number | undefined;
  /**
   * Pause between attempts to reconnect, in milliseconds. It grows by a quarter with each round of all servers, to four
   * times this value at most; there is no last attempt. Default 250.
   */
  reconnectWaitMs?: number | undefined;
  /**
   * How often the server is asked whether it is there, in milliseconds. A server that says nothing between two pings is
   * left for the next one, so one that goes dark is noticed within twice this time. Default 2,000.
   */
  pingIntervalMs?: number | undefined;
  /**
   * Messages that may wait for the connection to come back; more are `OVERLOADED`. As many replies of nodes may wait too;
   * beyond that the oldest are dropped. Default 16,384.
   */
  maxWaiting?: number | undefined;
  /** Their payloads together, in bytes. Default 64 MiB. */
  maxWaitingBytes?: number | undefined;
  clock?: Clock | undefined;
  /** Default: silent, or the app's once an app has made it. */
  logger?: Logger | undefined;
}

export const defaults = {
  servers: '127.0.0.1:4222',
  cluster: 'clstr',
  inboxPrefix: '_INBOX',
  wire: 'native',
  connectTimeoutMs: 2_000,
  reconnectWaitMs: 250,
  pingIntervalMs: 2_000,
  maxWaiting: 16_384,
  maxWaitingBytes: 67_108_864,
} as const;
Object.freeze(defaults);

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
/** Options that only make sense for a connection of our own. */
const OWNED_OPTIONS = [
  ...CONNECT_OPTIONS,
  'connectTimeoutMs',
  'reconnectWaitMs',
  'pingIntervalMs',
] as const satisfies readonly (keyof NatsTransportOptions)[];
const KNOWN_OPTIONS: readonly string[] = [
  ...OWNED_OPTIONS,
  'connection',
  'cluster',
  'subjectPrefix',
  'inboxPrefixes',
  'wire',
  'maxWaiting',
  'maxWaitingBytes',
  'clock',
  'logger',
];

/** @throws INVALID_OPTION */
export function resolveNatsOptions(given: NatsTransportOptions): ResolvedNatsOptions {
  checkKnownOptions(OWNER, given, KNOWN_OPTIONS);
  const { connection } = given;
  if (connection !== undefined) checkBorrowed(given, connection);
  return Object.freeze({
    connection,
    connect: connection === undefined ? resolveConnectOptions(OWNER, given, connectSettings(given)) : {},
    ...resolveLocation(OWNER, given),
    inboxPrefixes: checkInboxPrefixes(given.inboxPrefixes ?? [defaults.inboxPrefix]),
    wire: checkWire(given.wire ?? defaults.wire),
    maxWaiting: checkInteger(OWNER, 'maxWaiting', given.maxWaiting ?? defaults.maxWaiting, 0, 2 ** 31),
    maxWaitingBytes: checkInteger(
      OWNER,
      'maxWaitingBytes',
      given.maxWaitingBytes ?? defaults.maxWaitingBytes,
      0,
      Number.MAX_SAFE_INTEGER,
    ),
    clock: checkMethods(OWNER, 'clock', given.clock ?? systemClock, [
      'monoMs',
      'wallMs',
      'timer',
      'macrotask',
    ]),
    logger:
      given.logger === undefined
        ? new LateLogger()
        : safeLogger(checkMethods(OWNER, 'logger', given.logger, ['debug', 'info', 'warn', 'error'])),
  });
}

function checkBorrowed(given: NatsTransportOptions, connection: NatsConnection): void {
  if (typeof (connection as Partial<NatsConnection> | null)?.publish !== 'function') {
    throw wrongType(OWNER, 'connection', connection, 'a connection of the nats package');
  }
  const clash = OWNED_OPTIONS.find((name) => given[name] !== undefined);
  if (clash !== undefined) {
    throw new ClstrError(
      'INVALID_OPTION',
      `${OWNER}: ${clash} has no effect on a borrowed connection; set it where the connection is opened`,
    );
  }
}

function connectSettings(given: NatsTransportOptions): ConnectSettings {
  const milliseconds = (name: Exclude<keyof ConnectSettings, 'servers'>): number =>
    checkInteger(OWNER, name, given[name] ?? defaults[name], 1, 2 ** 31 - 1);
  return {
    servers: defaults.servers,
    connectTimeoutMs: milliseconds('connectTimeoutMs'),
    reconnectWaitMs: milliseconds('reconnectWaitMs'),
    pingIntervalMs: milliseconds('pingIntervalMs'),
  };
}

function checkWire(wire: unknown): Wire {
  if (wire === 'native' || wire === 'json') return wire;
  throw invalidOption(OWNER, 'wire', wire, "'native' or 'json'");
}

export interface ClusterNames {
  cluster?: string | undefined;
  subjectPrefix?: string | undefined;
}

const CLUSTER_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** One name gives both, so that half of it cannot be forgotten. A prefix alone names no cluster. */
export function resolveLocation(
  owner: string,
  { cluster, subjectPrefix }: ClusterNames,
): { readonly cluster: string | undefined; readonly subjectPrefix: string } {
  const name = checkCluster(owner, cluster);
  if (subjectPrefix === undefined) return { cluster: name, subjectPrefix: name };
  return {
    cluster: cluster === undefined ? undefined : name,
    subjectPrefix: checkSubject(owner, 'subjectPrefix', subjectPrefix),
  };
}

/** @throws INVALID_OPTION */
export function checkCluster(owner: string, cluster: string | undefined): string {
  return checkString(
    ...([owner, 'cluster', cluster ?? defaults.cluster, CLUSTER_NAME] as const),
    '1 to 64 of A-Z a-z 0-9 _ -',
  );
}

function checkSubject(owner: string, name: string, subject: unknown): string {
  if (typeof subject !== 'string' || !isPlainSubject(subject) || subject.length > 128) {
    throw invalidOption(owner, name, subject, 'a NATS subject without wildcards');
  }
  return subject;
}

function checkInboxPrefixes(prefixes: readonly string[]): readonly string[] {
  if (!Array.isArray(prefixes) || prefixes.length === 0) {
    throw wrongType(OWNER, 'inboxPrefixes', prefixes, 'a list of at least one subject');
  }
  return prefixes.map((prefix: unknown) => checkSubject(OWNER, 'inboxPrefixes', prefix));
}
