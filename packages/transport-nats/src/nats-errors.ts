/** The one place where errors of the NATS client become ours. */
import { ClstrError } from '@clstr/core';
import type { ErrorCode, Outcome } from '@clstr/core';

/** By the string codes of the NATS client. */
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
  '503': 'NO_SUBSCRIBER',
  MAX_PAYLOAD_EXCEEDED: 'PAYLOAD_TOO_LARGE',
};

/** `doing` completes "cannot …". */
export function fromNatsError(cause: unknown, doing: string, outcome?: Outcome): ClstrError {
  const { code, message } = describeCause(cause);
  return new ClstrError(CODES[code] ?? 'INTERNAL', `cannot ${doing}: ${message}`, { cause, outcome });
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

/** For a message or a reply over the server's `max_payload`. */
export function payloadTooLarge(
  what: string,
  bytes: number,
  maxPayload: number,
  outcome: Outcome,
): ClstrError {
  const message = `the ${what} takes ${bytes} bytes, more than the ${maxPayload} that the NATS server carries`;
  return new ClstrError('PAYLOAD_TOO_LARGE', message, { outcome, details: { bytes, maxPayload } });
}

function describeCause(cause: unknown): { code: string; message: string } {
  if (!(cause instanceof Error)) return { code: '', message: String(cause) };
  const { code = '', chainedError } = cause as { code?: string; chainedError?: unknown };
  const inner = chainedError instanceof Error ? ` (${chainedError.message})` : '';
  return { code, message: `${cause.message || code}${inner}` };
}
