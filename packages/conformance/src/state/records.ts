/** Records: any bytes up to the limit come back as they were written. */
import { expect } from 'vitest';
import { PATIENT_MS, placeOf, read, readTexts, recordOf, write } from './stage.ts';
import type { StateBehaviours } from './stage.ts';

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const BYTES: Readonly<Record<string, Uint8Array>> = {
  empty: new Uint8Array(),
  zeros: new Uint8Array(10),
  'all bytes': ALL_BYTES,
  'bytes that are not text': Uint8Array.of(0xff, 0xfe, 0xc3, 0x28, 0x80, 0, 0xed, 0xa0, 0x80),
  'a part of a larger buffer': ALL_BYTES.subarray(100, 110),
  'line ends': Uint8Array.of(13, 10, 10, 13, 0, 13, 10),
  'text like hex': new TextEncoder().encode('\\x00ff'),
  'a byte order mark': Uint8Array.of(0xef, 0xbb, 0xbf, 0x61),
};

export const records: StateBehaviours = {
  async 'returns all bytes as they were written: loaded and listed'(stage) {
    const [writer, reader] = await stage.stores(2);
    for (const [name, bytes] of Object.entries(BYTES)) {
      const revision = await write(writer!, placeOf(name), 0, { bytes, isWhole: true });
      const [loaded] = await read(reader!, placeOf(name));
      expect(loaded?.revision).toBe(revision);
      expect(isSame(loaded!.bytes, bytes), name).toBe(true);
    }
    const listed = await reader!.list(placeOf(''), PATIENT_MS);
    for (const { key, bytes } of listed) expect(isSame(bytes, BYTES[key]!), key).toBe(true);
    expect(listed).toHaveLength(Object.keys(BYTES).length);
  },

  async 'stores a record of the largest size'(stage) {
    const store = await stage.store();
    const bytes = largest(store.maxRecordBytes);
    await write(store, placeOf('a'), await write(store, placeOf('a'), 0, 'before'), {
      bytes,
      isWhole: false,
    });
    const [, loaded] = await read(store, placeOf('a'));
    expect(isSame(loaded!.bytes, bytes)).toBe(true);
  },

  async 'answers unknown to a record that is one byte larger, and stores nothing of it'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    const revision = await write(store, place, 0, 'before');
    const bytes = largest(store.maxRecordBytes + 1);
    for (const [at, target] of [
      [revision, place],
      [0, placeOf('b')],
    ] as const) {
      expect((await store.append(target, at, { bytes, isWhole: true }, PATIENT_MS)).kind).toBe('unknown');
    }
    expect(await readTexts(store, place)).toEqual(['before']);
    expect(await read(store, placeOf('b'))).toEqual([]);
    await write(store, place, revision, recordOf('after'));
  },

  async 'loads a log of several records of the largest size'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    const bytes = largest(store.maxRecordBytes);
    let revision = 0;
    for (let i = 0; i < 4; i++) revision = await write(store, place, revision, { bytes, isWhole: false });
    const loaded = await read(store, place);
    expect(loaded.map((record) => isSame(record.bytes, bytes))).toEqual([true, true, true, true]);
  },
};

function largest(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => i * 31);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
