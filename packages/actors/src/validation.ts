/** Validators around a handler: of its input before it runs, of its output before the reply, and of its errors. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ActorError, ClstrError } from '@clstr/core';
import { asRefusal, forCaller } from '@clstr/core/handler';
import { describe } from '@clstr/core/internal';
import type { ErasedHandler } from './actor-context.ts';
import type { ErrorSchemas } from './method.ts';
import { isThenable } from '@clstr/core/internal';

/**
 * Wraps a handler in its validators; returns the handler itself if there are none. Errors name the method by `type`.
 */
export function withValidators(
  type: string,
  input: StandardSchemaV1 | undefined,
  output: StandardSchemaV1 | undefined,
  handler: ErasedHandler,
): ErasedHandler {
  const checkInput = input && ((value: unknown) => check(input, value, (issues) => badInput(type, issues)));
  const checkOutput =
    output && ((value: unknown) => check(output, value, (issues) => badOutput(type, issues)));
  if (checkInput === undefined && checkOutput === undefined) return handler;
  const answer = checkOutput === undefined ? handler : pipe(handler, checkOutput);
  if (checkInput === undefined) return answer;
  return (state, value, context) => {
    const checked = checkInput(value);
    if (isThenable(checked)) return checked.then((good) => answer(state, good, context));
    return answer(state, checked, context);
  };
}

function pipe(handler: ErasedHandler, checkOutput: (value: unknown) => unknown): ErasedHandler {
  return (state, value, context) => {
    const result = handler(state, value, context);
    return isThenable(result) ? result.then(checkOutput) : checkOutput(result);
  };
}

/**
 * An error that a method declares. Details that do not fit are a bug of the handler, so the error thrown for them is not a
 * ClstrError: the node logs it, and the caller gets INTERNAL.
 */
export function checkedError(
  type: string,
  errors: ErrorSchemas | undefined,
  code: string,
  details: unknown,
): ActorError {
  if (errors === undefined || !Object.hasOwn(errors, code)) {
    throw new TypeError(`${describe(type)} declares no error ${describe(code)}`);
  }
  const what = `the details of ${code}, an error of ${describe(type)},`;
  const checked = check(errors[code]!, details, (issues) => new TypeError(`${what} ${text(issues)}`));
  if (isThenable(checked)) {
    checked.then(undefined, () => undefined);
    throw new TypeError(`${what} have an asynchronous validator`);
  }
  if (checked !== undefined && (typeof checked !== 'object' || checked === null || Array.isArray(checked))) {
    throw new TypeError(`${what} must be an object or undefined`);
  }
  return new ActorError(code, `${describe(type)} failed with ${code}`, checked as Record<string, unknown>);
}

type Issues = readonly { readonly message: string; readonly path: string }[];

/**
 * Returns the validated value, or a promise of it if the validator is asynchronous. A validator that throws refuses.
 */
function check(schema: StandardSchemaV1, value: unknown, toError: (issues: Issues) => Error): unknown {
  const crashed = (error: unknown): never => {
    const why = error instanceof Error ? error.message : describe(error);
    throw toError([{ message: `the validator threw: ${why}`, path: '' }]);
  };
  const finish = (result: StandardSchemaV1.Result<unknown>): unknown => {
    let issues: Issues | undefined;
    try {
      issues = result.issues?.slice(0, MAX_ISSUES).map(toIssue);
    } catch (error) {
      return crashed(error);
    }
    if (issues !== undefined) throw toError(issues);
    return (result as StandardSchemaV1.SuccessResult<unknown>).value;
  };
  let result;
  try {
    result = schema['~standard'].validate(value);
  } catch (error) {
    return crashed(error);
  }
  return isThenable(result) ? result.then(finish, crashed) : finish(result);
}

const MAX_ISSUES = 16;

function toIssue({ message, path = [] }: StandardSchemaV1.Issue): { message: string; path: string } {
  return { message, path: path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.') };
}

function badInput(type: string, issues: Issues): ClstrError {
  return asRefusal(
    new ClstrError('VALIDATION_FAILED', `the input of ${describe(type)} ${text(issues)}`, {
      details: { issues },
    }),
  );
}

function badOutput(type: string, issues: Issues): ClstrError {
  const message = `the output of ${describe(type)} ${text(issues)}`;
  return forCaller(
    new ClstrError('VALIDATION_FAILED', message, { outcome: 'executed', details: { issues } }),
  );
}

function text(issues: Issues): string {
  return `is not valid: ${issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')}`;
}
