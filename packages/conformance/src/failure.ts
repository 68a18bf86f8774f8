/** The error of a promise that must fail, and what must hold for it. */
import type { ClstrError, ErrorCode, Outcome } from '@clstr/core';
import { isClstrError } from '@clstr/core';
import { expect } from 'vitest';

/** What `promise` fails with; a success, or an error of another class, is a failed test. */
export async function failureOf(promise: Promise<unknown>): Promise<ClstrError> {
  const result = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in result)) throw new Error(`expected a failure, got ${JSON.stringify(result.value)}`);
  if (!isClstrError(result.error)) throw new Error('expected a ClstrError', { cause: result.error });
  return result.error;
}

/** `not-executed` failures of some codes may be repeated; nothing else may. */
export function expectError(error: ClstrError | undefined, code: ErrorCode, outcome: Outcome): void {
  expect({ code: error?.code, outcome: error?.outcome }, error?.message).toEqual({ code, outcome });
  if (outcome !== 'not-executed') expect(error?.retryable).toBe(false);
}

export async function expectFailure(
  promise: Promise<unknown>,
  code: ErrorCode,
  outcome: Outcome,
): Promise<ClstrError> {
  const error = await failureOf(promise);
  expectError(error, code, outcome);
  return error;
}
