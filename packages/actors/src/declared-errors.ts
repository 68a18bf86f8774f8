/** The errors that the methods of a contract declare, and how a caller recognises them. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { ActorError } from '@clstr/core';
import { isClstrError } from '@clstr/core';
import { invalidOption, isErrorCode } from '@clstr/core/internal';
import type { AnyMethod, ErrorSchemas, ErrorsOf, Methods } from './method.ts';
import { isThenable } from '@clstr/core/internal';

type CodesOf<M extends Methods> = { [Name in keyof M]: keyof ErrorsOf<M[Name]> & string }[keyof M];

type DetailsOf<M extends Methods, Code extends string> = {
  [Name in keyof M]: ErrorsOf<M[Name]> extends Readonly<Record<Code, infer S extends StandardSchemaV1>>
    ? StandardSchemaV1.InferOutput<S>
    : never;
}[keyof M];

/** An `ActorError` of a declared code, with details that fit. */
export interface DeclaredError<Code extends string, Details> extends Omit<
  ActorError,
  'actorCode' | 'details'
> {
  readonly actorCode: Code;
  readonly details: Details;
}

type DeclaredErrors<M extends Methods, Code extends string> = Code extends string
  ? DeclaredError<Code, DetailsOf<M, Code>>
  : never;

/**
 * Whether `error` is one that a method of `contract` declares, with this code if one is given, and with details that its
 * validator accepts. It compares names and codes, like `isClstrError`: two copies of a package may be loaded at once.
 */
export function isActorError<M extends Methods, Code extends CodesOf<M> = CodesOf<M>>(
  error: unknown,
  contract: { readonly methods: M },
  code?: Code,
): error is DeclaredErrors<M, Code> {
  if (!isClstrError(error, 'ACTOR_ERROR')) return false;
  const { actorCode, details } = error as ActorError;
  if (code !== undefined && code !== actorCode) return false;
  return Object.values<AnyMethod>(contract.methods).some(
    ({ errors }) =>
      errors !== undefined && Object.hasOwn(errors, actorCode) && accepts(errors[actorCode]!, details),
  );
}

function accepts(schema: StandardSchemaV1, details: unknown): boolean {
  try {
    const result = schema['~standard'].validate(details);
    if (!isThenable(result)) return result.issues === undefined;
    result.then(undefined, () => undefined);
  } catch {
    // A validator that throws does not accept.
  }
  return false;
}

const ERROR_CODE = /^[A-Z][A-Z0-9_]{0,63}$/;

/** @throws INVALID_OPTION */
export function checkErrorCodes(actor: string, method: string, errors: ErrorSchemas | undefined): void {
  for (const code of Object.keys(errors ?? {})) {
    if (ERROR_CODE.test(code) && !isErrorCode(code)) continue;
    const expected = 'a capital letter, then capitals, digits and _, 64 at most, not a code of clstr itself';
    throw invalidOption(`actor ${actor}`, `an error of method ${method}`, code, expected);
  }
}
