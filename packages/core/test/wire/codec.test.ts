import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Codec } from '../../src/wire/codec.ts';
import { bytesCodec, decodePayload, encodePayload, isRawPayload, jsonCodec } from '../../src/wire/codec.ts';

const bytesOf = (payload: string | Uint8Array): Uint8Array =>
  typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;

describe('jsonCodec', () => {
  test('gives back any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(jsonCodec.decode(bytesOf(jsonCodec.encode(value)))).toEqual(plain);
      }),
    );
  });

  test.each([() => 5, Symbol('a'), 5n, new Map(), [NaN]])('refuses %s, which JSON would lose', (value) => {
    expect(() => jsonCodec.encode(value)).toThrow(TypeError);
  });

  test('refuses a value whose toJSON() leaves nothing', () => {
    expect(() => jsonCodec.encode({ toJSON: () => undefined })).toThrow('its toJSON() returns nothing');
  });

  test.each([[[0x7b]], [[0x22, 0xff, 0x22]], [[]]])('refuses the bytes %j', (bytes) => {
    expect(() => jsonCodec.decode(Uint8Array.from(bytes))).toThrow();
  });

  test.each(['{', '1 2', ''])('refuses the text %j', (text) => {
    expect(() => jsonCodec.decodeText!(text)).toThrow(SyntaxError);
  });

  test('cannot change Object.prototype', () => {
    jsonCodec.decode(bytesOf('{"__proto__":{"polluted":1}}'));
    jsonCodec.decodeText!('{"__proto__":{"polluted":1}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('bytesCodec', () => {
  test('carries bytes and undefined, and refuses anything else with a reason', () => {
    const bytes = Uint8Array.of(1, 2);
    expect(encodePayload(bytesCodec, bytes)).toEqual(bytes);
    expect(decodePayload(bytesCodec, encodePayload(bytesCodec, undefined), false)).toBeUndefined();
    expect(() => encodePayload(bytesCodec, { a: 1 })).toThrow(
      'codec bytes carries a Uint8Array or undefined, not an object',
    );
  });

  test('gives back bytes of their own, whoever marked them as raw', () => {
    const arrived = Uint8Array.of(1, 2);
    for (const isRaw of [true, false]) {
      const decoded = decodePayload(bytesCodec, arrived, isRaw) as Uint8Array;
      expect(decoded).toEqual(arrived);
      expect(decoded.buffer).not.toBe(arrived.buffer);
    }
  });
});

describe('a payload', () => {
  const shouting: Codec = {
    name: 'shouting',
    encode: (value) => String(value).toUpperCase(),
    decode: (bytes) => new TextDecoder().decode(bytes).toLowerCase(),
  };

  test('goes through the codec', () => {
    expect(encodePayload(shouting, 'abc')).toBe('ABC');
    expect(decodePayload(shouting, bytesOf('ABC'), false)).toBe('abc');
  });

  test('that came as text goes through as bytes, unless the codec takes text', () => {
    expect(decodePayload(shouting, 'ABC', false)).toBe('abc');
    const ofText: Codec = { ...shouting, decodeText: (text) => `text ${text}` };
    expect(decodePayload(ofText, 'ABC', false)).toBe('text ABC');
    expect(decodePayload(ofText, bytesOf('ABC'), false)).toBe('abc');
  });

  test.each(['', new Uint8Array(0)])('without a byte is undefined', (nothing) => {
    const ofText: Codec = { ...shouting, decodeText: (text) => `text ${text}` };
    expect(decodePayload(ofText, nothing, false)).toBeUndefined();
    expect(decodePayload(ofText, nothing, true)).toEqual(new Uint8Array(0));
  });

  test('of bytes goes around it, copied both ways', () => {
    const given = new Uint8Array([1, 2, 3]);
    expect(isRawPayload(given)).toBe(true);
    const encoded = encodePayload(shouting, given) as Uint8Array;
    given[0] = 9;
    expect([...encoded]).toEqual([1, 2, 3]);
    const decoded = decodePayload(shouting, encoded, true) as Uint8Array;
    encoded[0] = 9;
    expect([...decoded]).toEqual([1, 2, 3]);
  });

  test('of bytes is not a view of the chunk it arrived in, even when that is a Buffer', () => {
    const chunk = Buffer.from([7, 1, 2, 7]);
    const decoded = decodePayload(shouting, chunk.subarray(1, 3), true) as Uint8Array;
    expect(decoded.buffer).not.toBe(chunk.buffer);
    expect([decoded.constructor, ...decoded]).toEqual([Uint8Array, 1, 2]);
  });

  test('of no bytes stays a payload, where undefined is none', () => {
    expect(isRawPayload(undefined)).toBe(false);
    expect(encodePayload(shouting, undefined)).toHaveLength(0);
    expect(decodePayload(shouting, new Uint8Array(0), false)).toBeUndefined();
    expect(decodePayload(shouting, new Uint8Array(0), true)).toEqual(new Uint8Array(0));
  });

  test.each([null, '', 0, false, new ArrayBuffer(1), new Uint16Array(1), [1]])(
    'like %j is not raw',
    (value) => {
      expect(isRawPayload(value)).toBe(false);
    },
  );
});
