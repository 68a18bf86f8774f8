/** The checks that every factory applies to its options before anything else happens. */
import { describe } from './describe.ts';
import { ClstrError } from './errors.ts';

export const MAX_SHARDS = 0xffff_ffff;
/** The longest delay that a timer and a time budget on the wire can express: 2^31 - 1 ms, 24.8 days. */
export const MAX_DELAY_MS = 0x7fff_ffff;

/** @throws INVALID_OPTION when `given` is not an object or has a key that `known` does not list. */
export function checkKnownOptions(owner: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(owner, 'options', given, 'an object');
  }
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) {
      throw new ClstrError(
        'INVALID_OPTION',
        `${owner}: unknown option ${optionName(name)}; known: ${known.join(', ')}`,
      );
    }
  }
}

/** Shows only the first word: a user who passed a whole setting as a name may have passed a password with it. */
function optionName(name: string): string {
  const [word] = /^[\w$-]{0,32}/.exec(name)!;
  return word === name ? describe(word) : describe(`${word}…`);
}

/** @throws INVALID_OPTION when `value` is not a whole number from `min` to `max`. */
export function checkInteger(owner: string, name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalidOption(owner, name, value, `a whole number from ${min} to ${max}`);
  }
  return value;
}

/** @throws INVALID_OPTION when `value` is not a string, or does not match `pattern`. */
export function checkString(
  owner: string,
  name: string,
  value: unknown,
  pattern?: RegExp,
  expected = `a string matching ${String(pattern)}`,
): string {
  if (typeof value !== 'string' || (pattern !== undefined && !pattern.test(value))) {
    throw invalidOption(owner, name, value, pattern === undefined ? 'a string' : expected);
  }
  return value;
}

/** The error for one bad value: it names the owner, the option, what was expected and what was given. */
export function invalidOption(owner: string, name: string, value: unknown, expected: string): ClstrError {
  return new ClstrError('INVALID_OPTION', `${owner}: ${name} must be ${expected}, got ${describe(value)}`);
}
