/** Connections that are opened and closed, while nothing goes wrong. */
import { expect } from 'vitest';
import { expectFailure } from '../failure.ts';
import { PATIENT_MS, placeOf, readTexts, recordOf, write } from './stage.ts';
import type { StateBehaviours } from './stage.ts';

export const connections: StateBehaviours = {
  async 'is connected from the start'(stage) {
    const store = await stage.store();
    expect([store.isConnected, store.maxRecordBytes >= 1_024]).toEqual([true, true]);
  },

  async 'opens 8 connections at the same time, where nothing is stored yet'(stage) {
    const stores = await stage.stores(8);
    await Promise.all(stores.map((store, i) => write(store, placeOf(`log ${i}`), 0, 'x')));
    expect(await stores[0]!.list(placeOf(''), PATIENT_MS)).toHaveLength(8);
  },

  async 'keeps what was written after all connections are closed'(stage) {
    const [one, two] = await stage.stores(2);
    const revision = await write(one!, placeOf('a'), 0, 'x');
    await Promise.all([one!.close(), two!.close()]);
    const store = await stage.store();
    expect(await readTexts(store, placeOf('a'))).toEqual(['x']);
    await write(store, placeOf('a'), revision, 'y');
  },

  async 'closes once, however often close is called'(stage) {
    const store = await stage.store();
    await Promise.all([store.close(), store.close()]);
    await store.close();
    expect(store.isConnected).toBe(false);
  },

  async 'answers unknown and rejects as CONNECTION_LOST once it is closed, and writes nothing'(stage) {
    const [store, other] = await stage.stores(2);
    const place = placeOf('a');
    const revision = await write(store!, place, 0, 'x');
    await store!.close();
    expect((await store!.append(place, revision, recordOf('y'), PATIENT_MS)).kind).toBe('unknown');
    await expectFailure(store!.load(place, PATIENT_MS), 'CONNECTION_LOST', 'unknown');
    await expectFailure(store!.list(place, PATIENT_MS), 'CONNECTION_LOST', 'unknown');
    await expectFailure(store!.erase(place, revision, PATIENT_MS), 'CONNECTION_LOST', 'unknown');
    expect(await readTexts(other!, place)).toEqual(['x']);
  },

  async 'leaves other connections alone when one is closed'(stage) {
    const [one, two] = await stage.stores(2);
    const revision = await write(one!, placeOf('a'), 0, 'x');
    await one!.close();
    expect(two!.isConnected).toBe(true);
    await write(two!, placeOf('a'), revision, 'y');
  },
};
