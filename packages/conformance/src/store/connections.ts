/** A connection that breaks: what is known of writes, what fails at once, and what comes back. */
import { expect } from 'vitest';
import { expectFailure } from '../failure.ts';
import { Hearing, PATIENT_MS, SHORT_MS, nextConnection, write } from './stage.ts';
import type { StoreBehaviours, StoreStage } from './stage.ts';

/** Longer than a behaviour may take. */
const NEVER_MS = 60_000;

export const connections: StoreBehaviours = {
  async 'is connected from the start'(stage) {
    expect((await stage.bare()).isConnected).toBe(true);
  },

  async 'reports once that it is cut off, and once that it is back'(stage) {
    const member = await stage.member();
    const { store } = member;
    const events: boolean[] = [];
    store.onConnection((isConnected) => {
      expect(store.isConnected).toBe(isConnected);
      events.push(isConnected);
    });
    await cut(member);
    expect(store.isConnected).toBe(false);
    await member.restore();
    expect(store.isConnected).toBe(true);
    await cut(member);
    await member.restore();
    expect(events).toEqual([false, true, false, true]);
  },

  async 'reports nothing to a listener that was removed'(stage) {
    const member = await stage.member();
    const events: boolean[] = [];
    const stop = member.store.onConnection((isConnected) => events.push(isConnected));
    stop();
    stop();
    await cut(member);
    await member.restore();
    expect(events).toEqual([]);
  },

  async 'answers unknown while it is cut off, and does not send the write later'(stage) {
    const { member, other } = await pair(stage);
    await cut(member);
    expect(await member.store.cas('h.a', 0, 'x', NEVER_MS)).toEqual({ kind: 'unknown' });
    await member.restore();
    await member.store.list(PATIENT_MS); // what was sent before would be done before
    expect(await other.read('h.a', PATIENT_MS)).toBeUndefined();
    await write(member.store, 'h.a', 0, 'later');
  },

  async 'rejects reads and lists as CONNECTION_LOST while it is cut off'(stage) {
    const { member } = await pair(stage);
    await cut(member);
    await expectFailure(member.store.read('h.a', NEVER_MS), 'CONNECTION_LOST', 'unknown');
    await expectFailure(member.store.list(NEVER_MS), 'CONNECTION_LOST', 'unknown');
    await member.restore();
    expect(await member.store.list(PATIENT_MS)).toHaveLength(1);
  },

  async 'settles the calls that wait for an answer when it is cut off, long before their timeout'(stage) {
    const { member } = await pair(stage);
    member.loseAnswers();
    const { store } = member;
    const calls = [store.cas('h.a', 0, 'x', NEVER_MS), store.cas('h.b', 0, 'x', NEVER_MS)];
    const failures = [
      expectFailure(store.read('h.a', NEVER_MS), 'CONNECTION_LOST', 'unknown'),
      expectFailure(store.list(NEVER_MS), 'CONNECTION_LOST', 'unknown'),
    ];
    await cut(member);
    expect(await Promise.all(calls)).toEqual([{ kind: 'unknown' }, { kind: 'unknown' }]);
    await Promise.all(failures);
  },

  async 'answers unknown when the answer is lost: the write was applied, and its repeat is lost'(stage) {
    const { member, other } = await pair(stage);
    const heard = new Hearing(other, 'h.*');
    member.loseAnswers();
    expect(await member.store.cas('h.a', 0, 'nonce', SHORT_MS)).toEqual({ kind: 'unknown' });
    await heard.hears('h.a', 'nonce');
    await member.restore();
    expect(await member.store.cas('h.a', 0, 'nonce', PATIENT_MS)).toEqual({ kind: 'lost' });
    const own = await member.store.read('h.a', PATIENT_MS);
    expect(own).toMatchObject({ value: 'nonce' });
    expect(heard.valuesOf('h.a')).toEqual(['nonce']);
    await write(member.store, 'h.a', own!.revision, 'next');
  },

  async 'answers unknown when the request is lost: nothing was written, and its repeat is applied'(stage) {
    const { member, other } = await pair(stage);
    member.loseEverything();
    expect(await member.store.cas('h.a', 0, 'nonce', SHORT_MS)).toEqual({ kind: 'unknown' });
    await member.restore();
    expect(await other.read('h.a', PATIENT_MS)).toBeUndefined();
    await write(member.store, 'h.a', 0, 'nonce');
  },

  async 'rejects reads and lists as TIMEOUT when no answer comes in time'(stage) {
    const { member } = await pair(stage);
    member.loseAnswers();
    await Promise.all([
      expectFailure(member.store.read('h.a', SHORT_MS), 'TIMEOUT', 'unknown'),
      expectFailure(member.store.list(SHORT_MS), 'TIMEOUT', 'unknown'),
    ]);
  },

  async 'reports the gap to its watches when it is back, then the newest writes, missed ones included'(
    stage,
  ) {
    const { member, other } = await pair(stage);
    const a = await write(other, 'h.a', 0, 'before');
    const heard = new Hearing(member.store, 'h.*');
    await heard.hears('h.a', 'before');
    await cut(member);
    await write(other, 'h.a', a, 'meanwhile');
    const b = await write(other, 'h.b', 0, 'gone');
    await write(other, 'h.b', b, undefined);
    await member.restore();
    await heard.until(() => heard.gaps > 0);
    expect(heard.entries.map(({ value }) => value)).toEqual(['before']);
    await heard.hears('h.a', 'meanwhile');
    await heard.hears('h.b', undefined);
    await write(other, 'h.c', 0, 'after');
    await heard.hears('h.c', 'after');
    expect(heard.valuesOf('h.b')).toEqual([undefined]);
  },

  async 'starts a watch that was made while it was cut off once it is back'(stage) {
    const { member, other } = await pair(stage);
    await cut(member);
    const heard = new Hearing(member.store, 'h.*');
    await write(other, 'h.a', 0, 'x');
    expect(heard.entries).toEqual([]);
    await member.restore();
    await heard.hears('h.a', 'x');
  },

  async 'delivers nothing to a watch that was closed while it was cut off'(stage) {
    const { member, other } = await pair(stage);
    const [closed, open] = [new Hearing(member.store, 'h.*'), new Hearing(member.store, 'h.*')];
    await cut(member);
    closed.watch.close();
    await member.restore();
    await write(other, 'h.a', 0, 'x');
    await open.hears('h.a', 'x');
    expect([closed.entries, closed.gaps]).toEqual([[], 0]);
  },

  async 'leaves other members alone when one is cut off'(stage) {
    const { member, other } = await pair(stage);
    const heard = new Hearing(other, 'h.*');
    const events: boolean[] = [];
    other.onConnection((isConnected) => events.push(isConnected));
    await cut(member);
    await write(other, 'h.a', 0, 'x');
    await heard.hears('h.a', 'x');
    await member.restore();
    expect([heard.gaps, events]).toEqual([0, []]);
  },
};

async function pair(stage: StoreStage) {
  const other = await stage.store();
  return { member: await stage.member(), other };
}

async function cut(member: Awaited<ReturnType<StoreStage['member']>>): Promise<void> {
  const noticed = nextConnection(member.store, false);
  member.cut();
  await noticed;
}
