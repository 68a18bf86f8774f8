import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorFromRecord, errorToRecord, shortError } from '../../src/wire/error-record.ts';
import { ActorError, ClstrError, ERROR_CODES } from '../../src/base/errors.ts';
import type { ErrorCode, Outcome } from '../../src/base/errors.ts';

const overTheWire = (error: ClstrError): ClstrError =>
  errorFromRecord(JSON.parse(JSON.stringify(errorToRecord(error))));

describe('an error', () => {
  test('comes back from its record as it was', () => {
    const details = fc.option(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), {
      nil: undefined,
    });
    const outcomes = fc.constantFrom<Outcome>('executed', 'not-executed', 'unknown');
    const codes = fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[]));
    fc.assert(
      fc.property(codes, fc.string({ unit: 'grapheme' }), outcomes, fc.boolean(), details, (...given) => {
        const [code, message, outcome, retryable, values] = given;
        const error = new ClstrError(code, message, { outcome, retryable, details: values });
        const read = overTheWire(error);
        expect([read.code, read.message, read.outcome, read.retryable]).toEqual([
          code,
          error.message,
          outcome,
          retryable,
        ]);
        expect(read.details).toEqual(values === undefined ? undefined : JSON.parse(JSON.stringify(values)));
      }),
    );
  });

  test('thrown as an ActorError comes back as one', () => {
    const read = overTheWire(new ActorError('NO_SUCH_USER', 'who?', { id: '5' }));
    expect(read).toBeInstanceOf(ActorError);
    expect(read).toMatchObject({ actorCode: 'NO_SUCH_USER', message: 'who?', details: { id: '5' } });
  });

  test('leaves its stack and cause behind', () => {
    const error = new ClstrError('TIMEOUT', 'late', { cause: new Error('secret') });
    expect(Object.keys(errorToRecord(error))).toEqual(['code', 'message', 'outcome', 'retryable']);
    expect(JSON.stringify(errorToRecord(error))).not.toContain('secret');
  });

  test.each([
    ['a BigInt', { n: 5n }],
    [
      'a cycle',
      (() => {
        const cycle: Record<string, unknown> = {};
        cycle['self'] = cycle;
        return cycle;
      })(),
    ],
    [
      'a toJSON that throws',
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
    ],
    ['a toJSON that returns nothing', { toJSON: () => undefined }],
    [
      'a getter that throws',
      Object.defineProperty({}, 'a', {
        enumerable: true,
        get: () => {
          throw new Error('gone');
        },
      }),
    ],
    [
      'what JSON empties',
      { m: new Map([[1, 2]]), s: new Set(), n: NaN, e: new Error('inner'), u: new Uint8Array(3) },
    ],
    ['what JSON drops', { f: () => 1, y: Symbol('y'), p: Promise.resolve(), r: /x/, kept: [1, 'a', null] }],
    ['16,385 characters of JSON', { text: 'x'.repeat(16_385 - '{"text":""}'.length) }],
  ])('arrives with a mark in place of %s', (name, details) => {
    const record = errorToRecord(new ClstrError('TIMEOUT', 'late', { details }));
    expect(JSON.parse(JSON.stringify(record.details))).toEqual(MARKED[name]);
  });

  test('arrives although its details are nested without end', () => {
    let details: Record<string, unknown> = {};
    for (let i = 0; i < 100_000; i++) details = { details };
    const text = JSON.stringify(errorToRecord(new ClstrError('TIMEOUT', 'late', { details })));
    expect(text).toContain('[nested too deep]');
  });

  test('keeps details of 16,384 characters of JSON', () => {
    const details = { text: 'x'.repeat(16_384 - '{"text":""}'.length) };
    expect(errorToRecord(new ClstrError('TIMEOUT', 'late', { details })).details).toEqual(details);
  });

  test('arrives with the first 256 characters of its actorCode', () => {
    const record = errorToRecord(new ActorError(`${'C'.repeat(256)}D`, 'm'));
    expect(record.actorCode).toBe('C'.repeat(256));
  });

  test('arrives with the first 4,096 characters of its message', () => {
    const message = errorToRecord(new ClstrError('TIMEOUT', `${'x'.repeat(4_096)}y`)).message;
    expect(message).toBe('x'.repeat(4_096));
  });
});

describe('an ACTOR_ERROR that is not an ActorError', () => {
  test('has a record all the same: without one its caller would wait for ever', () => {
    const error = new ClstrError('ACTOR_ERROR', 'm');
    expect(errorToRecord(error)).toEqual({
      code: 'ACTOR_ERROR',
      message: 'm',
      outcome: 'executed',
      retryable: false,
    });
    expect(errorToRecord(errorFromRecord(errorToRecord(error)))).toEqual(errorToRecord(error));
  });
});

describe('shortError', () => {
  test('keeps what programs decide by', () => {
    const error = new ClstrError('TIMEOUT', 'm', { outcome: 'executed', retryable: true, details: { a: 1 } });
    const short = shortError(error);
    expect(errorToRecord(short)).toEqual({
      code: 'TIMEOUT',
      message: expect.stringContaining('larger than the transport carries'),
      outcome: 'executed',
      retryable: true,
    });
  });

  test('keeps the code of an ActorError', () => {
    const short = shortError(new ActorError('NO_SUCH_USER', 'x'.repeat(5_000), { id: '5' }));
    expect(errorToRecord(short)).toMatchObject({ code: 'ACTOR_ERROR', actorCode: 'NO_SUCH_USER' });
    expect(short.message.length).toBeLessThan(100);
  });
});

describe('a record', () => {
  test.each([undefined, null, 5, 'TIMEOUT', [], {}])(
    'of the form %j is INTERNAL, outcome unknown',
    (record) => {
      expect(errorFromRecord(record)).toMatchObject({
        code: 'INTERNAL',
        outcome: 'unknown',
        retryable: false,
        message: 'the peer sent an error without a message',
        details: { code: 'undefined' },
      });
    },
  );

  test.each(['A_LATER_CODE', '__proto__', 'toString', 5, null])(
    'with the code %j is INTERNAL, keeps its outcome and details, and is never retryable',
    (code) => {
      const record = { code, message: 'm', outcome: 'not-executed', retryable: true, details: { a: 1 } };
      expect(errorFromRecord(record)).toMatchObject({
        code: 'INTERNAL',
        message: 'm',
        outcome: 'not-executed',
        retryable: false,
        details: { a: 1, code: String(code) },
      });
    },
  );

  test('with an unknown outcome or retryability gets those of its code', () => {
    const record = { code: 'OVERLOADED', message: 'm', outcome: 'perhaps', retryable: 'yes' };
    expect(errorFromRecord(record)).toMatchObject({ outcome: 'not-executed', retryable: true });
  });

  test.each([[5], ['text'], [null], [[1, 2]]])('with the details %j has none', (details) => {
    expect(errorFromRecord({ code: 'TIMEOUT', message: 'm', details }).details).toBeUndefined();
  });

  test('of an ActorError without its code is a plain error', () => {
    const read = errorFromRecord({ code: 'ACTOR_ERROR', message: 'm', actorCode: 5 });
    expect(read).not.toBeInstanceOf(ActorError);
    expect(read.code).toBe('ACTOR_ERROR');
  });

  test('cannot change Object.prototype', () => {
    const text =
      '{"code":"X","message":"m","details":{"__proto__":{"polluted":1}},"__proto__":{"polluted":1}}';
    errorFromRecord(JSON.parse(text));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

/** What is left of details that JSON cannot carry. */
const MARKED: Readonly<Record<string, unknown>> = {
  'a BigInt': { n: '[BigInt 5]' },
  'a cycle': { self: '[circular]' },
  'a toJSON that throws': { dropped: '"[unreadable: no]"' },
  'a toJSON that returns nothing': { dropped: 'undefined' },
  'a getter that throws': { dropped: '"[unreadable: gone]"' },
  'what JSON empties': {
    m: '[Map of 1]',
    s: '[Set of 0]',
    n: '[NaN]',
    e: '[Error: inner]',
    u: '[Uint8Array of 3 bytes]',
  },
  'what JSON drops': { f: '[function]', y: '[symbol]', p: '[Promise]', r: '[RegExp]', kept: [1, 'a', null] },
  '16,385 characters of JSON': { dropped: 'details of 16385 characters, more than 16384' },
};
