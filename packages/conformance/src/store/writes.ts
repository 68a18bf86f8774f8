/** Compare-and-set: who wins, who loses, and what revisions say. */
import { CONFIG_KEY } from '@clstr/core/store';
import { expect } from 'vitest';
import { Hearing, PATIENT_MS, createBucket, kindsOf, write } from './stage.ts';
import type { StoreBehaviours } from './stage.ts';

const WRITERS = 16;
const CONNECTIONS = 4;
const ROUNDS = 20;
const NO_KEYS = [
  '',
  '.',
  'h.',
  '.h',
  'a..b',
  'h.*',
  '*',
  '>',
  'h.>',
  'a b',
  'a\r\nPUB x 0',
  'ä',
  'a/b',
  'a\0b',
];

export const writes: StoreBehaviours = {
  async 'creates the bucket with the first write of cfg at revision 0, as its revision 1'(stage) {
    const store = await stage.bare();
    expect(await store.cas(CONFIG_KEY, 0, 'config', PATIENT_MS)).toEqual({ kind: 'acked', revision: 1 });
    expect(await store.read(CONFIG_KEY, PATIENT_MS)).toEqual({
      key: CONFIG_KEY,
      revision: 1,
      value: 'config',
    });
  },

  async 'answers unknown to any other write where there is no bucket, and creates none'(stage) {
    const store = await stage.bare();
    for (const [key, revision, value] of [
      ['h.a', 0, 'x'],
      [CONFIG_KEY, 1, 'x'],
      [CONFIG_KEY, 0, undefined],
    ] as const) {
      expect(await store.cas(key, revision, value, PATIENT_MS)).toEqual({ kind: 'unknown' });
    }
    expect(await store.list(PATIENT_MS)).toEqual([]);
    await createBucket(store);
    expect(await write(store, 'h.a', 0, 'first')).toBe(2);
  },

  async 'refuses a second first write as lost, and keeps the first'(stage) {
    const store = await stage.bare();
    await write(store, CONFIG_KEY, 0, 'first');
    expect(await store.cas(CONFIG_KEY, 0, 'second', PATIENT_MS)).toEqual({ kind: 'lost' });
    expect(await store.read(CONFIG_KEY, PATIENT_MS)).toMatchObject({ value: 'first', revision: 1 });
  },

  async 'replaces the newest revision, and refuses every other one as lost'(stage) {
    const store = await stage.store();
    const first = await write(store, 's.1', 0, 'one');
    const other = await write(store, 's.2', 0, 'other');
    const second = await write(store, 's.1', first, 'two');
    for (const revision of [0, first, other, second + 1, second + 1_000_000]) {
      expect(await store.cas('s.1', revision, 'late', PATIENT_MS)).toEqual({ kind: 'lost' });
    }
    expect(await store.read('s.1', PATIENT_MS)).toEqual({ key: 's.1', revision: second, value: 'two' });
  },

  async 'refuses a revision for a key that was never written as lost'(stage) {
    const store = await stage.store();
    expect(await store.cas('s.1', 1, 'x', PATIENT_MS)).toEqual({ kind: 'lost' });
    expect(await store.read('s.1', PATIENT_MS)).toBeUndefined();
  },

  async 'numbers the writes of all keys in one rising sequence'(stage) {
    const [one, two] = [await stage.store(), await stage.store()];
    const revisions: number[] = [];
    for (let i = 0; i < 20; i++) revisions.push(await write(i % 2 === 0 ? one : two, `s.${i}`, 0, 'x'));
    revisions.push(await write(one, 's.0', revisions[0]!, undefined));
    expect(revisions).toEqual(Array.from({ length: 21 }, (_, i) => i + 2));
  },

  async 'lets exactly one of 16 concurrent writes over 4 connections win: the others are lost'(stage) {
    const stores = await Promise.all(Array.from({ length: CONNECTIONS }, () => stage.store()));
    let revision = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const outcomes = await Promise.all(
        Array.from({ length: WRITERS }, (_, i) =>
          stores[i % CONNECTIONS]!.cas('s.1', revision, `${round}/${i}`, PATIENT_MS),
        ),
      );
      expect(kindsOf(outcomes)).toEqual(['acked', ...Array.from({ length: WRITERS - 1 }, () => 'lost')]);
      const winner = outcomes.findIndex(({ kind }) => kind === 'acked');
      const newest = await stores[0]!.read('s.1', PATIENT_MS);
      expect(outcomes[winner]).toEqual({ kind: 'acked', revision: newest?.revision });
      expect(newest?.value).toBe(`${round}/${winner}`);
      revision = newest!.revision;
    }
  },

  async 'lets exactly one of 16 concurrent creations of the bucket win'(stage) {
    const stores = await Promise.all(Array.from({ length: CONNECTIONS }, () => stage.bare()));
    const outcomes = await Promise.all(
      Array.from({ length: WRITERS }, (_, i) =>
        stores[i % CONNECTIONS]!.cas(CONFIG_KEY, 0, `by ${i}`, PATIENT_MS),
      ),
    );
    expect(kindsOf(outcomes)).toEqual(['acked', ...Array.from({ length: WRITERS - 1 }, () => 'lost')]);
    const winner = outcomes.findIndex(({ kind }) => kind === 'acked');
    expect(await stores[0]!.read(CONFIG_KEY, PATIENT_MS)).toMatchObject({ value: `by ${winner}` });
  },

  async 'keeps keys apart: concurrent writes of many keys all succeed, each with its own revision'(stage) {
    const [one, two] = [await stage.store(), await stage.store()];
    const revisions = await Promise.all(
      Array.from({ length: 100 }, (_, i) => write(i % 2 === 0 ? one : two, `s.${i}`, 0, `value ${i}`)),
    );
    expect(new Set(revisions).size).toBe(100);
    for (const i of [0, 1, 98, 99]) {
      expect(await one.read(`s.${i}`, PATIENT_MS)).toMatchObject({ value: `value ${i}` });
    }
  },

  async 'refuses the same bytes a second time as lost: reading them back shows whose they are'(stage) {
    const store = await stage.store();
    const revision = await write(store, 'h.a', 0, 'nonce');
    expect(await store.cas('h.a', 0, 'nonce', PATIENT_MS)).toEqual({ kind: 'lost' });
    expect(await store.read('h.a', PATIENT_MS)).toEqual({ key: 'h.a', revision, value: 'nonce' });
  },

  async 'deletes a key with a mark, which has a revision of its own'(stage) {
    const store = await stage.store();
    const revision = await write(store, 'm.a', 0, 'x');
    const mark = await write(store, 'm.a', revision, undefined);
    expect(mark).toBe(revision + 1);
    expect(await store.read('m.a', PATIENT_MS)).toEqual({ key: 'm.a', revision: mark, value: undefined });
  },

  async 'refuses to delete at an old revision as lost'(stage) {
    const store = await stage.store();
    const first = await write(store, 'm.a', 0, 'x');
    const second = await write(store, 'm.a', first, 'y');
    expect(await store.cas('m.a', first, undefined, PATIENT_MS)).toEqual({ kind: 'lost' });
    expect(await store.read('m.a', PATIENT_MS)).toMatchObject({ revision: second, value: 'y' });
  },

  async 'refuses to create over a mark at revision 0 as lost, and creates at the mark’s revision'(stage) {
    const store = await stage.store();
    const mark = await write(store, 'm.a', await write(store, 'm.a', 0, 'x'), undefined);
    expect(await store.cas('m.a', 0, 'again', PATIENT_MS)).toEqual({ kind: 'lost' });
    expect(await write(store, 'm.a', mark, 'again')).toBe(mark + 1);
    expect(await store.read('m.a', PATIENT_MS)).toMatchObject({ value: 'again' });
  },

  async 'marks a key that was never written'(stage) {
    const store = await stage.store();
    const mark = await write(store, 'm.a', 0, undefined);
    expect(await store.read('m.a', PATIENT_MS)).toEqual({ key: 'm.a', revision: mark, value: undefined });
    expect(await store.cas('m.a', 0, 'x', PATIENT_MS)).toEqual({ kind: 'lost' });
  },

  async 'answers unknown to an invalid key or revision, and writes nothing'(stage) {
    const store = await stage.store();
    for (const key of NO_KEYS) {
      expect(await store.cas(key, 0, 'x', PATIENT_MS), JSON.stringify(key)).toEqual({ kind: 'unknown' });
    }
    for (const revision of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      expect(await store.cas('h.a', revision, 'x', PATIENT_MS), String(revision)).toEqual({
        kind: 'unknown',
      });
    }
    expect(await store.list(PATIENT_MS)).toHaveLength(1);
    expect(await write(store, 'h.a', 0, 'x')).toBe(2);
  },

  async 'calls no listener before cas has returned'(stage) {
    const store = await stage.store();
    const heard = new Hearing(store, 'h.*');
    await write(store, 'h.a', 0, 'one');
    await heard.hears('h.a', 'one');
    const outcome = store.cas('h.b', 0, 'two', PATIENT_MS);
    expect(heard.valuesOf('h.b')).toEqual([]);
    expect((await outcome).kind).toBe('acked');
    await heard.hears('h.b', 'two');
  },
};
