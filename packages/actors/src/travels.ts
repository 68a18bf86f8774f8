/** The types that can travel: the compiler rejects a contract whose values JSON would change or lose. */
import type { StandardSchemaV1 } from '@standard-schema/spec';

/**
 * The values that only your codec carries, for contracts whose nodes and clients all use it: `declare module
 * '@clstr/actors' { interface CarriedValues { date: Date; map: ReadonlyMap<unknown, unknown> } }`.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- users add to it
export interface CarriedValues {}

type Carried = CarriedValues[keyof CarriedValues];

/** The methods of a contract: each unchanged, or the reason why its input, its output or the details of an error cannot. */
export type Travelling<M> = {
  readonly [Name in keyof M]: M[Name] extends { readonly '~types'?: infer Types }
    ? MethodOf<M[Name], NonNullable<Types>>
    : unknown;
};

type MethodOf<Method, Types> = Types extends { in: infer In; out: infer Out; errors: infer Errors }
  ? Arrives<In> extends true
    ? Arrives<Out> extends true
      ? [DetailsFault<Errors>] extends [never]
        ? Method
        : CannotTravel<DetailsFault<Errors>>
      : CannotTravel<`the output${Fault<Out>}`>
    : CannotTravel<`the input${Fault<In>}`>
  : unknown;

/** Details are an object in JSON, whatever the codec, and callers validate them once more. */
type DetailsFault<Errors> = {
  [Code in keyof Errors & string]: Errors[Code] extends StandardSchemaV1<infer In, infer Out>
    ? [Exclude<Out, void>] extends [Arrived<Exclude<Out, void>, never>]
      ? Out extends readonly unknown[]
        ? `the details of ${Code} are an array: declare an object`
        : [Out] extends [In]
          ? never
          : `the details of ${Code} do not fit their own validator once it has changed them`
      : `the details of ${Code}${Fault<Out, never>}`
    : never;
}[keyof Errors & string];

/** The reason why a method is rejected: `Why` names the place and says what to declare. */
export interface CannotTravel<Why extends string> {
  readonly '~cannotTravel': Why;
}

/** Whether a payload arrives unchanged; a whole payload may be bytes. */
type Arrives<T> =
  IsAny<T> extends true
    ? true
    : [Exclude<T, Uint8Array | void>] extends [Arrived<Exclude<T, Uint8Array | void>>]
      ? true
      : false;

/** `T` with `never` in each place where JSON would change or lose the value. Lazy, so that types may be recursive. */
type Arrived<T, Extra = Carried> =
  IsOpen<T> extends true
    ? T
    : T extends string | number | boolean | null | undefined | Extra
      ? T
      : T extends Unsendable
        ? never
        : T extends readonly (infer Item)[]
          ? readonly Arrived<Item, Extra>[]
          : { readonly [Name in keyof T]: Arrived<T[Name], Extra> };

type IsAny<T> = 0 extends 1 & T ? true : false;
/** Whether the type is `any` or `unknown`, whose values are checked when they are sent. */
type IsOpen<T> = unknown extends T ? true : false;

type Unsendable =
  | bigint
  | symbol
  | Callable
  | { toJSON(key?: string): unknown }
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | WeakKeyed
  | PromiseLike<unknown>
  | Error
  | RegExp
  | ArrayBufferLike
  | ArrayBufferView;

type Callable = (...args: never) => unknown;
type WeakKeyed = { readonly [Symbol.toStringTag]: 'WeakMap' | 'WeakSet' };

/** The paths and reasons of the faults; below `Depth` levels only the fact that there is one. */
type Fault<T, Extra = Carried, Depth extends unknown[] = [1, 1, 1, 1, 1]> = T extends
  string | number | boolean | null | undefined | Extra
  ? never
  : T extends Unsendable
    ? ` is ${Reason<T>}`
    : Depth extends [unknown, ...infer Rest]
      ? T extends readonly (infer Item)[]
        ? `[]${Fault<Item, Extra, Rest>}`
        : {
            [Name in keyof T & string]: [T[Name]] extends [Arrived<T[Name], Extra>]
              ? never
              : `.${Name}${Fault<T[Name], Extra, Rest>}`;
          }[keyof T & string]
      : ' holds a value that cannot travel';

type Reason<T> = T extends Date
  ? 'a Date, which arrives as a string: declare string'
  : T extends bigint
    ? 'a bigint: declare string'
    : T extends symbol
      ? 'a symbol'
      : T extends Callable
        ? 'a function'
        : T extends ReadonlyMap<unknown, unknown>
          ? 'a Map: declare an array of its entries'
          : T extends ReadonlySet<unknown>
            ? 'a Set: declare an array of its values'
            : T extends ArrayBufferLike | ArrayBufferView
              ? 'bytes inside a value: declare a Uint8Array alone, or a base64 string'
              : T extends PromiseLike<unknown>
                ? 'a Promise'
                : T extends { toJSON(key?: string): unknown }
                  ? 'an object with toJSON(): declare what that returns'
                  : T extends Error
                    ? 'an Error: throw an ActorError, or declare its message'
                    : 'not a JSON value';
