/** Watches: the newest of each key first, then what comes. */
import { CONFIG_KEY } from '@clstr/core/store';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import { Hearing, PATIENT_MS, createBucket, write } from './stage.ts';
import type { StoreBehaviours } from './stage.ts';

const NO_PATTERNS = ['', '*', '>', 'h.>', 'h.*.a', '*.h', 'h*', 'h.', '.*', 'a b', 'h.*\r\nPUB x 0'];
const MANY = 4_096;

export const watches: StoreBehaviours = {
  async 'delivers the newest write of each key first, delete marks included, then every later one'(stage) {
    const [writer, store] = [await stage.store(), await stage.store()];
    const a = await write(writer, 'h.a', await write(writer, 'h.a', 0, 'old'), 'new');
    const b = await write(writer, 'h.b', await write(writer, 'h.b', 0, 'x'), undefined);
    const heard = new Hearing(store, 'h.*');
    await heard.hears('h.b', undefined);
    expect(heard.entries).toEqual([
      { key: 'h.a', revision: a, value: 'new' },
      { key: 'h.b', revision: b, value: undefined },
    ]);
    const again = await write(writer, 'h.b', b, 'back');
    const gone = await write(writer, 'h.a', a, undefined);
    await heard.hears('h.a', undefined);
    expect(heard.entries.slice(2)).toEqual([
      { key: 'h.b', revision: again, value: 'back' },
      { key: 'h.a', revision: gone, value: undefined },
    ]);
    expect(heard.gaps).toBe(0);
  },

  async 'delivers the revisions of a key in order, up to the newest, however fast they are written'(stage) {
    const [writer, store] = [await stage.store(), await stage.store()];
    const heard = new Hearing(store, 'h.*');
    await Promise.all(
      ['h.a', 'h.b', 'h.c'].map(async (key) => {
        let revision = 0;
        for (let i = 0; i < 100; i++) revision = await write(writer, key, revision, String(i));
      }),
    );
    for (const key of ['h.a', 'h.b', 'h.c']) {
      await heard.hears(key, '99');
      const revisions = heard.entries.filter((entry) => entry.key === key).map(({ revision }) => revision);
      // A server may tell one twice when keys are written while a watch begins.
      expect(revisions).toEqual([...revisions].sort((x, y) => x - y));
    }
  },

  async 'delivers what the watching member itself wrote'(stage) {
    const store = await stage.store();
    const heard = new Hearing(store, 's.*');
    const revision = await write(store, 's.1', 0, 'own');
    await heard.hears('s.1', 'own');
    expect(heard.entries).toEqual([{ key: 's.1', revision, value: 'own' }]);
  },

  async 'delivers only the key that is watched'(stage) {
    const store = await stage.store();
    const heard = new Hearing(store, 'h.a');
    for (const key of ['h.ab', 'h.b', 'm.a', 'h', 'h.a.x', 'H.a']) await write(store, key, 0, 'other');
    await write(store, 'h.a', 0, 'own');
    await heard.hears('h.a', 'own');
    expect(heard.entries.map(({ key }) => key)).toEqual(['h.a']);
  },

  async 'delivers for a pattern only the keys with one more token'(stage) {
    const store = await stage.store();
    const heard = new Hearing(store, 'h.*');
    for (const key of ['h', 'hh.a', 'h.a.b', 'm.a', 'H.a']) await write(store, key, 0, 'other');
    await write(store, 'h.-_9', 0, 'own');
    await heard.hears('h.-_9', 'own');
    expect(heard.entries.map(({ key }) => key)).toEqual(['h.-_9']);
  },

  async 'delivers 4,096 keys that were there before, and the next write after them'(stage) {
    const [writer, store] = [await stage.store(), await stage.store()];
    await Promise.all(Array.from({ length: MANY }, (_, i) => write(writer, `s.${i}`, 0, 'x')));
    const heard = new Hearing(store, 's.*');
    await heard.until(() => heard.entries.length === MANY);
    expect(new Set(heard.entries.map(({ key }) => key)).size).toBe(MANY);
    await write(writer, 's.next', 0, 'x');
    await heard.hears('s.next', 'x');
    expect([heard.entries.length, heard.gaps]).toEqual([MANY + 1, 0]);
  },

  async 'misses nothing that is written while it starts'(stage) {
    const [writer, store] = [await stage.store(), await stage.store()];
    for (let round = 0; round < 10; round++) {
      const keys = Array.from({ length: 20 }, (_, i) => `r${round}.${i}`);
      const writing = Promise.all(keys.map((key) => write(writer, key, 0, 'x')));
      const heard = new Hearing(store, `r${round}.*`);
      await Promise.all([writing, ...keys.map((key) => heard.hears(key, 'x'))]);
      heard.watch.close();
    }
  },

  async 'misses no key that is written again while it starts'(stage) {
    const [writer, store] = [await stage.store(), await stage.store()];
    const keys = Array.from({ length: 30 }, (_, i) => `h.${i}`);
    const newest = new Map<string, number>();
    for (const key of keys) newest.set(key, await write(writer, key, 0, 'first'));
    for (let round = 0; round < 10; round++) {
      const writing = Promise.all(
        keys.map(async (key) => {
          newest.set(key, await write(writer, key, newest.get(key)!, `round ${round}`));
        }),
      );
      const heard = new Hearing(store, 'h.*');
      await Promise.all([writing, ...keys.map((key) => heard.hears(key, `round ${round}`))]);
      heard.watch.close();
    }
  },

  async 'delivers to each of several watches of a member, even of the same pattern'(stage) {
    const store = await stage.store();
    const heard = ['h.*', 'h.*', 'm.*', 'h.a', 'm.a'].map((pattern) => new Hearing(store, pattern));
    await write(store, 'h.a', 0, 'h');
    await write(store, 'm.a', 0, 'm');
    const [one, two, three, four, five] = heard as [Hearing, Hearing, Hearing, Hearing, Hearing];
    await Promise.all([one, two, four].map((hearing) => hearing.hears('h.a', 'h')));
    await Promise.all([three, five].map((hearing) => hearing.hears('m.a', 'm')));
    expect(heard.map(({ entries }) => entries.length)).toEqual([1, 1, 1, 1, 1]);
  },

  async 'starts before there is a bucket, and delivers what is written once there is one'(stage) {
    const [store, maker] = [await stage.bare(), await stage.bare()];
    const heard = new Hearing(store, 'h.*');
    expect(await store.list(PATIENT_MS)).toEqual([]);
    await createBucket(maker);
    await write(maker, 'h.a', 0, 'x');
    await heard.hears('h.a', 'x');
    expect(heard.valuesOf(CONFIG_KEY)).toEqual([]);
  },

  async 'delivers nothing more once it is closed, once or twice, while other watches go on'(stage) {
    const store = await stage.store();
    const [closed, open] = [new Hearing(store, 'h.*'), new Hearing(store, 'h.*')];
    await write(store, 'h.a', 0, 'before');
    await Promise.all([closed.hears('h.a', 'before'), open.hears('h.a', 'before')]);
    closed.watch.close();
    closed.watch.close();
    await write(store, 'h.b', 0, 'after');
    await open.hears('h.b', 'after');
    expect(closed.entries.map(({ value }) => value)).toEqual(['before']);
  },

  async 'delivers nothing more when its own listener closes it'(stage) {
    const store = await stage.store();
    const other = new Hearing(store, 'h.*');
    const told: string[] = [];
    const first = deferred();
    const watch = store.watch('h.*', {
      onEntry({ key }) {
        told.push(key);
        watch.close();
        first.resolve();
      },
      onGap: () => undefined,
    });
    for (const key of ['h.a', 'h.b', 'h.c']) await write(store, key, 0, 'x');
    await Promise.all([first.promise, other.hears('h.c', 'x')]);
    expect(told).toEqual(['h.a']);
  },

  async 'delivers nothing when it is closed in the turn in which it was made'(stage) {
    const store = await stage.store();
    await write(store, 'h.a', 0, 'x');
    const closed = new Hearing(store, 'h.*');
    closed.watch.close();
    const open = new Hearing(store, 'h.*');
    await open.hears('h.a', 'x');
    await write(store, 'h.b', 0, 'y');
    await open.hears('h.b', 'y');
    expect([closed.entries, closed.gaps]).toEqual([[], 0]);
  },

  async 'goes on when a listener throws, and so do the other watches and calls'(stage) {
    const store = await stage.store();
    const called = new Set<string>();
    const bothCalls = deferred();
    store.watch('h.*', {
      onEntry({ key }) {
        called.add(key);
        if (called.size === 2) bothCalls.resolve();
        throw new Error('of the listener');
      },
      onGap: () => undefined,
    });
    const heard = new Hearing(store, 'h.*');
    await write(store, 'h.a', 0, 'one');
    await write(store, 'h.b', 0, 'two');
    await heard.hears('h.b', 'two');
    expect(await store.read('h.b', PATIENT_MS)).toMatchObject({ value: 'two' });
    await bothCalls.promise;
  },

  async 'refuses an invalid pattern as INVALID_OPTION'(stage) {
    const store = await stage.store();
    const listener = { onEntry: () => undefined, onGap: () => undefined };
    for (const pattern of NO_PATTERNS) {
      expect(() => store.watch(pattern, listener), JSON.stringify(pattern)).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      );
    }
  },
};
