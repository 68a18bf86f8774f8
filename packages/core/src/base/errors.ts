/** Every way a call can fail: the one error class, its table of codes, and how errors are recognised. */

import { printable } from './describe.ts';
import { jsonCopy } from './json-copy.ts';

/** Whether the handler ran, which decides whether repeating the call is safe. */
export type Outcome = 'not-executed' | 'executed' | 'unknown';

/** The defaults of an error code. The code that throws may know better: the outcome belongs to the single error. */
export interface ErrorDefaults {
  readonly outcome: Outcome;
  readonly retryable: boolean;
}

export interface ErrorCodeInfo extends ErrorDefaults {
  /** When the error happens. */
  readonly text: string;
}

/** The identity of an error, equal on both sides of the wire. */
export type ErrorCode =
  | 'TRANSPORT_CLOSED'
  | 'NO_SUBSCRIBER'
  | 'NO_OWNER'
  | 'ENVELOPE_EXPIRED'
  | 'RESERVED_HEADER'
  | 'HANDLER_TIMEOUT'
  | 'KEY_REQUIRED'
  | 'MISSING_KEY_HEADER'
  | 'TIMEOUT'
  | 'CONNECTION_LOST'
  | 'CONNECT_FAILED'
  | 'AUTH_FAILED'
  | 'NO_PERMISSION'
  | 'SUBSCRIPTION_LIMIT'
  | 'ABORTED'
  | 'OVERLOADED'
  | 'CIRCUIT_OPEN'
  | 'NOT_OWNER'
  | 'MOVED'
  | 'DRAINING'
  | 'FENCED'
  | 'PAYLOAD_TOO_LARGE'
  | 'INVALID_ENVELOPE'
  | 'INVALID_OPTION'
  | 'UNSUPPORTED_VERSION'
  | 'UNKNOWN_TYPE'
  | 'VALIDATION_FAILED'
  | 'HANDLER_ERROR'
  | 'ACTOR_ERROR'
  | 'CALL_CYCLE'
  | 'IDEMPOTENCY_KEY_REUSED'
  | 'REPLY_LOST'
  | 'NODE_ID_IN_USE'
  | 'CLUSTER_CONFIG_MISMATCH'
  | 'STORE_REFUSED'
  | 'UNAVAILABLE'
  | 'STATE_UNREADABLE'
  | 'INTERNAL';

const REFUSED: ErrorDefaults = { outcome: 'not-executed', retryable: false };
const REPEATABLE: ErrorDefaults = { outcome: 'not-executed', retryable: true };
const EXECUTED: ErrorDefaults = { outcome: 'executed', retryable: false };
const UNKNOWN: ErrorDefaults = { outcome: 'unknown', retryable: false };

/** The texts are kept apart, as nothing here reads them: a client in a browser loads only this table. */
const DEFAULTS: Readonly<Record<ErrorCode, ErrorDefaults>> = {
  TRANSPORT_CLOSED: REFUSED,
  NO_SUBSCRIBER: REPEATABLE,
  NO_OWNER: REPEATABLE,
  ENVELOPE_EXPIRED: REFUSED,
  RESERVED_HEADER: REFUSED,
  HANDLER_TIMEOUT: UNKNOWN,
  KEY_REQUIRED: REFUSED,
  MISSING_KEY_HEADER: REFUSED,
  TIMEOUT: UNKNOWN,
  CONNECTION_LOST: UNKNOWN,
  CONNECT_FAILED: REPEATABLE,
  AUTH_FAILED: REFUSED,
  NO_PERMISSION: REFUSED,
  SUBSCRIPTION_LIMIT: REFUSED,
  ABORTED: UNKNOWN,
  OVERLOADED: REPEATABLE,
  CIRCUIT_OPEN: REPEATABLE,
  NOT_OWNER: REPEATABLE,
  MOVED: REPEATABLE,
  DRAINING: REPEATABLE,
  FENCED: UNKNOWN,
  PAYLOAD_TOO_LARGE: REFUSED,
  INVALID_ENVELOPE: REFUSED,
  INVALID_OPTION: REFUSED,
  UNSUPPORTED_VERSION: REFUSED,
  UNKNOWN_TYPE: REFUSED,
  VALIDATION_FAILED: REFUSED,
  HANDLER_ERROR: EXECUTED,
  ACTOR_ERROR: EXECUTED,
  CALL_CYCLE: REFUSED,
  IDEMPOTENCY_KEY_REUSED: REFUSED,
  REPLY_LOST: UNKNOWN,
  NODE_ID_IN_USE: REFUSED,
  CLUSTER_CONFIG_MISMATCH: REFUSED,
  STORE_REFUSED: REFUSED,
  UNAVAILABLE: REPEATABLE,
  STATE_UNREADABLE: REFUSED,
  INTERNAL: UNKNOWN,
};

/** Code → default outcome, default `retryable`, and when it happens. */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorCodeInfo>> = /* @__PURE__ */ withTexts({
  TRANSPORT_CLOSED: 'the client or its transport is closed',
  NO_SUBSCRIBER: 'no node serves the shard',
  NO_OWNER: 'the nodes of a dynamic cluster say that no node owns the shard; the message says why',
  ENVELOPE_EXPIRED: 'the time budget ran out before the handler started',
  RESERVED_HEADER: 'a header name starts with x-clstr-',
  HANDLER_TIMEOUT: 'the handler did not end within its time limit',
  KEY_REQUIRED: 'the routing key is empty or not a usable key',
  MISSING_KEY_HEADER: 'a keyed handler got a message without a key',
  TIMEOUT: 'no reply came before the deadline',
  CONNECTION_LOST: 'the connection broke after the message had left',
  CONNECT_FAILED: 'no server could be reached',
  AUTH_FAILED: 'the server refused the credentials',
  NO_PERMISSION: 'the server forbids the subject to this user',
  SUBSCRIPTION_LIMIT: 'the server allows no more subscriptions',
  ABORTED: 'the caller gave up, or the client was closed',
  OVERLOADED: 'a bounded queue is full',
  CIRCUIT_OPEN: 'the node has not answered lately, and the breaker of the client sends it nothing',
  NOT_OWNER: 'the node does not serve the shard',
  MOVED: 'the shard is moving to another node',
  DRAINING: 'the node is shutting down',
  FENCED: 'the node lost its lease while the call was running',
  PAYLOAD_TOO_LARGE: 'the message is larger than the transport carries',
  INVALID_ENVELOPE: 'the message is malformed or cannot be encoded',
  INVALID_OPTION: 'an option or argument has a value that is not allowed',
  UNSUPPORTED_VERSION: 'the peer speaks another version of the wire',
  UNKNOWN_TYPE: 'nothing handles the message type',
  VALIDATION_FAILED: 'the payload does not match the contract',
  HANDLER_ERROR: 'a call made by the handler failed; details hold the inner code',
  ACTOR_ERROR: 'the handler threw an ActorError',
  CALL_CYCLE: 'an actor called itself, directly or through others',
  IDEMPOTENCY_KEY_REUSED: 'the idempotency key was given to another call before',
  REPLY_LOST: 'the call may have run under its idempotency key before, and its node does not have the reply',
  NODE_ID_IN_USE: 'another live node has this id',
  CLUSTER_CONFIG_MISMATCH:
    'the peer belongs to another cluster, or to one with another shard count, seed or codec',
  STORE_REFUSED: 'the store refuses; the message has its reason',
  UNAVAILABLE: 'the store of the state cannot be reached',
  STATE_UNREADABLE: 'the stored state of the key cannot be read by this build; it was left as it is',
  INTERNAL: 'the handler threw; the node that ran it logged the error under an id',
});

function withTexts(texts: Readonly<Record<ErrorCode, string>>): Record<ErrorCode, ErrorCodeInfo> {
  const codes = Object.keys(texts) as ErrorCode[];
  const rows = codes.map((code) => [code, { ...DEFAULTS[code], text: texts[code] }] as const);
  return Object.fromEntries(rows) as Record<ErrorCode, ErrorCodeInfo>;
}

export interface ClstrErrorOptions {
  /** Default: as the table says for the code. */
  outcome?: Outcome | undefined;
  /** Default: as the table says for the code. */
  retryable?: boolean | undefined;
  /** Values for programs; must survive JSON. */
  details?: Record<string, unknown> | undefined;
  cause?: unknown;
}

/** The parts of an error that cross the wire. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly details: Record<string, unknown> | undefined;
}

/** The only error class this framework throws; `code` is the identity, `message` is one printable line for people. */
export class ClstrError extends Error implements Failure {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, options: ClstrErrorOptions = {}) {
    super(printable(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ClstrError';
    this.code = code;
    this.outcome = options.outcome ?? DEFAULTS[code].outcome;
    this.retryable = options.retryable ?? DEFAULTS[code].retryable;
    this.details = options.details;
  }

  /** Returns all but the stack, so that `JSON.stringify(error)` says what a log line needs. Never throws. */
  toJSON(): Record<string, unknown> {
    const { name, code, message, outcome, retryable, details, cause } = this;
    const { actorCode } = this as { actorCode?: string };
    return {
      name,
      code,
      actorCode,
      message,
      outcome,
      retryable,
      details: jsonCopy(details),
      cause: jsonCopy(cause),
    };
  }
}

/**
 * Why a node does not run a message that has arrived. Nobody throws it, so it is not an Error: a stack would only show
 * how the frame was read, and taking it costs more than the rest of the refusal (13 µs).
 */
export class Refusal implements Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly outcome: Outcome = 'not-executed';
  readonly retryable: boolean;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, details?: Record<string, unknown>) {
    this.code = code;
    this.message = message;
    this.retryable = DEFAULTS[code].retryable;
    this.details = details;
  }
}

/** An error a handler throws on purpose: it reaches the caller whole, under an `actorCode` of its own. */
export class ActorError extends ClstrError {
  readonly actorCode: string;

  constructor(actorCode: string, message: string, details?: Record<string, unknown>) {
    super('ACTOR_ERROR', message, { details });
    this.name = 'ActorError';
    this.actorCode = actorCode;
  }
}

const ERROR_NAMES = new Set(['ClstrError', 'ActorError']);

/** By name and code, not `instanceof`: two copies of this package may be loaded at once. */
export function isClstrError(error: unknown, code?: ErrorCode): error is ClstrError {
  return (
    error instanceof Error &&
    ERROR_NAMES.has(error.name) &&
    (code === undefined || (error as ClstrError).code === code)
  );
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(DEFAULTS, text);
}

const DISPOSITION = Symbol.for('clstr.disposition');
type Disposition = 'for-caller' | 'refusal';

/** Marks an error thrown by a handler as meant for the caller: it keeps its code and details on the wire. */
export function forCaller<E extends ClstrError>(error: E): E {
  return dispose(error, 'for-caller');
}

/**
 * Marks an error as thrown *before* any user code ran, so that it keeps its `not-executed` outcome. For layers
 * that are themselves core handlers (a keyed cache, a mailbox), never for the code they call.
 */
export function asRefusal<E extends ClstrError>(error: E): E {
  return dispose(error, 'refusal');
}

/** How a thrown error was marked by {@link forCaller} or {@link asRefusal}. */
export function dispositionOf(error: ClstrError): Disposition | undefined {
  return (error as { [DISPOSITION]?: Disposition })[DISPOSITION];
}

function dispose<E extends ClstrError>(error: E, disposition: Disposition): E {
  return Object.defineProperty(error, DISPOSITION, { value: disposition, configurable: true });
}
