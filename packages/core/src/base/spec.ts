/** Options as one table per factory: it gives the known names, the checks and the defaults. */
import { MAX_DELAY_MS, checkInteger, checkKnownOptions, checkString, invalidOption } from './options.ts';

/** One line of a table. Its check returns what the factory uses, or throws INVALID_OPTION. */
export interface Option<T> {
  readonly check: Check<T>;
  /** Makes the value of an option that is not given. Without it the option is required. */
  readonly fallback?: (() => T) | undefined;
}

export type Check<T> = (owner: string, name: string, value: unknown) => T;

/** One line per option that `R` has. */
export type Spec<R> = { readonly [Name in keyof R]-?: Option<R[Name]> };

/** Options as a factory uses them: all are present, `Maybe` names those that may be undefined, `Made` changes types. */
export type Resolved<Given, Maybe extends keyof Given = never, Made = object> = {
  readonly [Name in keyof Given]-?: Name extends keyof Made
    ? Made[Name]
    : Name extends Maybe
      ? Given[Name] | undefined
      : Exclude<Given[Name], undefined>;
};

/**
 * Returns frozen options. `rule` checks which options need or exclude each other, before the single values are checked.
 *
 * @throws INVALID_OPTION naming `owner`, for an option that is unknown, breaks the rule or has a wrong value
 */
export function resolve<R extends object, Given extends object>(
  owner: string,
  spec: Spec<R>,
  given: Given,
  rule?: (given: Given) => void,
): R {
  const lines = Object.entries<Option<unknown>>(spec);
  checkKnownOptions(owner, given, Object.keys(spec));
  rule?.(given);
  const values = lines.map(([name, { check, fallback }]) => {
    const value = (given as Readonly<Record<string, unknown>>)[name];
    return [name, value === undefined && fallback !== undefined ? fallback() : check(owner, name, value)];
  });
  // Assignments in a loop would make V8 keep an object of 20 options as a dictionary, which is slow to read.
  return Object.freeze(Object.fromEntries(values) as R);
}

/** An option with a check of its own; it is required if there is no `fallback`. */
export function option<T>(check: Check<T>, fallback?: T): Option<T> {
  return fallback === undefined ? { check } : { check, fallback: () => fallback };
}

/** Makes an option optional: if it is left out, `make` gives its value. */
export function orMade<T>({ check }: Option<T>, make: () => T): Option<T> {
  return { check, fallback: make };
}

/** Makes an option optional: if it is left out, it is undefined. */
export function optional<T>({ check }: Option<T>): Option<T | undefined> {
  return { check, fallback: () => undefined };
}

/** An option that another part checks. */
export function handedOn<T>(): Option<T> {
  return option((_owner, _name, value) => value as T);
}

export function integer(min: number, max: number, fallback?: number): Option<number> {
  return option((owner, name, value) => checkInteger(owner, name, value, min, max), fallback);
}

/** A time in milliseconds, as timers take it. */
export function milliseconds(min: number, fallback?: number): Option<number> {
  return integer(min, MAX_DELAY_MS, fallback);
}

export function text(fallback?: string, pattern?: RegExp, expected?: string): Option<string> {
  return option((owner, name, value) => checkString(owner, name, value, pattern, expected), fallback);
}

export function flag(fallback: boolean, expected = 'true or false'): Option<boolean> {
  return option((owner, name, value) => {
    if (typeof value === 'boolean') return value;
    throw invalidOption(owner, name, value, expected);
  }, fallback);
}

export function oneOf<T extends string>(
  values: readonly T[],
  fallback?: T,
  expected: string = listed(values),
): Option<T> {
  return option((owner, name, value) => {
    if (values.includes(value as T)) return value as T;
    throw invalidOption(owner, name, value, expected);
  }, fallback);
}

function listed(values: readonly string[]): string {
  const quoted = values.map((value) => `'${value}'`);
  return `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)!}`;
}

/** `T` is the type of a function. */
export function callback<T>(expected = 'a function'): Option<T> {
  return option((owner, name, value) => {
    if (typeof value === 'function') return value as T;
    throw invalidOption(owner, name, value, expected);
  });
}

export function callbacks<T>(): Option<readonly T[]> {
  const check: Check<readonly T[]> = (owner, name, value) => {
    if (Array.isArray(value) && value.every((item) => typeof item === 'function')) return [...(value as T[])];
    throw invalidOption(owner, name, value, 'a list of functions');
  };
  return { check, fallback: () => [] };
}

/** An object with all of `names` as methods, its own or inherited. */
export function methods<T extends object>(names: readonly (keyof T & string)[], fallback?: T): Option<T> {
  return option((owner, name, value) => {
    const candidate = value as Record<string, unknown> | null | undefined;
    const missing = names.find((method) => typeof candidate?.[method] !== 'function');
    if (missing === undefined) return value as T;
    throw invalidOption(owner, name, value, `an object with a method ${missing}()`);
  }, fallback);
}
