import { notify, request, type } from '@clstr/actors';
import { type as arktype } from 'arktype';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

describe('request', () => {
  test('by types alone has no validators, and is not readonly', () => {
    expect(request<number, string>()).toEqual({
      kind: 'request',
      isReadonly: false,
      isIdempotent: false,
      isCritical: false,
      input: undefined,
      output: undefined,
    });
  });

  test('can be readonly, by types and by validators', () => {
    expect(request<void, number>({ readonly: true }).isReadonly).toBe(true);
    expect(request({ input: z.string(), readonly: true }).isReadonly).toBe(true);
  });

  test.each([
    ['zod', z.number()],
    ['valibot', v.number()],
    ['arktype', arktype('number')],
    ['a type without a check', type<number>()],
  ])('keeps validators of %s as they are', (_library, schema) => {
    expect(request({ input: schema, output: schema })).toMatchObject({ input: schema, output: schema });
  });

  test.each([null, 'number', 5, {}, { '~standard': {} }, { '~standard': null }, () => true])(
    'refuses %j as a validator, and says of which side',
    (schema) => {
      const bad = schema as never;
      expect(() => request({ input: bad })).toThrow(
        refusal(/^request: input must be a Standard Schema validator/),
      );
      expect(() => request({ output: bad })).toThrow(refusal(/^request: output must be a Standard/));
      expect(() => notify({ input: bad })).toThrow(refusal(/^notify: input must be a Standard/));
    },
  );

  test('is idempotent when it says so, or is readonly and does not deny it', () => {
    expect(request<void, number>({ idempotent: true })).toMatchObject({
      isReadonly: false,
      isIdempotent: true,
    });
    expect(request({ output: z.string(), readonly: true }).isIdempotent).toBe(true);
    expect(request({ readonly: true, idempotent: false }).isIdempotent).toBe(false);
  });

  test('is critical when it says so, as a notify may be', () => {
    expect(request<void, number>({ critical: true }).isCritical).toBe(true);
    expect([notify({ critical: true }).isCritical, notify().isCritical]).toEqual([true, false]);
  });

  test.each(['true', 1, null])('refuses %j for readonly, for idempotent and for critical', (flag) => {
    const bad = flag as never;
    expect(() => request({ critical: bad })).toThrow(refusal(/^request: critical must be a boolean, got/));
    expect(() => notify({ critical: bad })).toThrow(refusal(/^notify: critical must be a boolean, got/));
    expect(() => request({ readonly: bad })).toThrow(refusal(/^request: readonly must be a boolean, got/));
    expect(() => request({ idempotent: bad })).toThrow(
      refusal(/^request: idempotent must be a boolean, got/),
    );
  });

  test('refuses options it does not know, and none at all', () => {
    expect(() => request({ readOnly: true } as never)).toThrow(
      refusal(/unknown option "readOnly"; known: type, readonly, idempotent, critical, input, output/),
    );
    expect(() => request(null as never)).toThrow(refusal(/options must be an object/));
  });
});

describe('notify', () => {
  test('has no output and is never readonly', () => {
    expect(notify<string>()).toEqual({
      kind: 'notify',
      isReadonly: false,
      isCritical: false,
      input: undefined,
      output: undefined,
    });
  });

  test('refuses an output, which no caller would see', () => {
    expect(() => notify({ output: z.number() } as never)).toThrow(refusal(/unknown option "output"/));
  });
});

describe('the type of the messages of a method', () => {
  test('is kept as it is given', () => {
    const type = 'github.com/acme/app.Increment';
    expect([request({ type }).type, notify({ type }).type, request().type]).toEqual([type, type, undefined]);
    expect(request({ type, readonly: true, input: z.number(), output: z.number() })).toMatchObject({ type });
  });

  test.each(['', 'a\nb', 'clstr.mine', 'x'.repeat(256), 5, null])('is refused when it is %j', (type) => {
    const expected =
      /: type must be 1 to 255 bytes of text without control characters, not starting with "clstr."/;
    expect(() => request({ type: type as string })).toThrow(refusal(expected));
    expect(() => notify({ type: type as string })).toThrow(refusal(expected));
  });
});

test('methods are frozen', () => {
  expect(Object.isFrozen(request())).toBe(true);
  expect(Object.isFrozen(notify())).toBe(true);
});

test('a type without a check lets any value pass as it is', () => {
  const value = { any: 'thing' };
  expect(type<string>()['~standard'].validate(value)).toEqual({ value });
});
