/** Loads: where a log begins, and that nothing of it is missing. */
import { expect } from 'vitest';
import { PATIENT_MS, placeOf, read, readTexts, recordOf, textOf, turn, write, writeAll } from './stage.ts';
import type { StateBehaviours } from './stage.ts';

const KEEPS = ['all', 'newest'] as const;

export const loads: StateBehaviours = {
  async 'loads nothing, at revision 0, where nothing was written'(stage) {
    const store = await stage.store();
    await write(store, placeOf('ab'), 0, 'x');
    for (const keeps of KEEPS) {
      for (const key of ['a', 'b', 'abc', 'AB']) {
        expect(await store.load(placeOf(key, { keeps }), PATIENT_MS)).toEqual({ revision: 0, records: [] });
      }
    }
  },

  async 'loads all records, oldest first, if none is whole'(stage) {
    const store = await stage.store();
    for (const keeps of KEEPS) {
      const place = placeOf('a', { keeps, space: keeps });
      const revisions = await writeAll(store, place, ['one', 'two', 'three']);
      const loaded = await read(store, place);
      expect(loaded.map(textOf)).toEqual(['one', 'two', 'three']);
      expect(loaded.map(({ revision }) => revision)).toEqual(revisions);
      expect(loaded.map(({ isWhole }) => isWhole)).toEqual([false, false, false]);
    }
  },

  async 'loads from the newest whole record on'(stage) {
    const [writer, reader] = await stage.stores(2);
    for (const keeps of KEEPS) {
      const place = placeOf('a', { keeps, space: keeps });
      const given = ['one', recordOf('two', true), 'three', recordOf('four', true), 'five', 'six'];
      const revisions = await writeAll(writer!, place, given);
      const loaded = await read(reader!, place);
      expect(loaded.map(textOf)).toEqual(['four', 'five', 'six']);
      expect(loaded.map(({ revision }) => revision)).toEqual(revisions.slice(3));
      expect(loaded.map(({ isWhole }) => isWhole)).toEqual([true, false, false]);
    }
  },

  async 'loads the newest record alone when it is whole, and appends after it'(stage) {
    const store = await stage.store();
    for (const keeps of KEEPS) {
      const place = placeOf('a', { keeps, space: keeps });
      let revision = 0;
      for (const text of ['one', 'two', 'three']) {
        revision = await write(store, place, revision, recordOf(text, true));
        expect(await readTexts(store, place)).toEqual([text]);
      }
      await write(store, place, revision, 'four');
      expect(await readTexts(store, place)).toEqual(['three', 'four']);
    }
  },

  async 'loads a log of 300 records'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    const texts = Array.from({ length: 300 }, (_, i) => `record ${i}`);
    await writeAll(store, place, texts);
    expect(await readTexts(store, place)).toEqual(texts);
  },

  async 'loads no part of a log for the whole while another connection writes'(stage) {
    const [writer, reader] = await stage.stores(2);
    for (const keeps of KEEPS) {
      const place = placeOf('a', { keeps, space: keeps });
      const texts = Array.from({ length: 150 }, (_, i) => recordOf(String(i), i % 5 === 0));
      const writing = writeAll(writer!, place, texts);
      try {
        for (let newest = -1; newest < 149;) {
          const numbers = (await readTexts(reader!, place)).map(Number);
          const [first = 0] = numbers;
          expect(first % 5).toBe(0);
          expect(numbers).toEqual(numbers.map((_, i) => first + i));
          newest = numbers.at(-1) ?? -1;
          await turn(); // a store that answers from memory must get to write
        }
      } finally {
        await writing;
      }
    }
  },

  async 'answers many loads at the same time'(stage) {
    const store = await stage.store();
    await writeAll(store, placeOf('a'), ['one', 'two']);
    const loaded = await Promise.all(Array.from({ length: 100 }, () => readTexts(store, placeOf('a'))));
    expect(new Set(loaded.map((texts) => texts.join()))).toEqual(new Set(['one,two']));
  },
};
