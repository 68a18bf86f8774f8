/** The one place that translates errors of the NATS client into ours. */
import { ClstrError } from '@clstr/core';
import { printable } from '@clstr/core/internal';
import type { ErrorCode, Outcome } from '@clstr/core';

/** Our codes, by the string codes of the NATS client. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  AUTHORIZATION_VIOLATION: 'AUTH_FAILED',
  AUTHENTICATION_EXPIRED: 'AUTH_FAILED',
  AUTHENTICATION_TIMEOUT: 'AUTH_FAILED',
  ACCOUNT_EXPIRED: 'AUTH_FAILED',
  BAD_AUTHENTICATION: 'AUTH_FAILED',
  BAD_CREDS: 'AUTH_FAILED',
  NKEY_OR_JWT_REQ: 'AUTH_FAILED',
  PERMISSIONS_VIOLATION: 'NO_PERMISSION',
  CONNECTION_CLOSED: 'TRANSPORT_CLOSED',
  CONNECTION_DRAINING: 'TRANSPORT_CLOSED',
  DISCONNECT: 'CONNECTION_LOST',
  TIMEOUT: 'TIMEOUT',
  '503': 'NO_SUBSCRIBER',
  MAX_PAYLOAD_EXCEEDED: 'PAYLOAD_TOO_LARGE',
};

/** `doing` completes "cannot …". */
export function fromNatsError(cause: unknown, doing: string, outcome?: Outcome): ClstrError {
  const { code, message } = describeCause(cause);
  return new ClstrError(CODES[code] ?? 'INTERNAL', `cannot ${doing}: ${message}`, { cause, outcome });
}

export function isAuthCode(code: string): boolean {
  return CODES[code] === 'AUTH_FAILED';
}

/** For a subscription that the server refused after `count` others, although the user is allowed to subscribe. */
export function refusedSubscription(subject: string, cause: Error, count: number): ClstrError {
  const isLimit = /maximum subscriptions/i.test(cause.message);
  if (!isLimit) return fromNatsError(cause, `subscribe to ${subject}`);
  const message =
    `the NATS server refuses the subscription to ${subject}: ${cause.message.replaceAll("'", '')} after ${count} on this ` +
    'connection; raise max_subscriptions of the server, or the limit of the account';
  return new ClstrError('SUBSCRIPTION_LIMIT', message, { cause, details: { subject, subscriptions: count } });
}

/** A failure to connect is `AUTH_FAILED` or, whatever it was, `CONNECT_FAILED`. */
export function fromConnectError(cause: unknown, servers: readonly string[]): ClstrError {
  const { code, message } = describeCause(cause);
  const where = servers.map(withoutCredentials).join(', ');
  if (CODES[code] === 'AUTH_FAILED') {
    return new ClstrError('AUTH_FAILED', `${where} refused the credentials: ${message}`, { cause });
  }
  return new ClstrError('CONNECT_FAILED', `cannot connect to ${where}: ${message}`, { cause });
}

/** `nats://user:secret@host:4222` → `nats://host:4222`. */
export function withoutCredentials(server: string): string {
  return server.replace(/^([a-z]+:\/\/)?.*@/i, '$1');
}

/** The error in the body of a JetStream answer. */
export interface ApiError {
  /** A status as in HTTP. */
  readonly code: number;
  readonly err_code: number;
  readonly description?: string;
}

/** The `err_code`s that code here acts on. */
export const ApiErrors = {
  NO_MESSAGE: 10037,
  NOT_ENABLED_FOR_ACCOUNT: 10039,
  STREAM_EXISTS: 10058,
  NO_STREAM: 10059,
  SUBJECTS_OVERLAP: 10065,
  /** The newest write of the subject is not the expected one. */
  WRONG_SEQUENCE: 10071,
  NOT_ENABLED: 10076,
  /** Another write of the subject has not ended. */
  WRITE_IN_FLIGHT: 10164,
} as const;

export function isApiError(answer: unknown): answer is { error: ApiError } {
  return typeof (answer as { error?: unknown } | null)?.error === 'object';
}

/** Refusals that pass once JetStream's servers have found each other again: they count as no answer. */
const PASSING: readonly number[] = [
  10_008, // no contact to the leader of JetStream
  10_009, // this server does not lead
  10_118, // the stream's servers are away
];

/** What the operator can do, if the server's description does not say. */
const HINTS: Readonly<Record<number, string>> = {
  10_002: 'free storage, or raise max_file or max_mem of the account',
  10_005: 'start more servers with JetStream, or ask for fewer replicas',
  10_023: 'free storage or memory of the server, or raise its limits',
  10_026: 'raise max_consumers of the account: a node needs up to six',
  10_027: 'raise max_streams of the account: a cluster needs one',
  10_028: 'free memory storage, or raise max_mem',
  10_047: 'free storage, or raise max_file',
};

/** The longest text of a server that a message quotes. */
const MAX_REASON_LENGTH = 512;

/** `doing` completes "JetStream refuses …". */
export function fromApiError({ code, err_code, description = '' }: ApiError, doing: string): ClstrError {
  const isDisabled = err_code === ApiErrors.NOT_ENABLED || err_code === ApiErrors.NOT_ENABLED_FOR_ACCOUNT;
  const hint = HINTS[err_code];
  const message = `JetStream refuses ${doing}: ${printable(description, MAX_REASON_LENGTH)}${hint === undefined ? '' : ` (${hint})`}`;
  const details = { code, errCode: err_code };
  if (PASSING.includes(err_code)) return new ClstrError('CONNECTION_LOST', message, { details });
  return new ClstrError(isDisabled ? 'CONNECT_FAILED' : 'STORE_REFUSED', message, { details });
}

/** JetStream is off, or has no leader now. */
export function jetStreamSilent(cause: unknown): ClstrError {
  return new ClstrError('CONNECTION_LOST', 'JetStream does not answer', { cause });
}

/** Errors that say more than that JetStream does not answer. */
const OWN_WORDS: readonly ErrorCode[] = ['NO_PERMISSION', 'AUTH_FAILED', 'STORE_REFUSED'];

/** The error when the first question to JetStream fails. */
export function fromOpeningError(cause: ClstrError, server: string): ClstrError {
  if (OWN_WORDS.includes(cause.code)) return cause;
  const where = withoutCredentials(server);
  const message = `JetStream of ${where} does not answer; membership needs it (nats-server -js): ${cause.message}`;
  return new ClstrError('CONNECT_FAILED', message, { cause });
}

/** Servers before 2.11 may acknowledge a write of a replicated stream and lose it. */
export function unsafeServer(version: string, replicas: number): ClstrError {
  const message =
    `nats-server ${version} may lose acknowledged writes of a bucket with ${replicas} replicas: upgrade to ` +
    '2.11 or later, use 1 replica, or set allowUnsafeServer';
  return new ClstrError('UNSUPPORTED_VERSION', message, { details: { version, replicas } });
}

export function subjectsTaken(bucket: string): ClstrError {
  return new ClstrError('STORE_REFUSED', `JetStream refuses ${bucket}: another stream takes its subjects`);
}

/** Another stream or subject that feeds the bucket can write records in the name of members. */
export function bucketIsFed(bucket: string, inflows: readonly string[]): ClstrError {
  const message =
    `${bucket} takes records that no member wrote (${inflows.join(', ')}): its only subjects must be those of its keys; ` +
    'remove the rest from the stream, or give the cluster another name';
  return new ClstrError('CLUSTER_CONFIG_MISMATCH', message, { details: { inflows } });
}

export function bucketDiffers(bucket: string, found: object | undefined, wanted: object): ClstrError {
  const message = `${bucket} exists as ${printable(JSON.stringify(found))}, not as ${printable(JSON.stringify(wanted))}`;
  return new ClstrError('CLUSTER_CONFIG_MISMATCH', message, { details: { found, wanted } });
}

function describeCause(cause: unknown): { code: string; message: string } {
  if (!(cause instanceof Error)) return { code: '', message: String(cause) };
  const { code = '', chainedError } = cause as { code?: string; chainedError?: unknown };
  const inner = chainedError instanceof Error ? ` (${chainedError.message})` : '';
  return { code, message: `${cause.message || code}${inner}` };
}
