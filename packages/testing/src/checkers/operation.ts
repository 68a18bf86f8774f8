/** One operation as its caller saw it: what a history is made of. */

/** Whether it took effect: `ok` yes, `not-executed` no, `unknown` perhaps, at any time after it was invoked. */
export type OperationOutcome = 'ok' | 'not-executed' | 'unknown';

/** Times are of one clock for the whole history, in any unit. */
export interface Operation {
  /** Who called; only for people. */
  readonly process: string;
  readonly key: string;
  /** What the sequential model knows it by, such as `increment` or `get`. */
  readonly op: string;
  /** What was passed, as JSON. */
  readonly input?: unknown;
  readonly invokedAt: number;
  /** Undefined when no answer was recorded. */
  readonly endedAt?: number | undefined;
  readonly outcome: OperationOutcome;
  /** What was answered, as JSON; undefined unless the outcome is `ok`. */
  readonly value?: unknown;
}

/** The time by which it had taken effect: never, unless it was acknowledged. */
export function endOf({ outcome, endedAt }: Operation): number {
  return outcome === 'ok' && endedAt !== undefined ? endedAt : Infinity;
}

/** For people: `p1 increment() = 3 [10, 14]`. */
export function describeOperation(operation: Operation): string {
  const { process, op, input, invokedAt, endedAt, outcome, value } = operation;
  const call = `${process} ${op}(${input === undefined ? '' : JSON.stringify(input)})`;
  const answer = outcome === 'ok' ? (value === undefined ? 'ok' : `= ${JSON.stringify(value)}`) : outcome;
  return `${call} ${answer} [${invokedAt}, ${endedAt ?? '…'}]`;
}
