/** The JSON wire of the Go implementation: envelopes on shard subjects, replies to their `reply_to`. */
import type { Headers, Outcome } from '@clstr/core';
import type { ErrorRecord, InboundEntry, OutboundEntry } from '@clstr/core/wire';
import type { Failure } from '@clstr/core/handler';
import { ClstrError } from '@clstr/core';
import { envelopeLimits, errorFromRecord, errorToRecord, isHeavyJson } from '@clstr/core/wire';
import { describe } from '@clstr/core/internal';

/** Carries the routing key; other headers that start with `x-clstr-` have no meaning yet. */
const KEY_HEADER = 'x-clstr-key';

/** A parsed envelope: the entry, and where its reply goes. */
export interface ParsedEnvelope {
  readonly entry: InboundEntry;
  /** Undefined for a notify. */
  readonly replyTo: string | undefined;
}

/** Encodes an envelope as the Go implementation reads it; it ignores the mark of raw payloads. */
export function encodeEnvelope(entry: OutboundEntry, replyTo: string | undefined, wallMs: number): string {
  const { shard, type, key, headers, payload, isRaw } = entry;
  const allHeaders: Record<string, string> = Object.assign(Object.create(null) as object, headers);
  if (key !== undefined) allHeaders[KEY_HEADER] = key;
  return JSON.stringify({
    shard,
    type,
    data: payload.length === 0 ? noValue(payload) : toBase64(payload),
    reply_to: replyTo,
    headers: Object.keys(allHeaders).length === 0 ? undefined : allHeaders,
    ttl_ms: entry.remainingMs(),
    created_at_ms: Math.floor(wallMs),
    raw: isRaw || undefined,
    no_value: payload === '' || undefined,
  });
}

/**
 * @throws INVALID_ENVELOPE when the text is not an envelope; `details.replyTo` says where to send the refusal, if it
 * could be read.
 */
export function parseEnvelope(bytes: Uint8Array, receivedAtMs: number): ParsedEnvelope {
  const fields = parseObject(bytes, 'envelope', 'not-executed');
  const { shard, type, data, reply_to: replyTo, headers, ttl_ms: ttlMs, raw } = fields;
  const isEmpty = fields['no_value'] === true;
  const fail = (name: string, value: unknown, expected: string): ClstrError =>
    new ClstrError('INVALID_ENVELOPE', `the envelope's ${name} must be ${expected}, got ${describe(value)}`, {
      details: typeof replyTo === 'string' ? { replyTo } : undefined,
    });
  if (replyTo !== undefined && replyTo !== null && typeof replyTo !== 'string') {
    throw fail('reply_to', replyTo, 'a string');
  }
  if (typeof shard !== 'number' || !Number.isInteger(shard) || shard < 0)
    throw fail('shard', shard, 'a shard');
  if (typeof type !== 'string') throw fail('type', type, 'a string');
  if (ttlMs !== undefined && ttlMs !== null && (typeof ttlMs !== 'number' || !Number.isFinite(ttlMs))) {
    throw fail('ttl_ms', ttlMs, 'a number');
  }
  const payload = isEmpty ? NO_BYTES : fromBase64(data);
  if (payload === undefined) throw fail('data', data, 'base64');
  const { key, own } = splitHeaders(headers, fail);
  const isNotify = typeof replyTo !== 'string' || replyTo === '';
  const entry: InboundEntry = {
    isNotify,
    clientId: 0,
    attempt: 0,
    shard,
    type,
    key,
    headers: own,
    payload,
    isRaw: raw === true,
    ttlMs: typeof ttlMs === 'number' ? ttlMs : undefined,
    receivedAtMs,
  };
  return { entry, replyTo: isNotify ? undefined : replyTo };
}

/** `{ data }` for a value. No value is `null` to a Go caller, and has a mark for peers of this implementation. */
export function encodeReply(payload: string | Uint8Array, isRaw: boolean): string {
  return JSON.stringify({
    data: payload.length === 0 ? (noValue(payload) ?? undefined) : toBase64(payload),
    raw: isRaw || undefined,
    no_value: payload === '' || undefined,
  });
}

/** `{ err, error }`: the text for Go peers, the whole error for peers of this implementation. */
export function encodeFailure(error: Failure): string {
  const { code, message, outcome, retryable, details, actorCode } = errorToRecord(error);
  const whole: ErrorRecord = { code, message, outcome, retryable };
  if (details !== undefined) whole.details = details;
  if (actorCode !== undefined) whole.actorCode = actorCode;
  return JSON.stringify({ err: `${code}: ${message}`, error: whole });
}

/** A parsed reply; exactly one of `error` and `payload` is meaningful. */
export interface ParsedReply {
  readonly error: ClstrError | undefined;
  readonly payload: Uint8Array;
  readonly isRaw: boolean;
}

/** @throws INVALID_ENVELOPE, outcome executed, when the text is not a reply. */
export function parseReply(bytes: Uint8Array): ParsedReply {
  const { data, err, error, raw, no_value: noValue } = parseObject(bytes, 'reply', 'executed');
  // Anything in the place of an error counts as one: a failure must not pass for a reply.
  if (error !== undefined && error !== null) return failure(errorFromRecord(error));
  if (err !== undefined && err !== null && err !== '') {
    // A Go peer sends a bare text, which does not show whether its handler ran.
    const text = typeof err === 'string' ? err : `the peer failed with ${describe(err)}`;
    return failure(new ClstrError('HANDLER_ERROR', text, { outcome: 'unknown' }));
  }
  const payload = noValue === true ? NO_BYTES : fromBase64(data);
  if (payload === undefined) {
    const message = `the reply's data must be base64, got ${describe(data)}`;
    throw new ClstrError('INVALID_ENVELOPE', message, { outcome: 'executed' });
  }
  return { error: undefined, payload, isRaw: raw === true };
}

function failure(error: ClstrError): ParsedReply {
  return { error, payload: NO_BYTES, isRaw: false };
}

type Fail = (name: string, value: unknown, expected: string) => ClstrError;

/** Separates the key header from the rest, which may hold other reserved names: admission refuses those. */
function splitHeaders(headers: unknown, fail: Fail): { key: string | undefined; own: Headers | undefined } {
  if (headers === undefined || headers === null) return { key: undefined, own: undefined };
  if (typeof headers !== 'object' || Array.isArray(headers)) throw fail('headers', headers, 'an object');
  const names = Object.keys(headers);
  if (names.length > envelopeLimits.maxHeaders + 1) throw fail('headers', names.length, 'fewer');
  let key: string | undefined;
  let own: Record<string, string> | undefined;
  for (const name of names) {
    const value = (headers as Record<string, unknown>)[name];
    if (typeof value !== 'string') throw fail(`header ${describe(name)}`, value, 'a string');
    if (name === KEY_HEADER) key = value;
    else (own ??= Object.create(null) as Record<string, string>)[name] = value;
  }
  return { key, own };
}

/** Many times what an envelope needs: its payload is one string. */
const MOST_PARTS = 16_384;
const ENVELOPE_BOUNDS = { containers: MOST_PARTS, members: MOST_PARTS };

function parseObject(bytes: Uint8Array, what: string, outcome: Outcome): Record<string, unknown> {
  let value: unknown;
  let isHeavy = false;
  try {
    const text = decoder.decode(bytes);
    isHeavy = isHeavyJson(text, ENVELOPE_BOUNDS);
    if (!isHeavy) value = JSON.parse(text);
  } catch (cause) {
    throw new ClstrError('INVALID_ENVELOPE', `the ${what} is not JSON`, { outcome, cause });
  }
  if (isHeavy) {
    const message = `the ${what} has more than ${MOST_PARTS} arrays and objects, or members`;
    throw new ClstrError('INVALID_ENVELOPE', message, { outcome });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new ClstrError('INVALID_ENVELOPE', `the ${what} must be an object, got ${describe(value)}`, {
    outcome,
  });
}

/**
 * A typed Go peer fails to decode an empty payload, so with JSON (where the text `''` is no value) it gets `null`. Peers
 * with another codec know what no bytes mean to it.
 */
function noValue(payload: string | Uint8Array): string | null {
  return payload === '' ? NULL : null;
}

/** `null` as JSON, in base64. */
const NULL = 'bnVsbA==';

const decoder = new TextDecoder('utf-8', { fatal: true });
const NO_BYTES = new Uint8Array(0);

function toBase64(payload: string | Uint8Array): string {
  if (typeof payload === 'string') return Buffer.from(payload).toString('base64');
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('base64');
}

/** Returns undefined if `data` is neither base64 nor absent. Node's decoder takes anything, so this checks the form. */
function fromBase64(data: unknown): Uint8Array | undefined {
  if (data === undefined || data === null || data === '') return NO_BYTES;
  if (typeof data !== 'string' || data.length % 4 !== 0 || !BASE64.test(data)) return undefined;
  return Buffer.from(data, 'base64');
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
