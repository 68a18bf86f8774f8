import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isHashed, keyOf, tokenOf } from '../src/key-token.ts';

const PLAIN = /^[A-Za-z0-9_\-:@/=]{1,200}$/;
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 });

describe('the token of a key', () => {
  test.each([
    ['customer-17', 'customer-17'],
    ['eu/orders:7@shop', 'eu/orders:7@shop'],
    ['a.b', 'a=2Eb'],
    ['*', '=2A'],
    ['>', '=3E'],
    ['a b', 'a=20b'],
    ['\0', '=00'],
    ['a=2Eb', 'a=3D2Eb'],
    ['ä', '=C3=A4'],
    ['🦆', '=F0=9F=A6=86'],
    ['=h0123', '=3Dh0123'],
  ])('of %j is %s', (key, token) => {
    expect(tokenOf(key)).toBe(token);
    expect([keyOf(token), isHashed(token)]).toEqual([key, false]);
  });

  test('is one plain token of at most 200 characters, from which the key comes back unless it is a hash', () => {
    fc.assert(
      fc.property(text, (key) => {
        const token = tokenOf(key);
        expect(token).toMatch(PLAIN);
        if (isHashed(token)) expect(token).toMatch(/^=h[0-9a-f]{32}$/);
        else expect(keyOf(token)).toBe(key);
      }),
    );
  });

  test('is another for another key', () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(tokenOf(one) === tokenOf(other)).toBe(one === other);
      }),
    );
  });

  test('is a hash where the key would be too long', () => {
    expect(tokenOf('x'.repeat(200))).toBe('x'.repeat(200));
    expect(tokenOf('x'.repeat(201))).toMatch(/^=h[0-9a-f]{32}$/);
    expect(tokenOf('.'.repeat(66))).toHaveLength(198);
    expect(tokenOf('.'.repeat(67))).toMatch(/^=h/);
    expect(tokenOf(`${'x'.repeat(65_535)}1`)).not.toBe(tokenOf(`${'x'.repeat(65_535)}2`));
  });

  test.each(['', '\uD83E', `${'x'.repeat(300)}\uDD86`])('is refused for %j, which is not text', (key) => {
    expect(() => tokenOf(key)).toThrow(/is not text that a store can hold$/);
  });

  test('that clstr never makes is not read as a key', () => {
    expect(() => keyOf('=FF')).toThrow(TypeError);
  });
});
