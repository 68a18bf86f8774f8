import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeShortText,
  decodeText,
  decodeTextLossy,
  encodeText,
  hasLoneSurrogate,
  maxUtf8Bytes,
  writeText,
} from '../../src/base/bytes.ts';

/** Text with and without a UTF-8 form, of all lengths around the one where the loop gives way to the encoder. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'binary-ascii', minLength: 20, maxLength: 28 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 })
    .map((units) => String.fromCharCode(...units)),
);

describe('text', () => {
  test('that is well formed comes back from its bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(decodeText(encodeText(text))).toBe(text);
        expect(decodeTextLossy(encodeText(text))).toBe(text);
      }),
    );
  });

  test('keeps a byte order mark', () => {
    expect(decodeText(Uint8Array.from([0xef, 0xbb, 0xbf, 0x61]))).toBe('\ufeffa');
    expect(decodeTextLossy(Uint8Array.from([0xef, 0xbb, 0xbf, 0x61]))).toBe('\ufeffa');
  });

  test.each([
    [[0xff]],
    [[0xc0, 0x80]],
    [[0xed, 0xa0, 0x80]],
    [[0xf5, 0x80, 0x80, 0x80]],
    [[0x61, 0xe2, 0x82]],
  ])('cannot be read from the bytes %j', (bytes) => {
    expect(() => decodeText(Uint8Array.from(bytes))).toThrow(TypeError);
    expect(decodeTextLossy(Uint8Array.from(bytes))).toContain('\ufffd');
  });
});

describe('decodeShortText', () => {
  const attempt = (decode: () => string): string => {
    try {
      return decode();
    } catch (error) {
      return (error as Error).name;
    }
  };

  test('reads what the decoder reads, between any two offsets, and refuses what it refuses', () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      anyText.map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), anyBytes, (before, own) => {
        const bytes = Uint8Array.from([...before, ...own, 0xff]);
        const [start, end] = [before.length, before.length + own.length];
        expect(attempt(() => decodeShortText(bytes, start, end))).toBe(attempt(() => decodeText(own)));
      }),
    );
  });
});

describe('writeText', () => {
  test('writes the bytes of the encoder at the offset, and nothing beyond the room it needs', () => {
    fc.assert(
      fc.property(anyText, fc.nat({ max: 10 }), (text, offset) => {
        const room = maxUtf8Bytes(text);
        const target = new Uint8Array(offset + room + 5).fill(0xaa);
        const written = writeText(text, target, offset);
        const expected = encodeText(text);
        expect(written).toBe(expected.length);
        expect(written).toBeLessThanOrEqual(room);
        expect(target.subarray(offset, offset + written)).toEqual(expected);
        for (const byte of target.subarray(0, offset)) expect(byte).toBe(0xaa);
        for (const byte of target.subarray(offset + room)) expect(byte).toBe(0xaa);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each(['\u007f', '\u0080', '\u07ff', '\u0800', '\uffff', '\u{10000}'])(
    'writes %j, at an edge between lengths of UTF-8',
    (text) => {
      const target = new Uint8Array(20);
      expect(writeText(`a${text}`, target, 0)).toBe(encodeText(text).length + 1);
      expect(decodeText(target.subarray(1, 1 + encodeText(text).length))).toBe(text);
    },
  );

  test.each([23, 24, 25])('writes %s characters, plain and with the last one beyond ASCII', (length) => {
    for (const text of ['x'.repeat(length), `${'x'.repeat(length - 1)}ж`]) {
      const target = new Uint8Array(100);
      const written = writeText(text, target, 3);
      expect(decodeText(target.subarray(3, 3 + written))).toBe(text);
    }
  });
});

test('hasLoneSurrogate finds exactly the text that UTF-8 cannot carry', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(hasLoneSurrogate(text)).toBe(decodeText(encodeText(text)) !== text);
    }),
    { numRuns: 1_000 },
  );
  expect(['🦆', '\ud83e', '\udd86', '\udd86\ud83e', ''].map(hasLoneSurrogate)).toEqual([
    false,
    true,
    true,
    true,
    false,
  ]);
});
