import { describe, expect, test } from 'vitest';
import { describe as describeValue } from '../../src/base/describe.ts';
import { defaults } from '../../src/base/defaults.ts';
import {
  MAX_DELAY_MS,
  MAX_SHARDS,
  checkInteger,
  checkKnownOptions,
  checkString,
  invalidOption,
} from '../../src/base/options.ts';

const refusal = (message: string): unknown => expect.objectContaining({ code: 'INVALID_OPTION', message });

test('the defaults are frozen and allowed', () => {
  expect(Object.isFrozen(defaults)).toBe(true);
  const { seed, routing, route, ...numbers } = defaults;
  expect({ seed, routing, route }).toEqual({ seed: '', routing: 'auto', route: 'hybrid' });
  for (const value of Object.values(numbers)) expect(Number.isSafeInteger(value)).toBe(true);
  expect(defaults.numShards).toBeLessThanOrEqual(MAX_SHARDS);
  expect(defaults.requestTimeoutMs).toBeLessThanOrEqual(MAX_DELAY_MS);
});

describe('checkKnownOptions', () => {
  test('takes any subset of the known options', () => {
    for (const given of [{}, { a: 1 }, { a: undefined, b: null }]) {
      expect(() => {
        checkKnownOptions('owner', given, ['a', 'b']);
      }).not.toThrow();
    }
  });

  test('names the unknown option, and the known ones', () => {
    expect(() => {
      checkKnownOptions('owner', { a: 1, C: 2 }, ['a', 'b']);
    }).toThrow(refusal('owner: unknown option "C"; known: a, b'));
  });

  test.each([undefined, null, 5, 'a', () => 5])('refuses %s in place of the options', (given) => {
    expect(() => {
      checkKnownOptions('owner', given, []);
    }).toThrow(refusal(`owner: options must be an object, got ${describeValue(given)}`));
  });
});

describe('checkInteger', () => {
  test.each([1, 5, 10])('takes %s from 1 to 10', (value) => {
    expect(checkInteger('owner', 'size', value, 1, 10)).toBe(value);
  });

  test.each([0, 11, 1.5, NaN, Infinity, -Infinity, '5', 5n, null, undefined, {}, [5]])(
    'refuses %s from 1 to 10',
    (value) => {
      expect(() => checkInteger('owner', 'size', value, 1, 10)).toThrow(
        refusal(`owner: size must be a whole number from 1 to 10, got ${describeValue(value)}`),
      );
    },
  );
});

describe('checkString', () => {
  test('takes a string, and one that matches', () => {
    expect(checkString('owner', 'seed', '')).toBe('');
    expect(checkString('owner', 'id', 'abc', /^[a-c]+$/)).toBe('abc');
  });

  test('refuses a value that is not a string', () => {
    expect(() => checkString('owner', 'seed', 5)).toThrow(refusal('owner: seed must be a string, got 5'));
  });

  test('refuses what does not match, in the words given or by the pattern', () => {
    expect(() => checkString('owner', 'id', 'x', /^[a-c]+$/, 'of a to c')).toThrow(
      refusal('owner: id must be of a to c, got "x"'),
    );
    expect(() => checkString('owner', 'id', 'x', /^[a-c]+$/)).toThrow(
      refusal('owner: id must be a string matching /^[a-c]+$/, got "x"'),
    );
    expect(() => checkString('owner', 'id', 5, /^[a-c]+$/, 'of a to c')).toThrow(
      refusal('owner: id must be of a to c, got 5'),
    );
  });
});

test('invalidOption names owner, option, expectation and value', () => {
  expect(invalidOption('createNode', 'id', '', 'an id')).toEqual(
    refusal('createNode: id must be an id, got ""'),
  );
});

test.each([
  [{ url: 1 }, 'unknown option "url"; known: servers'],
  [{ 'token=s3cr3t': 1 }, 'unknown option "token…"; known: servers'],
  [{ 's3cr3t pass': 1 }, 'unknown option "s3cr3t…"; known: servers'],
  [{ ['x'.repeat(1_000)]: 1 }, `unknown option "${'x'.repeat(32)}…"; known: servers`],
  [{ '\n\u001b[2J': 1 }, 'unknown option "…"; known: servers'],
])('an error shows at most the first word of an unknown option: %j', (given, message) => {
  expect(() => checkKnownOptions('owner', given, ['servers'])).toThrow(refusal(`owner: ${message}`));
});
