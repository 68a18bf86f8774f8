/** The refusals of this package's handlers, always sent before user code handles the message. */
import type { HandlerRequest } from '@clstr/core';
import { ClstrError, isClstrError } from '@clstr/core';
import { asRefusal, dispositionOf } from '@clstr/core/handler';
import { describe } from '@clstr/core/internal';

/** `what` names the missing scope; `found` is the value in its place. */
export function missingScope(request: HandlerRequest, what: string, found: unknown): ClstrError {
  const message = `message ${describe(request.type)} needs ${what}, got ${describe(found)}`;
  return asRefusal(new ClstrError('MISSING_KEY_HEADER', message));
}

export function overloaded(scope: string, reason: string): ClstrError {
  return asRefusal(new ClstrError('OVERLOADED', `no room for ${describe(scope)}: ${reason}`));
}

export function closed(scope: string): ClstrError {
  return asRefusal(new ClstrError('DRAINING', `no handler for ${describe(scope)}: the cache was closed`));
}

export function unknownType(type: string): ClstrError {
  return asRefusal(new ClstrError('UNKNOWN_TYPE', `no actor on this node has a method ${describe(type)}`));
}

export function missingKey(type: string): ClstrError {
  return asRefusal(
    new ClstrError('MISSING_KEY_HEADER', `message ${describe(type)} has no key, which an actor needs`),
  );
}

export function draining(nodeId: string): ClstrError {
  return asRefusal(new ClstrError('DRAINING', `node ${nodeId} is shutting down`));
}

/** `blocker` is the text of `behind`, which names what the messages wait for. */
export function mailboxFull(actor: string, mailbox: number, blocker: string): ClstrError {
  const message = `${actor} has ${mailbox} messages waiting (mailbox)${blocker}`;
  return asRefusal(new ClstrError('OVERLOADED', message));
}

/** The turn of the message would come too late: those that wait take longer than it has time for. */
export function turnTooLate(actor: string, waiting: number, expectedMs: number, blocker: string): ClstrError {
  const message =
    `${actor} has ${waiting} messages waiting, which take about ${Math.round(expectedMs)} ms: ` +
    `more time than this one has left${blocker}`;
  return asRefusal(new ClstrError('ENVELOPE_EXPIRED', message, { details: { reason: 'deadline' } }));
}

/** An error that was thrown on purpose, or before the handler ran, does not spoil the state. */
export function spoilsState(error: unknown): boolean {
  return !isClstrError(error) || (error.code !== 'ACTOR_ERROR' && dispositionOf(error) !== 'refusal');
}
