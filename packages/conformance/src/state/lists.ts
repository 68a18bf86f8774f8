/** Lists: the newest record of each log of a shard. */
import type { StateHead, StatePlace, StateStore } from '@clstr/core/store';
import { expect } from 'vitest';
import { PATIENT_MS, placeOf, recordOf, textOf, turn, write, writeAll } from './stage.ts';
import type { StateBehaviours } from './stage.ts';

const MANY = 1_000;

export const lists: StateBehaviours = {
  async 'lists nothing of a shard without records'(stage) {
    const store = await stage.store();
    expect(await list(store)).toEqual([]);
  },

  async 'lists the newest record of each log of the shard'(stage) {
    const [writer, reader] = await stage.stores(2);
    for (const keeps of ['all', 'newest'] as const) {
      const at = { keeps, space: keeps };
      const [, a] = await writeAll(writer!, placeOf('a', at), ['old', recordOf('new', true)]);
      const [, , b] = await writeAll(writer!, placeOf('b', at), ['one', recordOf('two', true), 'three']);
      const heads = await list(reader!, at);
      expect(heads.map((head) => [head.key, head.revision, head.isWhole, textOf(head)])).toEqual([
        ['a', a, true, 'new'],
        ['b', b, false, 'three'],
      ]);
    }
  },

  async 'lists no log of another shard, space or service'(stage) {
    const store = await stage.store();
    await write(store, placeOf('here'), 0, 'x');
    for (const changes of [{ shard: 8 }, { shard: 70 }, { space: 'accounts' }, { space: 'Account' }]) {
      await write(store, placeOf('there', changes), 0, 'x');
    }
    await write(await stage.store('other'), placeOf('there'), 0, 'x');
    expect((await list(store)).map(({ key }) => key)).toEqual(['here']);
  },

  async 'lists 1,000 logs, each once'(stage) {
    const store = await stage.store();
    for (let i = 0; i < MANY; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, j) => write(store, placeOf(`log ${i + j}`), 0, `value ${i + j}`)),
      );
    }
    const heads = await list(store);
    expect(heads).toHaveLength(MANY);
    const expected = Array.from({ length: MANY }, (_, i) => [`log ${i}`, `value ${i}`] as const);
    expect(new Map(heads.map((head) => [head.key, textOf(head)]))).toEqual(new Map(expected));
  },

  async 'lists while others write: each log once, with one of its records'(stage) {
    const [writer, reader] = await stage.stores(2);
    const keys = Array.from({ length: 10 }, (_, i) => `log ${i}`);
    const newest = await Promise.all(keys.map((key) => write(writer!, placeOf(key), 0, `${key}: 0`)));
    let isDone = false;
    const writing = keys.map(async (key, i) => {
      for (let n = 1; !isDone; n++)
        newest[i] = await write(writer!, placeOf(key), newest[i]!, `${key}: ${n}`);
    });
    try {
      for (let i = 0; i < 20; i++) {
        const heads = await list(reader!);
        expect(heads.map(({ key }) => key)).toEqual(keys);
        for (const head of heads) expect(textOf(head)).toMatch(new RegExp(`^${head.key}: \\d+$`));
        await turn();
      }
    } finally {
      isDone = true;
      await Promise.all(writing);
    }
  },
};

/** In the order of their keys: a store may list them in any. */
async function list(store: StateStore, changes: Partial<StatePlace> = {}): Promise<StateHead[]> {
  const { key: _, ...place } = placeOf('', changes);
  const heads = await store.list(place, PATIENT_MS);
  return [...heads].sort((a, b) => (a.key < b.key ? -1 : 1));
}
