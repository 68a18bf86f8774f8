import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  ActorError,
  ClstrError,
  ERROR_CODES,
  asRefusal,
  dispositionOf,
  forCaller,
  isClstrError,
  isErrorCode,
} from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/errors.ts';

const codes = Object.keys(ERROR_CODES) as ErrorCode[];

describe.each(codes)('%s', (code) => {
  const info = ERROR_CODES[code];

  test('has an outcome, a retryability and a text', () => {
    expect(['not-executed', 'executed', 'unknown']).toContain(info.outcome);
    expect(typeof info.retryable).toBe('boolean');
    expect(info.text).toMatch(/^[a-z].*[^.]$/);
  });

  test('is retryable only when nothing was executed', () => {
    if (info.retryable) expect(info.outcome).toBe('not-executed');
  });

  test('gives its errors the defaults of the table, and lets each say otherwise', () => {
    const error = new ClstrError(code, 'why');
    expect(error).toMatchObject({ name: 'ClstrError', code, message: 'why', details: undefined });
    expect([error.outcome, error.retryable]).toEqual([info.outcome, info.retryable]);
    const other = new ClstrError(code, 'why', { outcome: 'executed', retryable: !info.retryable });
    expect([other.outcome, other.retryable]).toEqual(['executed', !info.retryable]);
  });

  test('is recognised as a code, and its errors by it', () => {
    expect(isErrorCode(code)).toBe(true);
    const error = new ClstrError(code, 'why');
    expect(isClstrError(error)).toBe(true);
    for (const other of codes) expect(isClstrError(error, other)).toBe(other === code);
  });
});

describe('the table', () => {
  test('has the codes that other implementations know', () => {
    const seed = [
      'TRANSPORT_CLOSED',
      'NO_SUBSCRIBER',
      'ENVELOPE_EXPIRED',
      'RESERVED_HEADER',
      'HANDLER_TIMEOUT',
    ];
    for (const code of [...seed, 'KEY_REQUIRED', 'MISSING_KEY_HEADER']) expect(codes).toContain(code);
  });
});

describe('ClstrError', () => {
  test('keeps details and cause', () => {
    const cause = new Error('below');
    const error = new ClstrError('TIMEOUT', 'late', { details: { afterMs: 5 }, cause });
    expect(error.details).toEqual({ afterMs: 5 });
    expect(error.cause).toBe(cause);
    expect('cause' in new ClstrError('TIMEOUT', 'late')).toBe(false);
  });

  test('is an Error with a stack that names it', () => {
    const error = new ClstrError('TIMEOUT', 'late');
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('ClstrError: late');
  });
});

describe('ActorError', () => {
  test('is executed, not retryable, under a code of its own', () => {
    const error = new ActorError('NO_SUCH_USER', 'who?', { id: '5' });
    expect(error).toMatchObject({
      name: 'ActorError',
      code: 'ACTOR_ERROR',
      actorCode: 'NO_SUCH_USER',
      message: 'who?',
      details: { id: '5' },
      outcome: 'executed',
      retryable: false,
    });
    expect(isClstrError(error, 'ACTOR_ERROR')).toBe(true);
  });
});

describe('isClstrError', () => {
  test('knows an error of another copy of the package by its name', () => {
    class ClstrErrorElsewhere extends Error {
      override name = 'ClstrError';
      readonly code = 'TIMEOUT';
    }
    expect(isClstrError(new ClstrErrorElsewhere('late'))).toBe(true);
    expect(isClstrError(new ClstrErrorElsewhere('late'), 'TIMEOUT')).toBe(true);
    expect(isClstrError(new ClstrErrorElsewhere('late'), 'ABORTED')).toBe(false);
  });

  test.each([
    undefined,
    null,
    'TIMEOUT',
    { name: 'ClstrError', code: 'TIMEOUT' },
    new Error('x'),
    new TypeError('x'),
  ])('is false for %s', (value) => {
    expect(isClstrError(value)).toBe(false);
  });
});

test.each(['', 'timeout', 'toString', '__proto__', 'constructor'])('"%s" is not an error code', (text) => {
  expect(isErrorCode(text)).toBe(false);
});

describe('a disposition', () => {
  test('is put on the error itself, which stays the same', () => {
    const error = new ClstrError('OVERLOADED', 'full');
    expect(dispositionOf(error)).toBeUndefined();
    expect(asRefusal(error)).toBe(error);
    expect(dispositionOf(error)).toBe('refusal');
    expect(forCaller(error)).toBe(error);
    expect(dispositionOf(error)).toBe('for-caller');
  });

  test('shows neither in JSON nor among the keys', () => {
    const error = asRefusal(new ClstrError('OVERLOADED', 'full'));
    const plain = new ClstrError('OVERLOADED', 'full');
    expect(Object.keys(error)).toEqual(Object.keys(plain));
    expect(JSON.stringify(error)).toBe(JSON.stringify(plain));
  });
});
describe('for people and logs', () => {
  const cause = new Error('socket closed');
  const error = new ClstrError('TIMEOUT', 'no reply', { details: { cents: 5n, at: new Date(0) }, cause });

  test('JSON.stringify gives all but the stack, and never throws', () => {
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'ClstrError',
      code: 'TIMEOUT',
      message: 'no reply',
      outcome: 'unknown',
      retryable: false,
      details: { cents: '[BigInt 5]', at: '1970-01-01T00:00:00.000Z' },
      cause: '[Error: socket closed]',
    });
    expect(JSON.parse(JSON.stringify({ list: [new ActorError('NO', 'none left')] }))).toEqual({
      list: [
        {
          name: 'ActorError',
          code: 'ACTOR_ERROR',
          actorCode: 'NO',
          message: 'none left',
          outcome: 'executed',
          retryable: false,
        },
      ],
    });
    const circular = new ClstrError('TIMEOUT', 'a');
    Object.assign(circular, { cause: circular });
    expect(JSON.stringify(circular)).toContain('[ClstrError: a]');
  });

  test('util.inspect shows the message first, then what the error holds', () => {
    const text = inspect(new ClstrError('TIMEOUT', 'no reply', { details: { shard: 5 }, cause }));
    expect(text).toMatch(/^ClstrError: no reply\n/);
    for (const part of ["code: 'TIMEOUT'", "outcome: 'unknown'", 'shard: 5', '[cause]: Error: socket closed'])
      expect(text).toContain(part);
    expect(inspect(new ActorError('NO', 'none left'))).toContain("actorCode: 'NO'");
  });
});
