/** The refusals of a store, and how long a start tolerates them. */
import type { Clock } from '../base/clock.ts';
import { ClstrError, isClstrError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { Timing } from './timing.ts';

/** Errors of a store that did not answer, or could not be asked. */
const SILENCE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TIMEOUT',
  'CONNECTION_LOST',
  'NO_SUBSCRIBER',
  'TRANSPORT_CLOSED',
]);

/** The refusal that a read or a list failed with; undefined if the store did not answer. */
export function refusalOf(error: unknown): ClstrError | undefined {
  if (!isClstrError(error)) return new ClstrError('STORE_REFUSED', String(error), { cause: error });
  return SILENCE.has(error.code) ? undefined : error;
}

/** How long a start goes on while the store refuses, for a reason that an operator may fix in the meantime. */
function refusedLimitMs(timing: Timing): number {
  return timing.expiryMs;
}

/** How long a start goes on while the store does not answer, as during a restart of its servers. */
export function silentLimitMs(timing: Timing): number {
  return Math.max(MIN_SILENT_MS, 4 * timing.expiryMs);
}

/** A busy machine is not a silent store: a start tolerates this much even with the short timings of tests. */
const MIN_SILENT_MS = 30_000;

/** Called after each failed attempt, with its refusal if any. @throws a refusal, or TIMEOUT, once that lasts too long */
export type OnFailure = (refusal: ClstrError | undefined) => void;

/** Ends a start that waits for its store. A node that has been a member goes without one: it never gives up. */
export interface StartLimit {
  /** Begins one task that is tried until it is done; `doing` completes "refuses to …". */
  begin(doing: string): OnFailure;
}

/** `failed` begins the error's message, such as "node a could not join its cluster". */
export function createStartLimit(clock: Clock, timing: Timing, failed: string): StartLimit {
  return {
    begin(doing) {
      const sinceMs = clock.monoMs();
      let refusedSinceMs: number | undefined;
      return (refusal) => {
        const nowMs = clock.monoMs();
        if (refusal === undefined) refusedSinceMs = undefined;
        else {
          refusedSinceMs ??= nowMs;
          const refusedMs = nowMs - refusedSinceMs;
          if (refusedMs >= refusedLimitMs(timing)) throw refused(failed, doing, refusedMs, refusal);
        }
        const silentMs = nowMs - sinceMs;
        if (silentMs >= silentLimitMs(timing)) throw silent(failed, doing, silentMs);
      };
    },
  };
}

function refused(failed: string, doing: string, forMs: number, refusal: ClstrError): ClstrError {
  const { code, outcome, retryable, details } = refusal;
  const message = `${failed}: the membership store refused for ${Math.round(forMs)} ms to ${doing}: ${refusal.message}`;
  return new ClstrError(code, message, { outcome, retryable, details, cause: refusal });
}

function silent(failed: string, doing: string, forMs: number): ClstrError {
  const message = `${failed}: the membership store did not ${doing} within ${Math.round(forMs)} ms, and gave no reason`;
  return new ClstrError('TIMEOUT', message, { outcome: 'not-executed' });
}
