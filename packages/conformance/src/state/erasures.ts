/** Erasing a log up to a revision, and what an empty log answers to those who have not noticed. */
import { expect } from 'vitest';
import { PATIENT_MS, placeOf, read, readTexts, recordOf, write, writeAll } from './stage.ts';
import type { StateBehaviours } from './stage.ts';

export const erasures: StateBehaviours = {
  async 'erases a log up to its newest record: it is empty, and no longer listed'(stage) {
    const [store, other] = await stage.stores(2);
    for (const keeps of ['all', 'newest'] as const) {
      const place = placeOf('a', { keeps, space: keeps });
      const revisions = await writeAll(store!, place, ['one', recordOf('two', true), 'three']);
      await store!.erase(place, revisions.at(-1)!, PATIENT_MS);
      for (const each of [store!, other!]) {
        expect(await each.load(place, PATIENT_MS)).toEqual({ revision: 0, records: [] });
        expect(await each.list(place, PATIENT_MS)).toEqual([]);
      }
    }
  },

  async 'keeps what is newer than the revision, and appends after it'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    const [, second, , newest] = await writeAll(store, place, ['one', 'two', 'three', 'four']);
    await store.erase(place, second!, PATIENT_MS);
    expect(await readTexts(store, place)).toEqual(['three', 'four']);
    expect(await store.list(place, PATIENT_MS)).toMatchObject([{ key: 'a', revision: newest }]);
    await write(store, place, newest!, 'five');
    expect(await readTexts(store, place)).toEqual(['three', 'four', 'five']);
  },

  async 'keeps the newest record when it erases up to the revision before it'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    const revisions = await writeAll(store, place, ['one', recordOf('two', true), recordOf('three', true)]);
    await store.erase(place, revisions.at(-1)! - 1, PATIENT_MS);
    expect(await readTexts(store, place)).toEqual(['three']);
    await write(store, place, revisions.at(-1)!, 'four');
  },

  async 'appends to an erased log at revision 0 alone, with a revision greater than all before'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    const before = await writeAll(store, place, ['one', 'two']);
    await store.erase(place, before.at(-1)!, PATIENT_MS);
    for (const revision of before) {
      expect(await store.append(place, revision, recordOf('stale'), PATIENT_MS)).toEqual({ kind: 'lost' });
    }
    const after = await write(store, place, 0, 'again');
    expect(after).toBeGreaterThan(before.at(-1)!);
    for (const revision of [0, ...before]) {
      expect(await store.append(place, revision, recordOf('stale'), PATIENT_MS)).toEqual({ kind: 'lost' });
    }
    expect(await readTexts(store, place)).toEqual(['again']);
  },

  async 'erases an empty log, and the same log twice'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    await store.erase(place, 5, PATIENT_MS);
    const revision = await write(store, place, 0, 'x');
    await store.erase(place, revision, PATIENT_MS);
    await store.erase(place, revision, PATIENT_MS);
    expect(await read(store, place)).toEqual([]);
  },

  async 'erases nothing of other logs'(stage) {
    const store = await stage.store();
    const others = [placeOf('b'), placeOf('a', { shard: 8 }), placeOf('a', { space: 'other' })];
    for (const place of others) await write(store, place, 0, 'stays');
    const revision = await write(store, placeOf('a'), 0, 'x');
    await store.erase(placeOf('a'), revision, PATIENT_MS);
    for (const place of others) expect(await readTexts(store, place)).toEqual(['stays']);
  },

  async 'agrees with an append of the same moment on which of them came first'(stage) {
    const [one, two] = await stage.stores(2);
    for (let round = 0; round < 30; round++) {
      const place = placeOf(`log ${round}`);
      const revision = await write(one!, place, 0, 'before');
      const [outcome] = await Promise.all([
        two!.append(place, revision, recordOf('after', true), PATIENT_MS),
        one!.erase(place, revision, PATIENT_MS),
      ]);
      expect(outcome.kind).not.toBe('unknown');
      expect(await readTexts(one!, place)).toEqual(outcome.kind === 'acked' ? ['after'] : []);
    }
  },
};
