/** Compare-and-set: which append is stored, and what the others learn. */
import { expect } from 'vitest';
import {
  PATIENT_MS,
  expectOneWinner,
  placeOf,
  read,
  readTexts,
  recordOf,
  textOf,
  write,
  writeAll,
} from './stage.ts';
import type { StateBehaviours } from './stage.ts';

const WRITERS = 16;
const CONNECTIONS = 4;
const ROUNDS = 20;

export const appends: StateBehaviours = {
  async 'stores a record in an empty log at revision 0, for every connection'(stage) {
    const [one, two] = await stage.stores(2);
    const place = placeOf('a');
    const revision = await write(one!, place, 0, recordOf('first', true));
    expect(revision).toBeGreaterThanOrEqual(1);
    for (const store of [one!, two!, await stage.store()]) {
      const [stored, ...others] = await read(store, place);
      expect([stored?.revision, stored?.isWhole, textOf(stored!)]).toEqual([revision, true, 'first']);
      expect(others).toEqual([]);
    }
  },

  async 'appends at the newest revision, and refuses every other one as lost'(stage) {
    const [store, other] = await stage.stores(2);
    const place = placeOf('a');
    const first = await write(store!, place, 0, 'one');
    const elsewhere = await write(other!, placeOf('b'), 0, 'other');
    const second = await write(other!, place, first, 'two');
    for (const revision of [0, first, elsewhere, second - 1, second + 1, second + 1_000_000]) {
      const late = await store!.append(place, revision, recordOf('late'), PATIENT_MS);
      expect([revision, late]).toEqual([revision, { kind: 'lost' }]);
    }
    expect(await readTexts(store!, place)).toEqual(['one', 'two']);
  },

  async 'refuses a revision other than 0 for an empty log as lost'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    for (const revision of [1, 2, 1_000_000]) {
      expect(await store.append(place, revision, recordOf('x'), PATIENT_MS)).toEqual({ kind: 'lost' });
    }
    expect(await read(store, place)).toEqual([]);
  },

  async 'gives the writes of all logs and connections rising revisions'(stage) {
    const stores = await stage.stores(2);
    const newest = [0, 0, 0];
    const revisions: number[] = [];
    for (let i = 0; i < 30; i++) {
      const log = i % newest.length;
      const place = placeOf(`log ${log}`, { shard: log });
      newest[log] = await write(stores[i % 2]!, place, newest[log]!, 'x');
      revisions.push(newest[log]);
    }
    expect(revisions.every(Number.isSafeInteger)).toBe(true);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
  },

  async 'lets exactly one of 16 concurrent appends over 4 connections win, from an empty log on'(stage) {
    const stores = await stage.stores(CONNECTIONS);
    for (const keeps of ['all', 'newest'] as const) {
      const place = placeOf('a', { keeps, space: keeps });
      let revision = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const outcomes = await Promise.all(
          Array.from({ length: WRITERS }, (_, i) =>
            stores[i % CONNECTIONS]!.append(place, revision, recordOf(`${round}/${i}`, true), PATIENT_MS),
          ),
        );
        const winner = expectOneWinner(outcomes);
        const [newest] = await read(stores[0]!, place);
        expect(outcomes[winner]).toEqual({ kind: 'acked', revision: newest!.revision });
        expect(textOf(newest!)).toBe(`${round}/${winner}`);
        revision = newest!.revision;
      }
    }
  },

  async 'starts many empty logs in races, each with one winner'(stage) {
    const stores = await stage.stores(CONNECTIONS);
    const races = Array.from({ length: 50 }, async (_, log) => {
      const outcomes = stores.map((store, i) =>
        store.append(placeOf(`log ${log}`), 0, recordOf(`by ${i}`), PATIENT_MS),
      );
      return expectOneWinner(await Promise.all(outcomes));
    });
    for (const [log, winner] of (await Promise.all(races)).entries()) {
      expect(await readTexts(stores[0]!, placeOf(`log ${log}`))).toEqual([`by ${winner}`]);
    }
  },

  async 'appends to 100 logs at the same time: all succeed, each with a revision of its own'(stage) {
    const stores = await stage.stores(2);
    const revisions = await Promise.all(
      Array.from({ length: 100 }, (_, i) => write(stores[i % 2]!, placeOf(`log ${i}`), 0, `value ${i}`)),
    );
    expect(new Set(revisions).size).toBe(100);
    for (const i of [0, 1, 50, 99])
      expect(await readTexts(stores[0]!, placeOf(`log ${i}`))).toEqual([`value ${i}`]);
  },

  async 'refuses the same record a second time as lost: a load shows whose it is'(stage) {
    const store = await stage.store();
    const place = placeOf('a');
    const [, second] = await writeAll(store, place, ['one', 'nonce']);
    const [first] = await read(store, place);
    expect(await store.append(place, first!.revision, recordOf('nonce'), PATIENT_MS)).toEqual({
      kind: 'lost',
    });
    const loaded = await read(store, place);
    expect(loaded.map(textOf)).toEqual(['one', 'nonce']);
    expect(loaded.at(-1)?.revision).toBe(second);
  },
};
