/** The methods of a contract: their inputs and outputs, declared by types alone or by validators. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkCallerType } from '@clstr/core/wire';
import type { Option, Spec } from '@clstr/core/internal';
import { flag, invalidOption, option, optional, resolve } from '@clstr/core/internal';

/** The codes of a method's errors, each with a synchronous validator of its details: an object, or undefined for none. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- only `any` matches inputs of all types
export type ErrorSchemas = Readonly<Record<string, StandardSchemaV1<any, object | void>>>;

// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- what most methods declare
export type NoErrors = Record<never, never>;

/** A method with an answer. `In` and `Out` are the caller's types; validators may give the handler other types. */
export interface RequestMethod<In, HandlerIn, HandlerOut, Out, E extends ErrorSchemas = NoErrors> {
  readonly kind: 'request';
  readonly isReadonly: boolean;
  readonly isIdempotent: boolean;
  readonly isCritical: boolean;
  /** The message type on the wire; undefined means `<actor>.<method>`. */
  readonly type: string | undefined;
  readonly input: StandardSchemaV1 | undefined;
  readonly output: StandardSchemaV1 | undefined;
  readonly errors: ErrorSchemas | undefined;
  /** Types only, never set. */
  readonly '~types'?: { in: In; handlerIn: HandlerIn; handlerOut: HandlerOut; out: Out; errors: E };
}

/** A method without an answer. */
export interface NotifyMethod<In, HandlerIn> {
  readonly kind: 'notify';
  readonly isReadonly: false;
  readonly isCritical: boolean;
  readonly type: string | undefined;
  readonly input: StandardSchemaV1 | undefined;
  readonly output: undefined;
  readonly errors: undefined;
  /** Types only, never set. */
  readonly '~types'?: { in: In; handlerIn: HandlerIn; handlerOut: unknown; out: void; errors: NoErrors };
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- only `any` matches methods of all types
export type AnyMethod = RequestMethod<any, any, any, any, any> | NotifyMethod<any, any>;

export type Methods = Readonly<Record<string, AnyMethod>>;

type TypesOf<M extends AnyMethod> = NonNullable<M['~types']>;
/** The types of a method: what a caller passes, what the handler gets and may return, and what the caller gets. */
export type InputOf<M extends AnyMethod> = TypesOf<M>['in'];
export type HandlerInputOf<M extends AnyMethod> = TypesOf<M>['handlerIn'];
export type HandlerOutputOf<M extends AnyMethod> = TypesOf<M>['handlerOut'];
export type OutputOf<M extends AnyMethod> = TypesOf<M>['out'];
export type ErrorsOf<M extends AnyMethod> = TypesOf<M>['errors'];

export interface NotifyFlags {
  /**
   * The message type on the wire, for an actor of another implementation with its own names, such as
   * `github.com/acme/app.Increment`: 1 to 255 bytes without control characters. Default: `<actor>.<method>`.
   */
  type?: string | undefined;
  /** Whether nodes that shed load refuse it last, unless the call itself says otherwise. Default false. */
  critical?: boolean | undefined;
}

export interface RequestFlags extends NotifyFlags {
  /** Whether it may run together with the key's other readonly requests. Default false. */
  readonly?: boolean | undefined;
  /**
   * Whether running it twice does no harm: clients then repeat a call that may have run, unless the call itself says
   * otherwise. Default: as `readonly` says.
   */
  idempotent?: boolean | undefined;
}

type In<S extends StandardSchemaV1> = StandardSchemaV1.InferInput<S>;
type Out<S extends StandardSchemaV1> = StandardSchemaV1.InferOutput<S>;
type Nothing = StandardSchemaV1<void, void>;

/**
 * Declares a method with an answer, by types alone, `request<Input, Output>()`, or by Standard Schema validators,
 * `request({ input, output })`. The node validates the input before the handler runs and the output before it replies.
 * `errors` declares what `ctx.fail` may make: `{ SOLD_OUT: z.object({ free: z.int() }) }`, or `type<void>()` for an error
 * without details.
 *
 * @throws INVALID_OPTION
 */
export function request<I = void, O = void>(flags?: RequestFlags): RequestMethod<I, I, O, O>;
// `NoInfer`, because the contract around it would otherwise allow every code.
export function request<
  I extends StandardSchemaV1 = Nothing,
  O extends StandardSchemaV1 = Nothing,
  E extends ErrorSchemas = NoErrors,
>(
  schemas: RequestFlags & { input?: I | undefined; output?: O | undefined; errors?: E | undefined },
): RequestMethod<In<I>, Out<I>, In<O>, Out<O>, NoInfer<E>>;
export function request(
  options: RequestFlags & {
    input?: StandardSchemaV1 | undefined;
    output?: StandardSchemaV1 | undefined;
    errors?: ErrorSchemas | undefined;
  } = {},
): RequestMethod<unknown, unknown, unknown, unknown, ErrorSchemas> {
  const { readonly, idempotent, critical, ...rest } = resolve('request', requestSpec, options);
  return Object.freeze({
    kind: 'request',
    isReadonly: readonly,
    isIdempotent: idempotent ?? readonly,
    isCritical: critical,
    ...rest,
  });
}

/**
 * Declares a method without an answer, by a type alone, `notify<Input>()`, or by a validator, `notify({ input })`.
 *
 * @throws INVALID_OPTION
 */
export function notify<I = void>(flags?: NotifyFlags): NotifyMethod<I, I>;
export function notify<I extends StandardSchemaV1>(
  schemas: NotifyFlags & { input: I },
): NotifyMethod<In<I>, Out<I>>;
export function notify(
  options: NotifyFlags & { input?: StandardSchemaV1 | undefined } = {},
): NotifyMethod<unknown, unknown> {
  const { type: wireType, input, critical } = resolve('notify', notifySpec, options);
  return Object.freeze({
    kind: 'notify',
    isReadonly: false,
    isCritical: critical,
    type: wireType,
    input,
    output: undefined,
    errors: undefined,
  });
}

/** A type without a check, for an input or output without a validator: `request({ input, output: type<User>() })`. */
export function type<T>(): StandardSchemaV1<T, T> {
  return { '~standard': { version: 1, vendor: 'clstr', validate: (value) => ({ value: value as T }) } };
}

/** The message type of a method on the wire. */
export function messageType(actor: string, name: string, method: AnyMethod): string {
  return method.type ?? `${actor}.${name}`;
}

const typeOption: Option<string | undefined> = optional(
  option((owner, name, value) => {
    try {
      checkCallerType(value as string);
      return value as string;
    } catch {
      const expected = '1 to 255 bytes of text without control characters, not starting with "clstr."';
      throw invalidOption(owner, name, value, expected);
    }
  }),
);

const schemaOption: Option<StandardSchemaV1 | undefined> = optional(option(checkSchema));

function checkSchema(owner: string, name: string, value: unknown): StandardSchemaV1 {
  const { validate } = (value as Partial<StandardSchemaV1> | null)?.['~standard'] ?? {};
  if (typeof validate === 'function') return value as StandardSchemaV1;
  throw invalidOption(owner, name, value, 'a Standard Schema validator');
}

const errorsOption: Option<ErrorSchemas | undefined> = optional(
  option((owner, name, value) => {
    if (typeof value !== 'object' || value === null) throw invalidOption(owner, name, value, 'an object');
    for (const [code, schema] of Object.entries(value)) checkSchema(owner, `${name}.${code}`, schema);
    return Object.freeze({ ...value });
  }),
);

const criticalOption: Option<boolean> = flag(false, 'a boolean');

const notifySpec: Spec<Pick<NotifyMethod<unknown, unknown>, 'type' | 'input'> & { critical: boolean }> = {
  type: typeOption,
  critical: criticalOption,
  input: schemaOption,
};

interface Flags {
  readonly: boolean;
  idempotent: boolean | undefined;
  critical: boolean;
}

export const requestSpec: Spec<Schemas & Flags> = {
  type: typeOption,
  readonly: flag(false, 'a boolean'),
  idempotent: optional(flag(false, 'a boolean')),
  critical: criticalOption,
  input: schemaOption,
  output: schemaOption,
  errors: errorsOption,
};

type Schemas = Pick<
  RequestMethod<unknown, unknown, unknown, unknown>,
  'type' | 'input' | 'output' | 'errors'
>;
