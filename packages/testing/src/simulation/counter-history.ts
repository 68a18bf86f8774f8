/** The calls of simulated clients to counters, and the increments that they may have made. */
import type { Outcome } from '@clstr/core';
import type { Operation } from '../checkers/operation.ts';

export interface CounterCall {
  readonly key: string;
  readonly id: number;
  readonly invokedMs: number;
  endedMs: number | undefined;
  value: number | undefined;
  outcome: 'pending' | 'ok' | Outcome;
  /** How often its handler started. */
  starts: number;
  readonly isIdempotent: boolean;
  /** The number of the client. */
  readonly client: number;
  /** How often the client sent it. */
  sends: number;
}

/** One operation for each start of the handler: only the one that answered is certain. */
export function incrementsOf({
  key,
  client,
  invokedMs,
  endedMs,
  value,
  outcome,
  starts,
}: CounterCall): Operation[] {
  const fields = { process: `client-${client}`, key, op: 'increment', invokedAt: invokedMs };
  const increments = Array.from({ length: starts }, (): Operation => ({ ...fields, outcome: 'unknown' }));
  if (outcome === 'ok') increments[0] = { ...fields, outcome, endedAt: endedMs, value };
  return increments;
}
