/** The errors of a call: how they name it, and how the outcomes of its attempts add up. */
import { MAX_HELD_BYTES, MAX_HELD_CALLS } from './hold-queue.ts';
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import type { Outcome } from '../base/errors.ts';
import { describeNoOwner } from './unowned-shards.ts';
import type { NoOwner } from './unowned-shards.ts';
import { NO_SHARD } from '../wire/transport.ts';

/** The parts of a call that messages name. */
export interface Called {
  readonly type: string;
  readonly key: string | undefined;
  readonly shard: number;
}

const STRENGTH: Readonly<Record<Outcome, number>> = { 'not-executed': 0, unknown: 1, executed: 2 };

export function isStronger(a: Outcome, b: Outcome): boolean {
  return STRENGTH[a] > STRENGTH[b];
}

/** Returns a copy, because one error may end many calls. */
export function afterEarlierAttempts(last: ClstrError, outcome: Outcome): ClstrError {
  const { code, message, details, cause } = last;
  const ran = outcome === 'executed' ? 'ran' : 'may have run';
  return new ClstrError(code, `${message}; an earlier attempt of this call ${ran}`, {
    outcome,
    retryable: false,
    details,
    cause,
  });
}

/**
 * The call as messages name it. A handler's callers read the messages of the calls it makes, so these name no shard: a key
 * and its shard together would tell an attacker where to aim.
 */
export function subject(call: Called): string {
  const target =
    call.key === undefined ? (call.shard === NO_SHARD ? 'a node' : 'a shard') : `key ${describe(call.key)}`;
  return `${describe(call.type)} for ${target}`;
}

export function aborted(call: Called, reason: unknown, outcome: Outcome): ClstrError {
  const why = reason instanceof Error ? reason.message : describe(reason);
  return new ClstrError('ABORTED', `${subject(call)} was aborted: ${why}`, { outcome, cause: reason });
}

export function hasNoOwner(call: Called, noOwner: NoOwner, nowMs: number): ClstrError {
  const { text, details } = describeNoOwner(noOwner, nowMs);
  return new ClstrError('NO_OWNER', `${subject(call)} cannot be delivered: ${text}`, { details });
}

/** Refused here, before anything left: the call waits until a node says who owns the shard. */
export function ownerUnknown(call: Called): ClstrError {
  return new ClstrError('NO_SUBSCRIBER', `the owner for ${subject(call)} is not known yet (route: 'owner')`);
}

export function tooManyHeld(): ClstrError {
  const message =
    `${MAX_HELD_CALLS} calls of this client, or ${MAX_HELD_BYTES} bytes, wait to be repeated: ` +
    'their shards are moving or their nodes are overloaded; send less until they are done';
  return new ClstrError('OVERLOADED', message);
}
