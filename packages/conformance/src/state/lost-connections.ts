/** Connections that are lost, and answers that never come: what is known, how soon, and what a later load says. */
import type { ClstrError } from '@clstr/core';
import type { StateStore } from '@clstr/core/store';
import { expect } from 'vitest';
import { expectFailure, failureOf } from '../failure.ts';
import { PATIENT_MS, SHORT_MS, eventually, placeOf, read, readTexts, recordOf, write } from './stage.ts';
import type { StateBehaviours } from './stage.ts';

/** Longer than a behaviour may take. */
const NEVER_MS = 60_000;

const place = placeOf('a');

export const lostConnections: StateBehaviours = {
  async 'answers unknown while it is cut off, and does not send the append later'(stage) {
    const other = await stage.store();
    const { store, faults } = await stage.faulty();
    faults.cut();
    for (let i = 0; i < 3; i++) {
      expect((await store.append(place, 0, recordOf('lost'), SHORT_MS)).kind).toBe('unknown');
    }
    faults.restore();
    await untilBack(store);
    expect(await read(other, place)).toEqual([]);
    await write(store, place, 0, 'later');
    expect(await readTexts(other, place)).toEqual(['later']);
  },

  async 'rejects loads, lists and erasures while it is cut off, and erases nothing later'(stage) {
    const other = await stage.store();
    const revision = await write(other, place, 0, 'stays');
    const { store, faults } = await stage.faulty();
    faults.cut();
    await expectAway(store.load(place, SHORT_MS));
    await expectAway(store.list(place, SHORT_MS));
    await expectAway(store.erase(place, revision, SHORT_MS));
    faults.restore();
    await untilBack(store);
    expect(await readTexts(other, place)).toEqual(['stays']);
    expect(await readTexts(store, place)).toEqual(['stays']);
  },

  async 'notices by itself that it is cut off, and that it is back, time and again'(stage) {
    const { store, faults } = await stage.faulty();
    let revision = 0;
    for (let round = 0; round < 3; round++) {
      faults.cut();
      await eventually(async () => !store.isConnected);
      faults.restore();
      await eventually(async () => store.isConnected);
      await untilBack(store);
      revision = await write(store, place, revision, `round ${round}`);
    }
    expect(await readTexts(store, place)).toEqual(['round 0', 'round 1', 'round 2']);
  },

  async 'settles the calls that wait for an answer when it is cut off, long before their time is over'(
    stage,
  ) {
    const { store, faults } = await stage.faulty();
    faults.loseAnswers();
    const settled = Promise.all([
      store.append(place, 0, recordOf('x'), NEVER_MS),
      expectFailure(store.load(place, NEVER_MS), 'CONNECTION_LOST', 'unknown'),
      expectFailure(store.list(place, NEVER_MS), 'CONNECTION_LOST', 'unknown'),
      expectFailure(store.erase(placeOf('b'), 1, NEVER_MS), 'CONNECTION_LOST', 'unknown'),
    ]);
    faults.cut();
    expect((await settled)[0].kind).toBe('unknown');
  },

  async 'settles the calls that wait for an answer when it is closed'(stage) {
    const { store, faults } = await stage.faulty();
    faults.loseAnswers();
    const settled = Promise.all([
      store.append(place, 0, recordOf('x'), NEVER_MS),
      expectFailure(store.load(place, NEVER_MS), 'CONNECTION_LOST', 'unknown'),
    ]);
    await store.close();
    expect((await settled)[0].kind).toBe('unknown');
  },

  async 'answers unknown when the answer is lost: the record is stored, and its repeat is lost'(stage) {
    const other = await stage.store();
    const { store, faults } = await stage.faulty();
    faults.loseAnswers();
    expect((await store.append(place, 0, recordOf('nonce'), SHORT_MS)).kind).toBe('unknown');
    await eventually(async () => (await read(other, place)).length === 1);
    faults.restore();
    await untilBack(store);
    expect(await store.append(place, 0, recordOf('nonce'), PATIENT_MS)).toEqual({ kind: 'lost' });
    const [newest, ...more] = await read(store, place);
    expect(more).toEqual([]);
    await write(store, place, newest!.revision, 'next');
    expect(await readTexts(other, place)).toEqual(['nonce', 'next']);
  },

  async 'answers unknown when the request is lost: nothing is stored, and its repeat is'(stage) {
    const other = await stage.store();
    const { store, faults } = await stage.faulty();
    faults.loseEverything();
    expect((await store.append(place, 0, recordOf('nonce'), SHORT_MS)).kind).toBe('unknown');
    faults.restore();
    await untilBack(store);
    expect(await read(other, place)).toEqual([]);
    await write(store, place, 0, 'nonce');
  },

  async 'rejects loads, lists and erasures when no answer comes in time'(stage) {
    const { store, faults } = await stage.faulty();
    faults.loseEverything();
    await expectFailure(store.load(place, SHORT_MS), 'TIMEOUT', 'unknown');
    await expectAway(store.list(place, SHORT_MS));
    await expectAway(store.erase(place, 1, SHORT_MS));
    faults.restore();
    await untilBack(store);
    expect(await read(store, place)).toEqual([]);
  },

  async 'leaves other connections alone when one is cut off'(stage) {
    const other = await stage.store();
    const { faults } = await stage.faulty();
    faults.cut();
    await write(other, place, 0, 'x');
    expect([other.isConnected, await readTexts(other, place)]).toEqual([true, ['x']]);
  },
};

/** A store may fail at once, or try to get its connection back as long as the call may take. */
async function expectAway(call: Promise<unknown>): Promise<void> {
  const { code, outcome }: ClstrError = await failureOf(call);
  expect(['CONNECTION_LOST', 'TIMEOUT']).toContain(code);
  expect(outcome).toBe('unknown');
}

async function untilBack(store: StateStore): Promise<void> {
  await eventually(() =>
    store.load(placeOf('nobody'), PATIENT_MS).then(
      () => true,
      () => false,
    ),
  );
  expect(store.isConnected).toBe(true);
}
