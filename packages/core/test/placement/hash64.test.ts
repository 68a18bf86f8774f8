import { describe, expect, test } from 'vitest';
import { blake2bModule } from '../../src/placement/blake2b-wasm.ts';
import { hash64, hashSeries } from '../../src/placement/hash64.ts';
import { NOBLE_HASH } from '../../src/placement/noble-hash.ts';
import type { TextHash } from '../../src/placement/text-hash.ts';
import { wasmApi, wasmHash } from '../../src/placement/wasm-hash.ts';
import { goVectors } from '../vectors.ts';

const WASM = wasmHash(wasmApi())!;
const HALF_PAIRS = ['\ud800', 'a\ud800', '\udc00b', '\ud83d\ud83d\ude00', `${'a'.repeat(127)}\ud800`];
const HOSTILE = [
  '',
  '\0',
  'a\0b',
  '\0'.repeat(128),
  '\u007f',
  '\u0080',
  '\ufffd',
  '\u{10ffff}',
  ...HALF_PAIRS,
  'x'.repeat(10_240),
  'é'.repeat(10_240),
  '\u{1f600}'.repeat(10_240),
  // Around the end of a block, of one byte and of two for each character.
  ...[127, 128, 129, 255, 256, 257].flatMap((length) => ['a'.repeat(length), 'é'.repeat(length / 2)]),
];

/** Shards 0 to `count - 1` of a node, as placement scores them. */
function scores(by: Pick<TextHash, 'hashSeries'>, head: string, tail: string, count: number) {
  const series = { head, tail, high: new Uint32Array(count), low: new Uint32Array(count) };
  by.hashSeries(series);
  return Array.from(series.high, (high, n) => ({ high, low: series.low[n]! }));
}

describe.each([
  ['in WebAssembly', WASM],
  ['in JavaScript', NOBLE_HASH],
])('BLAKE2b with digest size 8 %s', (_, by) => {
  test('gives the shards of the Go implementation', () => {
    const wrong = goVectors().shardFromString.filter(({ key, numShards, seed, shard }) => {
      const { high, low } = by.hash(seed === '' ? key : `${seed}\0${key}`);
      return Number(((BigInt(high) << 32n) | BigInt(low)) % BigInt(numShards)) !== shard;
    });
    expect(wrong).toEqual([]);
  });

  test('hashes U+FFFD in place of half a surrogate pair', () => {
    const repaired = HALF_PAIRS.map((text) => new TextDecoder().decode(new TextEncoder().encode(text)));
    expect(HALF_PAIRS.map((text) => by.hash(text))).toEqual(repaired.map((text) => by.hash(text)));
  });

  test('remembers nothing of the text before', () => {
    const first = HOSTILE.map((text) => by.hash(text));
    const last = [...HOSTILE].reverse().map((text) => by.hash(text));
    expect(last.reverse()).toEqual(first);
  });

  test.each([
    ['shard:', '\0node', 1],
    ['shard:', '\0node', 1_001],
    ['seed\0shard:', '\0a-node-whose-id-takes-the-texts-to-the-end-of-a-block-'.padEnd(114, 'x'), 101],
    ['seed\0shard:', '\0a-node-whose-id-takes-the-texts-beyond-the-end-of-a-block'.padEnd(115, 'x'), 101],
    ['ключ\0shard:', '\0узел \ud800', 12],
    ['shard:', '\0node', 0],
  ])('hashes the series %j, number, %j of %i as it hashes each text', (head, tail, count) => {
    const texts = Array.from({ length: count }, (_, n) => `${head}${n}${tail}`);
    by.hash('x'.repeat(128));
    expect(scores(by, head, tail, count)).toEqual(texts.map((text) => by.hash(text)));
  });
});

describe('the hash in WebAssembly equals that in JavaScript', () => {
  test('for hostile texts', () => {
    expect(HOSTILE.map((text) => WASM.hash(text))).toEqual(HOSTILE.map((text) => NOBLE_HASH.hash(text)));
  });

  test('for 20,000 texts at random', () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const wrong = randomTexts(seed, 20_000).filter((text) => {
      const [mine, other] = [WASM.hash(text), NOBLE_HASH.hash(text)];
      return mine.high !== other.high || mine.low !== other.low;
    });
    expect(wrong, `seed ${seed}`).toEqual([]);
  });
});

describe('the hash that is used', () => {
  test('is the one in WebAssembly where there is one, and equals the other', () => {
    expect(hash64('user-123')).toEqual(NOBLE_HASH.hash('user-123'));
    expect(scores({ hashSeries }, 'shard:', '\0a', 20)).toEqual(scores(NOBLE_HASH, 'shard:', '\0a', 20));
  });

  test('is the one in JavaScript where there is no WebAssembly, or it is forbidden', () => {
    expect(wasmHash(undefined)).toBeUndefined();
    expect(wasmHash({ ...wasmApi()!, Module: Forbidden })).toBeUndefined();
  });

  test('takes a module below 4 kB, which every browser compiles without waiting', () => {
    expect(blake2bModule().length).toBeLessThan(4_096);
  });
});

/** As a content security policy without `wasm-unsafe-eval` has it. */
class Forbidden {
  constructor() {
    throw new Error('Wasm code generation disallowed by embedder');
  }
}

/** Of ASCII, of any UTF-16 units and of any characters, of up to 150 of them. */
function randomTexts(seed: number, count: number): string[] {
  let state = seed;
  // Numerical Recipes' linear congruence: its high bits are random enough.
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const letters = [
    () => String.fromCharCode(below(0x80)),
    () => String.fromCharCode(below(0x1_0000)),
    () => String.fromCodePoint(below(0x11_0000)),
  ];
  return Array.from({ length: count }, () => {
    const letter = letters[below(letters.length)]!;
    return Array.from({ length: below(151) }, letter).join('');
  });
}
