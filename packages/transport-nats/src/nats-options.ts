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
import { defaults } from './defaults.ts';
import { inboxPrefixesOption, locationPart } from './location-options.ts';
import type { MaybeConnect, Servers } from './login-options.ts';
import type { NatsTransportOptions, Wire } from './transport-options.ts';

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
    connection: connection as NatsConnection | undefined,
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
