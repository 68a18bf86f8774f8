/** Sends errors across the wire, native and JSON, as plain records without the stack and the cause. */
import { describe, printable } from '../base/describe.ts';
import { ActorError, ClstrError, isErrorCode } from '../base/errors.ts';
import type { Failure, Outcome } from '../base/errors.ts';
import { jsonCopy } from '../base/json-copy.ts';

export interface ErrorRecord {
  code: string;
  message: string;
  outcome: string;
  retryable: boolean;
  actorCode?: string;
  details?: Record<string, unknown>;
}

const MAX_MESSAGE_LENGTH = 4_096;
const MAX_DETAILS_LENGTH = 16_384;
const MAX_ACTOR_CODE_LENGTH = 256;

export function errorToRecord(error: Failure): ErrorRecord {
  const { code, message, outcome, retryable, details } = error;
  const record: ErrorRecord = { code, message: message.slice(0, MAX_MESSAGE_LENGTH), outcome, retryable };
  // An error of this code need not be an ActorError: a peer may have sent it without an actorCode.
  const { actorCode } = error as Failure & Partial<ActorError>;
  if (typeof actorCode === 'string') record.actorCode = actorCode.slice(0, MAX_ACTOR_CODE_LENGTH);
  if (details !== undefined) record.details = detailsToSend(details);
  return record;
}

/** The same failure in few bytes, for a transport that does not carry the whole of it. */
export function shortError(error: Failure): ClstrError {
  const { code, outcome, retryable } = error;
  const message = 'the rest of this error is larger than the transport carries';
  const { actorCode } = error as Failure & Partial<ActorError>;
  if (typeof actorCode === 'string') return new ActorError(actorCode, message);
  return new ClstrError(code, message, { outcome, retryable });
}

/**
 * A code that this version does not know becomes INTERNAL, its name kept in `details.code`.
 * The error has no stack: it would show how the frame was decoded, and taking it costs more than the rest of a call
 * (13 µs).
 */
export function errorFromRecord(record: unknown): ClstrError {
  const engine = Error as { stackTraceLimit?: number | undefined };
  const limit = engine.stackTraceLimit;
  engine.stackTraceLimit = 0;
  try {
    return toError(record);
  } finally {
    engine.stackTraceLimit = limit;
  }
}

function toError(record: unknown): ClstrError {
  const { code, message, outcome, retryable, actorCode, details } = asObject(record);
  const text = typeof message === 'string' ? message : 'the peer sent an error without a message';
  const given = typeof details === 'object' && details !== null && !Array.isArray(details);
  const values = given ? (details as Record<string, unknown>) : undefined;
  if (code === 'ACTOR_ERROR' && typeof actorCode === 'string') {
    return new ActorError(printable(actorCode, MAX_ACTOR_CODE_LENGTH), text, values);
  }
  const isKnown = typeof code === 'string' && isErrorCode(code);
  return new ClstrError(isKnown ? code : 'INTERNAL', text, {
    outcome: isOutcome(outcome) ? outcome : undefined,
    retryable: isKnown && typeof retryable === 'boolean' ? retryable : undefined,
    details: isKnown
      ? values
      : {
          ...values,
          code: typeof code === 'string' ? printable(code, MAX_ACTOR_CODE_LENGTH) : describe(code),
        },
  });
}

function asObject(value: unknown): Partial<Record<keyof ErrorRecord, unknown>> {
  return typeof value === 'object' && value !== null ? value : {};
}

function isOutcome(value: unknown): value is Outcome {
  return value === 'not-executed' || value === 'executed' || value === 'unknown';
}

/** The error itself must arrive, so a mark replaces details that JSON cannot carry or that are too large. */
function detailsToSend(details: Record<string, unknown>): Record<string, unknown> {
  const copy = jsonCopy(details);
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) return { dropped: describe(copy) };
  const { length } = JSON.stringify(copy);
  if (length <= MAX_DETAILS_LENGTH) return copy as Record<string, unknown>;
  return { dropped: `details of ${length} characters, more than ${MAX_DETAILS_LENGTH}` };
}
