import fc from 'fast-check';
import { describe as group, expect, test } from 'vitest';
import { describe, printable } from '../../src/base/describe.ts';
import { ActorError, ClstrError } from '../../src/base/errors.ts';
import { errorFromRecord } from '../../src/wire/error-record.ts';
import { safeLogger } from '../../src/base/observers.ts';
import { recordLog } from '@clstr/testing/internal';

/** Written apart from the source: what ends a line, drives a terminal, or shows as something else than it is. */
const HARMFUL =
  /[\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\ufff0-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const EVIL = 'k\nFAKE LINE level=error admin logged in\r\u001b[31m\u009b31m\u202e\u2066\u2028\u200b\ud800';

test.each([
  ['a', '"a"'],
  ['"', '"\\""'],
  ['x'.repeat(65), `"${'x'.repeat(64)}…"`],
  [[1], 'an array'],
  [{}, 'an object'],
  [() => 5, 'a function'],
  [null, 'null'],
  [undefined, 'undefined'],
  [5n, '5'],
  [NaN, 'NaN'],
  [Symbol('a'), 'Symbol(a)'],
  [Symbol('a\n'), 'Symbol(a\\u000a)'],
  [10n ** 100n, `1${'0'.repeat(63)}…`],
  ['\u009b\u202e\u2028', '"\\u009b\\u202e\\u2028"'],
  [`${'x'.repeat(63)}😀`, `"${'x'.repeat(63)}\\ud83d…"`],
])('describe says %s in short', (value, text) => {
  expect(describe(value)).toBe(text);
});

group('a printable text', () => {
  test.each([
    ['plain text stays', 'plain text stays'],
    ['größer, 東京, שלום, 😀', 'größer, 東京, שלום, 😀'],
    ['a\nb\tc', 'a\\u000ab\\u0009c'],
    ['\u001b[31m \u009b31m', '\\u001b[31m \\u009b31m'],
    ['\u202eabc\u2066\u200e', '\\u202eabc\\u2066\\u200e'],
    ['a\u00a0b\u3000c', 'a\\u00a0b\\u3000c'],
    ['a\u200bb\u2028\u2029', 'a\\u200bb\\u2028\\u2029'],
    ['\ud800x\udfff', '\\ud800x\\udfff'],
    ['\u{e0041}', '\\u{e0041}'],
  ])('%j is %s', (text, shown) => {
    expect(printable(text)).toBe(shown);
    expect(printable(shown)).toBe(shown);
  });

  test('is cut', () => {
    expect(printable('x'.repeat(5_000))).toBe(`${'x'.repeat(4_096)}…`);
    expect(printable('abc', 2)).toBe('ab…');
  });

  test('holds nothing harmful, whatever it was made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), (units, graphemes) => {
        for (const text of [units, graphemes, units.slice(1), EVIL + units]) {
          expect(printable(text)).not.toMatch(HARMFUL);
          expect(describe(text)).not.toMatch(HARMFUL);
        }
      }),
    );
    // The tables of graphemes alone take seconds to make.
  }, 60_000);
});

group('whatever quotes foreign text,', () => {
  test('the message of an error is one printable line, here and from a peer', () => {
    const record = { code: 'INTERNAL', message: EVIL, outcome: 'unknown', retryable: false };
    const errors = [
      new ClstrError('TIMEOUT', EVIL),
      new ActorError('A', EVIL),
      errorFromRecord(record),
      errorFromRecord({ ...record, code: 'ACTOR_ERROR', actorCode: 'A' }),
      errorFromRecord({ ...record, code: EVIL }),
    ];
    for (const error of errors) {
      expect(error.message).not.toMatch(HARMFUL);
      expect(error.stack?.split('\n')[0] ?? '').not.toMatch(HARMFUL);
    }
  });

  test('the codes that a peer makes up are printable and cut', () => {
    const long = EVIL.repeat(100);
    const texts = [
      (errorFromRecord({ code: 'ACTOR_ERROR', actorCode: long, message: '' }) as ActorError).actorCode,
      errorFromRecord({ code: long, message: '' }).details!['code'] as string,
    ];
    for (const text of texts) {
      expect(text).not.toMatch(HARMFUL);
      expect(text.length).toBeLessThan(2_000);
    }
  });

  test('a long text of a peer is cut', () => {
    const { message } = errorFromRecord({ code: 'INTERNAL', message: 'x'.repeat(1_000_000) });
    expect(message).toHaveLength(4_097);
  });

  test('a log line is one printable line, and its fields are the caller’s own', () => {
    const log = recordLog();
    const fields = { key: EVIL };
    for (const level of ['debug', 'info', 'warn', 'error'] as const) safeLogger(log)[level](fields, EVIL);
    safeLogger(log).warn(fields);
    expect(log.lines).toHaveLength(5);
    for (const line of log.lines) {
      expect(line.message ?? '').not.toMatch(HARMFUL);
      expect(line.fields).toEqual(fields);
    }
  });
});
