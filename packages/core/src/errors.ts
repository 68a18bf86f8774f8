/** Every way a call can fail: the one error class, its table of codes, and how errors are recognised. */

/** Whether the handler ran: decides if repeating the call is safe. */
export type Outcome = 'not-executed' | 'executed' | 'unknown';

export interface ErrorCodeInfo {
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly text: string;
}

/** The identity of an error, equal on both sides of the wire. */
export type ErrorCode =
  | 'TRANSPORT_CLOSED'
  | 'NO_SUBSCRIBER'
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
  | 'ABORTED'
  | 'OVERLOADED'
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
  | 'NODE_ID_IN_USE'
  | 'CLUSTER_CONFIG_MISMATCH'
  | 'INTERNAL';

/**
 * Code → default outcome, default `retryable`, and when it happens. The outcome belongs to the single error:
 * the table only gives what holds unless the thrower knows better.
 */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorCodeInfo>> = {
  TRANSPORT_CLOSED: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the client or its transport is closed',
  },
  NO_SUBSCRIBER: { outcome: 'not-executed', retryable: true, text: 'no node serves the shard' },
  ENVELOPE_EXPIRED: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the time budget ran out before the handler started',
  },
  RESERVED_HEADER: { outcome: 'not-executed', retryable: false, text: 'a header name starts with x-clstr-' },
  HANDLER_TIMEOUT: {
    outcome: 'unknown',
    retryable: false,
    text: 'the handler did not end within its time limit',
  },
  KEY_REQUIRED: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the routing key is empty or not a usable key',
  },
  MISSING_KEY_HEADER: {
    outcome: 'not-executed',
    retryable: false,
    text: 'a keyed handler got a message without a key',
  },
  TIMEOUT: { outcome: 'unknown', retryable: false, text: 'no reply came before the deadline' },
  CONNECTION_LOST: {
    outcome: 'unknown',
    retryable: false,
    text: 'the connection broke after the message had left',
  },
  CONNECT_FAILED: { outcome: 'not-executed', retryable: true, text: 'no server could be reached' },
  AUTH_FAILED: { outcome: 'not-executed', retryable: false, text: 'the server refused the credentials' },
  NO_PERMISSION: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the server forbids the subject to this user',
  },
  ABORTED: { outcome: 'unknown', retryable: false, text: 'the caller gave up, or the client was closed' },
  OVERLOADED: { outcome: 'not-executed', retryable: true, text: 'a bounded queue is full' },
  NOT_OWNER: { outcome: 'not-executed', retryable: true, text: 'the node does not serve the shard' },
  MOVED: { outcome: 'not-executed', retryable: true, text: 'the shard is moving to another node' },
  DRAINING: { outcome: 'not-executed', retryable: true, text: 'the node is shutting down' },
  FENCED: {
    outcome: 'unknown',
    retryable: false,
    text: 'the node lost its lease while the call was running',
  },
  PAYLOAD_TOO_LARGE: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the message is larger than the transport carries',
  },
  INVALID_ENVELOPE: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the message is malformed or cannot be encoded',
  },
  INVALID_OPTION: {
    outcome: 'not-executed',
    retryable: false,
    text: 'an option or argument has a value that is not allowed',
  },
  UNSUPPORTED_VERSION: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the peer speaks another version of the wire',
  },
  UNKNOWN_TYPE: { outcome: 'not-executed', retryable: false, text: 'nothing handles the message type' },
  VALIDATION_FAILED: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the payload does not match the contract',
  },
  HANDLER_ERROR: {
    outcome: 'executed',
    retryable: false,
    text: 'a call made by the handler failed; details hold the inner code',
  },
  ACTOR_ERROR: { outcome: 'executed', retryable: false, text: 'the handler threw an ActorError' },
  CALL_CYCLE: {
    outcome: 'not-executed',
    retryable: false,
    text: 'an actor called itself, directly or through others',
  },
  NODE_ID_IN_USE: { outcome: 'not-executed', retryable: false, text: 'another live node has this id' },
  CLUSTER_CONFIG_MISMATCH: {
    outcome: 'not-executed',
    retryable: false,
    text: 'the shard count or the seed differ from the peer',
  },
  INTERNAL: {
    outcome: 'unknown',
    retryable: false,
    text: 'the handler threw; the node that ran it logged the error under an id',
  },
};

export interface ClstrErrorOptions {
  /** Default: as the table says for the code. */
  outcome?: Outcome | undefined;
  /** Default: as the table says for the code. */
  retryable?: boolean | undefined;
  /** Values for programs; must survive JSON. */
  details?: Record<string, unknown> | undefined;
  cause?: unknown;
}

/** The only error class this framework throws; `code` is the identity, `message` is for people. */
export class ClstrError extends Error {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, options: ClstrErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ClstrError';
    this.code = code;
    this.outcome = options.outcome ?? ERROR_CODES[code].outcome;
    this.retryable = options.retryable ?? ERROR_CODES[code].retryable;
    this.details = options.details;
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
  return Object.hasOwn(ERROR_CODES, text);
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
