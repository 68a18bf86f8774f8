import { describe, expect, test } from 'vitest';
import {
  NO_HEADERS,
  checkCallerType,
  checkKey,
  checkType,
  copyHeaders,
  envelopeLimits,
} from '../../src/wire/envelope.ts';

const refusal = (code: string, text: string | RegExp = ''): unknown =>
  expect.objectContaining({ code, outcome: 'not-executed', message: expect.stringMatching(text) });

describe('checkType', () => {
  test.each(['Get', 'user.get', 'Ж', '🦆', 'a b', 'x'.repeat(255), 'é'.repeat(127), 'clstr.node.info'])(
    'takes "%s"',
    (type) => {
      expect(() => {
        checkType(type);
      }).not.toThrow();
    },
  );

  test.each([undefined, null, 5, {}, '', 'a\nb', '\u0000', '\u007f', '\ud83e', 'a\udd86b'])(
    'refuses %j',
    (type) => {
      expect(() => {
        checkType(type);
      }).toThrow(refusal('INVALID_ENVELOPE', /must be a non-empty printable string/));
    },
  );

  test.each(['x'.repeat(256), 'é'.repeat(128)])('refuses more than 255 bytes', (type) => {
    expect(() => {
      checkType(type);
    }).toThrow(refusal('INVALID_ENVELOPE', /longer than 255 bytes/));
  });
});

describe('checkCallerType', () => {
  test('refuses the types of the framework, and only those', () => {
    for (const type of ['clstr.', 'clstr.node.info', 'clstr.x']) {
      expect(() => {
        checkCallerType(type);
      }).toThrow(refusal('INVALID_ENVELOPE', /reserved/));
    }
    for (const type of ['clstr', 'Clstr.x', 'my.clstr.x']) {
      expect(() => {
        checkCallerType(type);
      }).not.toThrow();
    }
  });

  test('refuses what checkType refuses', () => {
    expect(() => {
      checkCallerType('');
    }).toThrow(refusal('INVALID_ENVELOPE'));
  });
});

describe('checkKey', () => {
  test.each(['a', ' ', '\n', 'ключ', '🦆', 'x'.repeat(16), 'é'.repeat(8)])(
    'takes "%s" of 16 bytes at most',
    (key) => {
      expect(() => {
        checkKey(key, 16);
      }).not.toThrow();
    },
  );

  test.each([undefined, null, 5, {}, ''])('refuses %j as KEY_REQUIRED', (key) => {
    expect(() => {
      checkKey(key, 16);
    }).toThrow(refusal('KEY_REQUIRED', /must be a non-empty string/));
  });

  test.each(['\ud83e', 'a\udd86', '\udd86\ud83e'])('refuses half a surrogate pair, as in %j', (key) => {
    expect(() => {
      checkKey(key, 16);
    }).toThrow(refusal('KEY_REQUIRED', /half a surrogate pair/));
  });

  test('counts bytes, not characters', () => {
    expect(() => {
      checkKey('é'.repeat(9), 16);
    }).toThrow(refusal('INVALID_ENVELOPE', /has 18 bytes, more than 16 \(maxKeyBytes\)/));
  });
});

describe('copyHeaders', () => {
  test('copies, without a prototype', () => {
    const given = { 'trace-id': 't', språk: 'nynorsk', empty: '' };
    const copy = copyHeaders(given)!;
    expect({ ...copy }).toEqual(given);
    expect(copy).not.toBe(given);
    expect(Object.getPrototypeOf(copy)).toBeNull();
  });

  test('keeps names that objects would treat specially as plain names', () => {
    const copy = copyHeaders(JSON.parse('{"__proto__":"a","constructor":"b"}'))!;
    expect(Object.entries(copy)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });

  test('makes undefined of no headers', () => {
    expect([copyHeaders(undefined), copyHeaders({}), copyHeaders(NO_HEADERS)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test.each([null, 5, 'a', true])('refuses %j', (headers) => {
    expect(() => copyHeaders(headers)).toThrow(refusal('INVALID_ENVELOPE', /headers must be an object/));
  });

  test('refuses a list', () => {
    expect(() => copyHeaders(['a'])).toThrow(refusal('INVALID_ENVELOPE', /got an array/));
  });

  test.each([
    [{ '': 'a' }, /header name/],
    [{ 'a\nb': 'a' }, /header name/],
    [{ '\ud83e': 'a' }, /header name/],
    [{ a: 5 }, /header "a" must be a string, got 5/],
    [{ a: undefined }, /header "a" must be a string/],
    [{ a: 'x\r\ny: z' }, /control character/],
    [{ a: '\udd86' }, /half a surrogate pair/],
  ])('refuses %j', (headers, message) => {
    expect(() => copyHeaders(headers)).toThrow(refusal('INVALID_ENVELOPE', message));
  });

  test.each(['x-clstr-', 'x-clstr-key', 'X-Clstr-Key', 'X-CLSTR-ANYTHING'])('refuses the name %s', (name) => {
    expect(() => copyHeaders({ a: 'b', [name]: 'c' })).toThrow(refusal('RESERVED_HEADER', /reserved/));
  });

  test.each(['x-clstr', 'x-cluster-key', 'key', 'my-x-clstr-key'])('takes the name %s', (name) => {
    expect(copyHeaders({ [name]: 'c' })).toBeDefined();
  });

  test('takes 64 headers and refuses 65', () => {
    const many = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, 'v']));
    expect(Object.keys(copyHeaders(many(envelopeLimits.maxHeaders))!)).toHaveLength(64);
    expect(() => copyHeaders(many(65))).toThrow(refusal('INVALID_ENVELOPE', /65 headers are more than 64/));
  });

  test('takes 16,384 bytes of names and values together and refuses one more', () => {
    const ofBytes = (bytes: number): Record<string, string> => ({ é: 'x'.repeat(bytes - 2) });
    expect(copyHeaders(ofBytes(envelopeLimits.maxHeaderBytes))).toBeDefined();
    expect(() => copyHeaders(ofBytes(16_385))).toThrow(refusal('INVALID_ENVELOPE', /take 16385 bytes/));
  });
});

test('NO_HEADERS is frozen and has no prototype', () => {
  expect(Object.isFrozen(NO_HEADERS)).toBe(true);
  expect('toString' in NO_HEADERS).toBe(false);
});

test('the limits are frozen', () => {
  expect(Object.isFrozen(envelopeLimits)).toBe(true);
});
