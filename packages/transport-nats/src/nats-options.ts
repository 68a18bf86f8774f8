/** Options of the NATS transport, checked before anything connects. */
import type { Clock, Logger } from '@clstr/core';
import {
  ClstrError,
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkString,
  invalidOption,
  safeLogger,
  silentLogger,
  systemClock,
} from '@clstr/core';
import type { Authenticator, ConnectionOptions, NatsConnection, TlsOptions } from 'nats';
import { credsAuthenticator, nkeyAuthenticator } from 'nats';
import { readServerUrls } from './server-urls.ts';
import { isPlainSubject } from './subjects.ts';

/** `native` is the fast binary wire; `json` reaches nodes of the Go implementation. Nodes understand both. */
export type Wire = 'native' | 'json';

export interface NatsTransportOptions {
  /**
   * Where to connect, as `host:port` or `nats://host:port`, the latter also with `user:pass@` or `token@`.
   * Default `127.0.0.1:4222`. Not with `connection`.
   */
  servers?: string | readonly string[] | undefined;
  /** A connection of yours, which is never closed here. Open it with `noAsyncTraces: true` for speed. */
  connection?: NatsConnection | undefined;
  token?: string | undefined;
  user?: string | undefined;
  pass?: string | undefined;
  /** Seed of an nkey pair, `SU…`. */
  nkeySeed?: string | undefined;
  /** Contents of a `.creds` file. */
  credentials?: string | Uint8Array | undefined;
  /** Any other way to authenticate that the NATS client knows. */
  authenticator?: Authenticator | readonly Authenticator[] | undefined;
  /** Certificates for TLS, or `{}` to demand TLS with the system's authorities. */
  tls?: TlsOptions | undefined;
  /** Name of the connection, shown by the server. */
  name?: string | undefined;
  /** First part of all subjects; the same at every client and node. Default `clstr`. */
  subjectPrefix?: string | undefined;
  /** Where replies may go: nodes answer no other subject. Own inboxes start with the first. Default `['_INBOX']`. */
  inboxPrefixes?: readonly string[] | undefined;
  /** What clients of this transport speak. Default `native`. */
  wire?: Wire | undefined;
  /** Longest time one attempt to connect may take, in milliseconds. Default 2000. */
  connectTimeoutMs?: number | undefined;
  /** Pause between attempts to reconnect, in milliseconds; there is no last attempt. Default 250. */
  reconnectWaitMs?: number | undefined;
  /** How often the connection is checked, in milliseconds; two missing answers end it. Default 10,000. */
  pingIntervalMs?: number | undefined;
  /** Messages that may wait for the connection to come back; more are `OVERLOADED`. Default 16,384. */
  maxWaiting?: number | undefined;
  /** Their payloads together, in bytes. Default 64 MiB. */
  maxWaitingBytes?: number | undefined;
  clock?: Clock | undefined;
  logger?: Logger | undefined;
}

export const defaults = {
  servers: '127.0.0.1:4222',
  subjectPrefix: 'clstr',
  inboxPrefix: '_INBOX',
  wire: 'native',
  connectTimeoutMs: 2_000,
  reconnectWaitMs: 250,
  pingIntervalMs: 10_000,
  maxWaiting: 16_384,
  maxWaitingBytes: 67_108_864,
} as const;
Object.freeze(defaults);

export interface ResolvedNatsOptions {
  readonly connection: NatsConnection | undefined;
  /** For the NATS client; unused with a borrowed connection. */
  readonly connect: ConnectionOptions;
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
  'servers',
  'token',
  'user',
  'pass',
  'nkeySeed',
  'credentials',
  'authenticator',
  'tls',
  'name',
  'connectTimeoutMs',
  'reconnectWaitMs',
  'pingIntervalMs',
] as const satisfies readonly (keyof NatsTransportOptions)[];
const KNOWN_OPTIONS: readonly string[] = [
  ...OWNED_OPTIONS,
  'connection',
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
    connect: connection === undefined ? connectionOptions(given) : {},
    subjectPrefix: checkSubject('subjectPrefix', given.subjectPrefix ?? defaults.subjectPrefix),
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
    logger: safeLogger(
      checkMethods(OWNER, 'logger', given.logger ?? silentLogger, ['debug', 'info', 'warn', 'error']),
    ),
  });
}

function checkBorrowed(given: NatsTransportOptions, connection: NatsConnection): void {
  if (typeof (connection as Partial<NatsConnection> | null)?.publish !== 'function') {
    throw wrongType('connection', connection, 'a connection of the nats package');
  }
  const clash = OWNED_OPTIONS.find((name) => given[name] !== undefined);
  if (clash !== undefined) {
    throw new ClstrError(
      'INVALID_OPTION',
      `${OWNER}: ${clash} has no effect on a borrowed connection; set it where the connection is opened`,
    );
  }
}

function connectionOptions(given: NatsTransportOptions): ConnectionOptions {
  const milliseconds = (name: 'connectTimeoutMs' | 'reconnectWaitMs' | 'pingIntervalMs'): number =>
    checkInteger(OWNER, name, given[name] ?? defaults[name], 1, 2 ** 31 - 1);
  const text = (name: 'token' | 'user' | 'pass' | 'name'): string | undefined => {
    const value = given[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '') {
      throw new ClstrError('INVALID_OPTION', `${OWNER}: ${name} must be a non-empty string`);
    }
    return value;
  };
  const { servers, login } = readServerUrls(OWNER, checkServers(given.servers ?? defaults.servers));
  const options: ConnectionOptions = {
    ...login,
    servers,
    timeout: milliseconds('connectTimeoutMs'),
    reconnectTimeWait: milliseconds('reconnectWaitMs'),
    reconnectJitter: 50,
    reconnectJitterTLS: 50,
    pingInterval: milliseconds('pingIntervalMs'),
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  };
  const name = text('name');
  if (name !== undefined) options.name = name;
  if (given.tls !== undefined) {
    const tls: unknown = given.tls;
    // The NATS client would take null for no TLS.
    if (typeof tls !== 'object' || tls === null) throw wrongType('tls', tls, 'an object');
    options.tls = given.tls;
  }
  const token = text('token');
  if (token !== undefined) options.token = token;
  const user = text('user');
  if (user !== undefined) options.user = user;
  const pass = text('pass');
  if (pass !== undefined) {
    if (user === undefined) throw new ClstrError('INVALID_OPTION', `${OWNER}: pass is given without user`);
    options.pass = pass;
  }
  const authenticators = authenticatorsOf(given);
  if (authenticators.length > 0) options.authenticator = authenticators;
  const modes = [login.token, login.user, token, user, ...authenticators].filter(
    (mode) => mode !== undefined,
  );
  if (modes.length > 1 && given.authenticator === undefined) {
    throw new ClstrError(
      'INVALID_OPTION',
      `${OWNER}: give one of token, user, nkeySeed, credentials and a login in servers only`,
    );
  }
  return options;
}

function authenticatorsOf({ nkeySeed, credentials, authenticator }: NatsTransportOptions): Authenticator[] {
  const encoder = new TextEncoder();
  const found: Authenticator[] = [];
  if (nkeySeed !== undefined) {
    if (typeof (nkeySeed as unknown) !== 'string') throw wrongType('nkeySeed', nkeySeed, 'a string');
    found.push(nkeyAuthenticator(encoder.encode(nkeySeed)));
  }
  if (credentials !== undefined) {
    if (typeof credentials !== 'string' && !((credentials as unknown) instanceof Uint8Array)) {
      throw wrongType('credentials', credentials, 'the text or the bytes of a .creds file');
    }
    found.push(
      credsAuthenticator(typeof credentials === 'string' ? encoder.encode(credentials) : credentials),
    );
  }
  if (authenticator !== undefined) {
    const list: unknown = typeof authenticator === 'function' ? [authenticator] : authenticator;
    if (!Array.isArray(list) || list.some((item) => typeof item !== 'function')) {
      throw wrongType('authenticator', authenticator, 'a function or a list of functions');
    }
    found.push(...(list as Authenticator[]));
  }
  return found;
}

/** For what may hold a secret: names the type of the value only. */
function wrongType(name: string, value: unknown, expected: string): ClstrError {
  return new ClstrError('INVALID_OPTION', `${OWNER}: ${name} must be ${expected}, got a ${typeof value}`);
}

function checkServers(servers: string | readonly string[]): string[] {
  const list = typeof servers === 'string' ? [servers] : servers;
  if (!Array.isArray(list) || list.length === 0) {
    throw invalidOption(OWNER, 'servers', servers, 'a server or a list of servers');
  }
  for (const server of list as readonly unknown[]) checkString(OWNER, 'servers', server, /./, 'host:port');
  return [...(list as readonly string[])];
}

function checkWire(wire: unknown): Wire {
  if (wire === 'native' || wire === 'json') return wire;
  throw invalidOption(OWNER, 'wire', wire, "'native' or 'json'");
}

function checkSubject(name: string, subject: unknown): string {
  if (typeof subject !== 'string' || !isPlainSubject(subject) || subject.length > 128) {
    throw invalidOption(OWNER, name, subject, 'a NATS subject without wildcards');
  }
  return subject;
}

function checkInboxPrefixes(prefixes: readonly string[]): readonly string[] {
  if (!Array.isArray(prefixes) || prefixes.length === 0) {
    throw wrongType('inboxPrefixes', prefixes, 'a list of at least one subject');
  }
  return prefixes.map((prefix: unknown) => checkSubject('inboxPrefixes', prefix));
}
