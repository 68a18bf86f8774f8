import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonCodec } from '../../src/wire/codec.ts';
import { isHeavyJson } from '../../src/wire/json-weight.ts';

/** Counted on the value, in place of the text. */
function partsOf(value: unknown): { containers: number; members: number } {
  if (typeof value !== 'object' || value === null) return { containers: 0, members: 0 };
  const inner = Object.values(value).map(partsOf);
  const sum = (of: 'containers' | 'members'): number => inner.reduce((all, part) => all + part[of], 0);
  return {
    containers: 1 + sum('containers'),
    members: (Array.isArray(value) ? 0 : inner.length) + sum('members'),
  };
}

describe('the weight of a JSON text', () => {
  test('is that of its arrays, objects and members, whatever its strings hold', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        const { containers, members } = partsOf(value);
        const bounds = { containers, members };
        expect(isHeavyJson(text, bounds)).toBe(false);
        if (containers > 0) expect(isHeavyJson(text, { ...bounds, containers: containers - 1 })).toBe(true);
        if (members > 0) expect(isHeavyJson(text, { ...bounds, members: members - 1 })).toBe(true);
      }),
    );
  });

  test.each([
    ['a quote behind one backslash', '["\\"[[[[", 1]', 1],
    ['a quote behind two', '["\\\\",[]]', 2],
    ['a string that does not end', '["[[[[', 1],
  ])('sees where a string ends: %s', (_name, text, containers) => {
    expect(isHeavyJson(text, { containers, members: 0 })).toBe(false);
    if (containers > 1) expect(isHeavyJson(text, { containers: containers - 1, members: 0 })).toBe(true);
  });
});

describe('a payload of JSON', () => {
  const heavy = `[${new Array(100_000).fill('[]').join()}]`;

  test('with more than 100,000 arrays and objects is not parsed', () => {
    expect(() => jsonCodec.decodeText!(heavy)).toThrow('more than 100000 arrays and objects');
    expect(() => jsonCodec.decode(new TextEncoder().encode(heavy))).toThrow('more than 100000');
    expect(() => jsonCodec.decodeText!('['.repeat(1_000_000))).toThrow('more than 100000');
  });

  test('is not sent either, and one less is', () => {
    const value = JSON.parse(heavy) as unknown[];
    expect(() => jsonCodec.encode(value)).toThrow('send it in parts');
    expect(jsonCodec.decodeText!(jsonCodec.encode(value.slice(1)) as string)).toHaveLength(99_999);
  });
});
