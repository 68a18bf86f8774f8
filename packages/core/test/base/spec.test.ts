import { describe, expect, test } from 'vitest';
import { describe as describeValue } from '../../src/base/describe.ts';
import { MAX_DELAY_MS } from '../../src/base/options.ts';
import {
  callback,
  callbacks,
  flag,
  handedOn,
  integer,
  methods,
  milliseconds,
  oneOf,
  option,
  optional,
  orMade,
  resolve,
  text,
} from '../../src/base/spec.ts';
import type { Option } from '../../src/base/spec.ts';

const refusal = (message: string): unknown => expect.objectContaining({ code: 'INVALID_OPTION', message });

/** What a factory gets that has this one option. */
function given<T>(value: unknown, kind: Option<T>): T {
  return resolve<{ name: T }, object>('owner', { name: kind }, value === undefined ? {} : { name: value })
    .name;
}

describe('resolve', () => {
  const spec = { size: integer(1, 10, 5), label: optional(text()), on: callback<() => void>() };
  const on = (): void => {};

  test('returns every option of the table, frozen, with defaults for missing and undefined ones', () => {
    const resolved = resolve('owner', spec, { on, size: undefined });
    expect(resolved).toEqual({ size: 5, label: undefined, on });
    expect(Object.keys(resolved)).toEqual(['size', 'label', 'on']);
    expect(Object.isFrozen(resolved)).toBe(true);
    expect(resolve('owner', spec, { on, size: 7, label: 'a' })).toEqual({ size: 7, label: 'a', on });
  });

  test('refuses an option that is not in the table, naming those that are', () => {
    expect(() => resolve('owner', spec, { on, sice: 7 })).toThrow(
      refusal('owner: unknown option "sice"; known: size, label, on'),
    );
    expect(() => resolve('owner', spec, null as never)).toThrow(
      refusal('owner: options must be an object, got null'),
    );
  });

  test('names owner and option when it refuses a value, even null, or misses a required one', () => {
    expect(() => resolve('owner', spec, { on, size: null })).toThrow(
      refusal('owner: size must be a whole number from 1 to 10, got null'),
    );
    expect(() => resolve('owner', spec, {})).toThrow(refusal('owner: on must be a function, got undefined'));
  });

  test('checks the rule after the names and before the values', () => {
    const order: string[] = [];
    const rule = (options: { size?: number; sice?: number }): void => {
      order.push(`rule of ${String(options.size)}`);
    };
    const size = option((_owner, _name, value) => order.push(`size ${String(value)}`));
    resolve('owner', { size }, { size: 3 }, rule);
    expect(order).toEqual(['rule of 3', 'size 3']);
    expect(() => resolve('owner', { size }, { sice: 3 }, rule)).toThrow(/unknown/);
    expect(order).toHaveLength(2);
  });
});

describe('an option that need not be given', () => {
  test('is undefined, its default, or made each time', () => {
    expect(given(undefined, optional(callback()))).toBeUndefined();
    expect(given(undefined, text('a'))).toBe('a');
    const list = orMade(handedOn<number[]>(), () => []);
    expect(given(undefined, list)).toEqual([]);
    expect(given(undefined, list)).not.toBe(given(undefined, list));
    expect(given([1], list)).toEqual([1]);
  });

  test('is checked all the same when it is given', () => {
    expect(() => given(5, optional(callback()))).toThrow(refusal('owner: name must be a function, got 5'));
    expect(() => given(5, text('a'))).toThrow(refusal('owner: name must be a string, got 5'));
  });

  test('is handed on as it is, undefined too', () => {
    expect([given(undefined, handedOn()), given(null, handedOn())]).toEqual([undefined, null]);
  });
});

describe('milliseconds', () => {
  test('go as far as timers do', () => {
    expect(given(MAX_DELAY_MS, milliseconds(0))).toBe(MAX_DELAY_MS);
    expect(() => given(MAX_DELAY_MS + 1, milliseconds(0, 5))).toThrow(/from 0 to 2147483647, got 2147483648/);
    expect(() => given(0, milliseconds(1, 5))).toThrow(/from 1 to/);
  });
});

describe('flag', () => {
  test('takes true and false', () => {
    expect([given(true, flag(false)), given(false, flag(true)), given(undefined, flag(true))]).toEqual([
      true,
      false,
      true,
    ]);
  });

  test.each([null, 0, 'true', {}])('refuses %j', (value) => {
    expect(() => given(value, flag(false))).toThrow(
      refusal(`owner: name must be true or false, got ${describeValue(value)}`),
    );
  });
});

describe('oneOf', () => {
  test('takes each of the values', () => {
    expect([given('a', oneOf(['a', 'b'])), given(undefined, oneOf(['a', 'b'], 'b'))]).toEqual(['a', 'b']);
  });

  test('names them all in its refusal', () => {
    expect(() => given('d', oneOf(['a', 'b', 'c']))).toThrow(
      refusal("owner: name must be 'a', 'b' or 'c', got \"d\""),
    );
    expect(() => given(undefined, oneOf(['a', 'b']))).toThrow(/must be 'a' or 'b', got undefined/);
    expect(() => given('d', oneOf(['a', 'b'], 'a', 'one of a, b'))).toThrow(/must be one of a, b, got "d"/);
  });
});

describe('methods', () => {
  test('takes an object with all of them, inherited ones too', () => {
    class Clock {
      now(): void {}
    }
    const clock = new Clock();
    expect(given(clock, methods<Clock>(['now']))).toBe(clock);
  });

  test.each([undefined, null, 5, {}, { now: 5 }])('refuses %j', (value) => {
    expect(() => given(value, methods<{ now(): void }>(['now']))).toThrow(
      refusal(`owner: name must be an object with a method now(), got ${describeValue(value)}`),
    );
  });
});

describe('callback', () => {
  test('takes a function', () => {
    const fn = (): void => {};
    expect(given(fn, callback())).toBe(fn);
  });

  test.each([null, 5, {}])('refuses %j', (value) => {
    expect(() => given(value, callback())).toThrow(
      refusal(`owner: name must be a function, got ${describeValue(value)}`),
    );
  });
});

describe('callbacks', () => {
  test('takes a list of functions, also an empty one, and copies it', () => {
    const list = [(): void => {}];
    expect(given(list, callbacks())).toEqual(list);
    expect(given(list, callbacks())).not.toBe(list);
    expect(given([], callbacks())).toEqual([]);
    expect(given(undefined, callbacks())).toEqual([]);
  });

  test.each([[null], [5], [{}], [[() => 5, 5]], [() => 5]])('refuses %s', (value) => {
    expect(() => given(value, callbacks())).toThrow(
      refusal(`owner: name must be a list of functions, got ${describeValue(value)}`),
    );
  });
});
