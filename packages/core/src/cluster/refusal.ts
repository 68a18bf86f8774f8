/** What a store says when it answers and does not comply, and how long a start bears that. */
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

/** The refusal that a read or a list failed with; undefined when the store did not answer. */
export function refusalOf(error: unknown): ClstrError | undefined {
  if (!isClstrError(error)) return new ClstrError('STORE_REFUSED', String(error), { cause: error });
  return SILENCE.has(error.code) ? undefined : error;
}

/** How long a start goes on while the store refuses, with a reason that may be mended meanwhile. */
function refusedLimitMs(timing: Timing): number {
  return timing.expiryMs;
}

/** How long a start goes on while the store does not answer, as during a restart of its servers. */
export function silentLimitMs(timing: Timing): number {
  return Math.max(MIN_SILENT_MS, 4 * timing.expiryMs);
}

/** A busy machine is not silent: below the short timings of tests a start bears this much. */
const MIN_SILENT_MS = 30_000;

/** Told of each try that failed, with the refusal if there was one. @throws a refusal, or TIMEOUT, once it has lasted too long */
export type OnFailure = (refusal: ClstrError | undefined) => void;

/** Ends a start that waits for its store. A node that has been a member goes without one: it never gives up. */
export interface StartLimit {
  /** One thing that is asked until it is done; `doing` completes "refuses to …". */
  begin(doing: string): OnFailure;
}

/** `failed`: what the error says first, such as "node a could not join its cluster". */
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
