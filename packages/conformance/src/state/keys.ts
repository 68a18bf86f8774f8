/** Keys, spaces, shards, services and clusters: each text names one log, and shares it with no other. */
import { expect } from 'vitest';
import { PATIENT_MS, placeOf, readTexts, write } from './stage.ts';
import type { StateBehaviours } from './stage.ts';

/** Subjects, wildcards, quotes, paths, numbers, and names that objects have. */
const HOSTILE = [
  '.',
  '..',
  'a.b',
  'a.',
  '.a',
  '*',
  'a.*',
  '>',
  'a.>',
  '$JS.API.x',
  ' ',
  ' a ',
  '  ',
  '\t',
  '\r\n',
  '\n',
  '\0',
  'a\0',
  'a\0b',
  '\0a',
  '\u0001',
  '\u007F',
  '\uFFFD',
  '\uFEFFa',
  '/',
  '../../a',
  '\\',
  '\\x00',
  'C:\\a',
  "'",
  '"',
  "a'; DROP TABLE a; --",
  '{}',
  '[1]',
  '0',
  '00',
  '-1',
  'NaN',
  'null',
  'undefined',
  '%',
  '%a%',
  '_',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
];
const ALIKE = [
  'a',
  'A',
  'ä',
  'a\u0308',
  'Ä',
  'ß',
  'ss',
  'SS',
  'İ',
  'i',
  'ı',
  'ﬁ',
  'fi',
  'Å',
  '\u212B',
  '１',
  '1',
  '日本',
  '🦆',
  '🦆🦆',
  '𝒜',
  '\u{10FFFF}',
  '👩‍👩‍👧',
  '👩👩👧',
  '\u202Eab',
  'a\u200Bb',
  'ab',
];
/** What stores turn keys into; a key may look like that already. */
const ESCAPED = HOSTILE.slice(0, 12).flatMap((key) => {
  const bytes = Buffer.from(key);
  const hex = bytes.toString('hex');
  return [
    encodeURIComponent(key),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    hex,
    `\\x${hex}`,
    `=${hex.toUpperCase()}`,
    `%${hex.toUpperCase()}`,
    `_${hex}`,
    JSON.stringify(key),
    `sha256-${hex}`,
  ];
});
const LONG = [
  ...[10_000, 60_000].flatMap((length) => [`${'x'.repeat(length)}1`, `${'x'.repeat(length)}2`]),
  '€'.repeat(20_000),
  '€'.repeat(19_999),
  `${'🦆'.repeat(15_000)}a`,
  'y'.repeat(65_536),
];
const SPACES = ['a', 'A', 'a-1', 'a_1', '1', '-', '_', '__proto__', 'x'.repeat(64), 'x'.repeat(63)];

export const keys: StateBehaviours = {
  'keeps keys apart that look like subjects, wildcards, paths or code': (stage) => keepApart(stage, HOSTILE),
  'keeps keys apart that look alike': (stage) => keepApart(stage, ALIKE),
  'keeps keys apart that look like the escaped form of others': (stage) =>
    keepApart(stage, [...HOSTILE.slice(0, 12), ...ESCAPED]),
  'keeps keys of 10,000 to 65,536 bytes apart': (stage) => keepApart(stage, LONG),

  async 'keeps the shards of a key apart'(stage) {
    const store = await stage.store();
    const shards = [0, 1, 10, 11, 1_023, 65_535];
    for (const shard of shards) await write(store, placeOf('a', { shard }), 0, `in ${shard}`);
    for (const shard of shards)
      expect(await readTexts(store, placeOf('a', { shard }))).toEqual([`in ${shard}`]);
    // A separator must not make two places one.
    await write(store, placeOf('1.a', { shard: 1 }), 0, 'x');
    expect(await readTexts(store, placeOf('a', { shard: 1 }))).toEqual(['in 1']);
    expect(await readTexts(store, placeOf('1.1.a', { shard: 1 }))).toEqual([]);
  },

  async 'keeps spaces apart, also those that differ in case alone'(stage) {
    const store = await stage.store();
    for (const space of SPACES) await write(store, placeOf('a', { space }), 0, `in ${space}`);
    for (const space of SPACES) {
      const place = placeOf('a', { space });
      expect(await readTexts(store, place)).toEqual([`in ${space}`]);
      expect(await store.list(place, PATIENT_MS)).toMatchObject([{ key: 'a' }]);
    }
  },

  async 'keeps services and clusters apart'(stage) {
    const { cluster } = stage;
    // Services and clusters whose names a separator could make one.
    const stores = [
      await stage.store('shop'),
      await stage.store('Shop'),
      await stage.store('default'),
      await stage.store('shop', `${cluster}-b`),
      await stage.store('b-shop'),
      await stage.store('shop', `${cluster}_b`),
      await stage.store('b_shop'),
    ];
    for (const [i, store] of stores.entries()) await write(store, placeOf('a'), 0, `in ${i}`);
    for (const [i, store] of stores.entries())
      expect(await readTexts(store, placeOf('a'))).toEqual([`in ${i}`]);
  },
};

async function keepApart(
  stage: Parameters<StateBehaviours[string]>[0],
  given: readonly string[],
): Promise<void> {
  const store = await stage.store();
  const texts = [...new Set(given)];
  for (const [i, key] of texts.entries()) await write(store, placeOf(key), 0, `record ${i}`);
  for (const [i, key] of texts.entries()) {
    expect(await readTexts(store, placeOf(key)), JSON.stringify(key.slice(0, 50))).toEqual([`record ${i}`]);
  }
  const listed = (await store.list(placeOf(''), PATIENT_MS)).map(({ key }) => key);
  expect(new Set(listed)).toEqual(new Set(texts));
  expect(listed).toHaveLength(texts.length);
}
