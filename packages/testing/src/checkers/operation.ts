/** One operation of a history, as its caller saw it. */

/** Whether the operation took effect: `ok` yes, `not-executed` no, `unknown` perhaps, at any time after invocation. */
export type OperationOutcome = 'ok' | 'not-executed' | 'unknown';

/** An operation. All times of a history come from one clock, in any unit. */
export interface Operation {
  /** The name of the caller, for people only. */
  readonly process: string;
  readonly key: string;
  /** Its name in the sequential model, such as `increment` or `get`. */
  readonly op: string;
  /** The argument, as JSON. */
  readonly input?: unknown;
  readonly invokedAt: number;
  /** Undefined when no answer was recorded. */
  readonly endedAt?: number | undefined;
  readonly outcome: OperationOutcome;
  /** The answer, as JSON; undefined unless the outcome is `ok`. */
  readonly value?: unknown;
}

/** The time by which the operation must have taken effect: infinite unless it was acknowledged. */
export function endOf({ outcome, endedAt }: Operation): number {
  return outcome === 'ok' && endedAt !== undefined ? endedAt : Infinity;
}

/** The operation as text, such as `p1 increment() = 3 [10, 14]`. */
export function describeOperation(operation: Operation): string {
  const { process, op, input, invokedAt, endedAt, outcome, value } = operation;
  const call = `${process} ${op}(${input === undefined ? '' : JSON.stringify(input)})`;
  const answer = outcome === 'ok' ? (value === undefined ? 'ok' : `= ${JSON.stringify(value)}`) : outcome;
  return `${call} ${answer} [${invokedAt}, ${endedAt ?? '…'}]`;
}
