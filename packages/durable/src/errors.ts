/** The errors of durable actors. */
import { ClstrError } from '@clstr/core';
import type { ErrorCode } from '@clstr/core';
import { asRefusal } from '@clstr/core/handler';
import { describe, printable } from '@clstr/core/internal';

/** The store did not answer before the handler ran. */
export function storeAway(actor: string, cause?: unknown): ClstrError {
  const reason = cause instanceof Error ? `: ${printable(cause.message)}` : '';
  return asRefusal(
    new ClstrError('UNAVAILABLE', `the store of ${actor} cannot be reached${reason}`, { cause }),
  );
}

export function unreadable(actor: string, revision: number, cause: unknown): ClstrError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `the state of ${actor} (revision ${revision}) cannot be read: ${printable(reason)}`;
  return asRefusal(new ClstrError('STATE_UNREADABLE', message, { cause }));
}

/** A newer owner has written the key, so that this node cannot be its owner. */
export function notOwner(actor: string, epoch: number, newer: number): ClstrError {
  const message = `${actor} was written in epoch ${newer}, and this node had its shard in epoch ${epoch}`;
  return asRefusal(new ClstrError('NOT_OWNER', message));
}

export function keyReused(actor: string, idempotencyKey: string): ClstrError {
  const message =
    `idempotency key ${describe(idempotencyKey)} was given to another call of ${actor} before: ` +
    'a repeat has the same routing key, type and payload';
  return asRefusal(new ClstrError('IDEMPOTENCY_KEY_REUSED', message));
}

/** The call may have run so long ago, or before so many others, that its reply is not kept any more. */
export function replyForgotten(actor: string, idempotencyKey: string): ClstrError {
  const message = `a call of ${actor} with idempotency key ${describe(idempotencyKey)} may have run, and its reply is forgotten`;
  return new ClstrError('REPLY_LOST', message);
}

/** The handler ran, and certainly nothing of its turn was stored. */
export function notStored(actor: string, why: string): ClstrError {
  return afterTurn('FENCED', `${actor}: the turn was not stored, because ${why}`, { stored: false });
}

/** The handler ran, and nobody knows whether its turn was stored. */
export function maybeStored(actor: string, withinMs: number): ClstrError {
  return afterTurn(
    'UNAVAILABLE',
    `the store did not say within ${withinMs} ms whether it has the turn of ${actor}`,
  );
}

export function notErased(actor: string, cause: unknown): ClstrError {
  const message = `${actor}: the state is erased, and the store did not confirm that its history is`;
  return new ClstrError('UNAVAILABLE', message, { outcome: 'unknown', retryable: false, cause });
}

export function tooLarge(actor: string, bytes: number, most: number): ClstrError {
  const message = `a turn of ${actor} needs a record of ${bytes} bytes, and the store takes ${most}: nothing was stored`;
  return new ClstrError('PAYLOAD_TOO_LARGE', message, { outcome: 'executed', retryable: false });
}

function afterTurn(code: ErrorCode, message: string, details?: Record<string, unknown>): ClstrError {
  return new ClstrError(code, message, { outcome: 'unknown', retryable: false, details });
}
