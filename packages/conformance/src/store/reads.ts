/** Reads and lists: what they tell when nothing is in their way. */
import { CONFIG_KEY } from '@clstr/core/store';
import { expect } from 'vitest';
import { expectFailure } from '../failure.ts';
import { PATIENT_MS, write } from './stage.ts';
import type { StoreBehaviours } from './stage.ts';

const NO_KEYS = ['', '.', 'h.', 'a..b', 'h.*', '*', '>', 'h.>', 'a b', 'a\r\nPUB x 0', 'ä'];
const VALUES = {
  empty: '',
  'of one space': ' ',
  'with line ends': 'a\r\nb\n\r\n',
  'like a message': 'PUB x 3\r\nyes\r\n',
  'like a delete mark': 'NATS/1.0\r\nKV-Operation: DEL\r\n\r\n',
  'with zeros': '\0a\0',
  'of all planes': 'ä € 漢字 😀',
  'with a byte order mark': '\uFEFFtext',
  'of JSON': JSON.stringify({ inc: 'x', beat: 1, text: '"\\\u0007' }),
  large: 'x'.repeat(200_000),
};
const MANY = 4_096;

export const reads: StoreBehaviours = {
  async 'reads undefined where there is no bucket'(stage) {
    const store = await stage.bare();
    expect(await store.read(CONFIG_KEY, PATIENT_MS)).toBeUndefined();
    expect(await store.read('h.a', PATIENT_MS)).toBeUndefined();
  },

  async 'reads undefined for a key that was never written'(stage) {
    const store = await stage.store();
    await write(store, 'h.ab', 0, 'x');
    for (const key of ['h.a', 'h', 'h.ab.c', 'H.ab', 'h.AB']) {
      expect(await store.read(key, PATIENT_MS), key).toBeUndefined();
    }
  },

  async 'reads the newest write of a key, with its revision, no matter which member wrote it'(stage) {
    const [one, two] = [await stage.store(), await stage.store()];
    const first = await write(one, 'h.a', 0, 'one');
    expect(await two.read('h.a', PATIENT_MS)).toEqual({ key: 'h.a', revision: first, value: 'one' });
    const second = await write(two, 'h.a', first, 'two');
    expect(await one.read('h.a', PATIENT_MS)).toEqual({ key: 'h.a', revision: second, value: 'two' });
  },

  async 'returns every value as it was written: read, listed and watched'(stage) {
    const [one, two] = [await stage.store(), await stage.store()];
    const keys = Object.keys(VALUES).map((name) => `s.${name.replaceAll(' ', '-')}`);
    const values = Object.values(VALUES);
    for (const [i, key] of keys.entries()) await write(one, key, 0, values[i]);
    const listed = new Map((await two.list(PATIENT_MS)).map(({ key, value }) => [key, value]));
    const watched = new Map<string, string | undefined>();
    await new Promise<void>((resolve) => {
      two.watch('s.*', {
        onEntry({ key, value }) {
          watched.set(key, value);
          if (watched.size === keys.length) resolve();
        },
        onGap: () => undefined,
      });
    });
    for (const [i, key] of keys.entries()) {
      const isSame = [(await two.read(key, PATIENT_MS))?.value, listed.get(key), watched.get(key)].map(
        (value) => value === values[i],
      );
      expect(isSame, key).toEqual([true, true, true]);
    }
  },

  async 'rejects an invalid key as INVALID_OPTION'(stage) {
    const store = await stage.store();
    await write(store, 'h.a', 0, 'x');
    for (const key of NO_KEYS)
      await expectFailure(store.read(key, PATIENT_MS), 'INVALID_OPTION', 'not-executed');
  },

  async 'lists nothing where there is no bucket'(stage) {
    const store = await stage.bare();
    expect(await store.list(PATIENT_MS)).toEqual([]);
  },

  async 'lists the newest write of each key, and no deleted keys'(stage) {
    const [one, two] = [await stage.store(), await stage.store()];
    const a = await write(one, 'h.a', await write(one, 'h.a', 0, 'old'), 'new');
    await write(one, 'm.b', await write(one, 'm.b', 0, 'gone'), undefined);
    const c = await write(one, 's.1', 0, '');
    const listed = [...(await two.list(PATIENT_MS))].sort((x, y) => x.revision - y.revision);
    expect(listed).toEqual([
      { key: CONFIG_KEY, revision: 1, value: 'config' },
      { key: 'h.a', revision: a, value: 'new' },
      { key: 's.1', revision: c, value: '' },
    ]);
  },

  async 'lists nothing once every key is deleted'(stage) {
    const store = await stage.store();
    await write(store, 'h.a', await write(store, 'h.a', 0, 'x'), undefined);
    await write(store, CONFIG_KEY, 1, undefined);
    expect(await store.list(PATIENT_MS)).toEqual([]);
  },

  async 'lists 4,096 keys, each once'(stage) {
    const store = await stage.store();
    await Promise.all(Array.from({ length: MANY }, (_, i) => write(store, `s.${i}`, 0, `value ${i}`)));
    const listed = (await store.list(PATIENT_MS)).filter(({ key }) => key !== CONFIG_KEY);
    const expected = Array.from({ length: MANY }, (_, i) => [`s.${i}`, `value ${i}`] as const);
    expect(listed).toHaveLength(MANY);
    expect(new Map(listed.map(({ key, value }) => [key, value]))).toEqual(new Map(expected));
  },

  async 'lists while others write, and returns nothing older than what was there before'(stage) {
    const [writer, reader] = [await stage.store(), await stage.store()];
    const keys = Array.from({ length: 50 }, (_, i) => `h.${i}`);
    const newest = new Map<string, number>();
    for (const key of keys) newest.set(key, await write(writer, key, 0, '0'));
    let isDone = false;
    const writing = keys.slice(0, 10).map(async (key) => {
      for (let i = 1; !isDone; i++) newest.set(key, await write(writer, key, newest.get(key)!, String(i)));
    });
    try {
      for (let i = 0; i < 30; i++) {
        const before = new Map(newest);
        const listed = new Map((await reader.list(PATIENT_MS)).map(({ key, revision }) => [key, revision]));
        for (const key of keys) expect(listed.get(key) ?? 0, key).toBeGreaterThanOrEqual(before.get(key)!);
      }
    } finally {
      isDone = true;
      await Promise.all(writing);
    }
  },

  async 'answers several lists and reads at the same time'(stage) {
    const store = await stage.store();
    await write(store, 'h.a', 0, 'x');
    const lists = await Promise.all(Array.from({ length: 8 }, () => store.list(PATIENT_MS)));
    expect(lists.map((list) => list.length)).toEqual(Array.from({ length: 8 }, () => 2));
    const found = await Promise.all(Array.from({ length: 64 }, () => store.read('h.a', PATIENT_MS)));
    expect(found.every((entry) => entry?.value === 'x')).toBe(true);
  },
};
