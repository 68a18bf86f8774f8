/** Stores that are closed, and buckets that are deleted under everybody. */
import { CONFIG_KEY } from '@clstr/core/store';
import { expect } from 'vitest';
import { expectFailure } from '../failure.ts';
import { Hearing, PATIENT_MS, createBucket, makeBucket, write } from './stage.ts';
import type { StoreBehaviours } from './stage.ts';

export const closing: StoreBehaviours = {
  async 'closes once, however often close is called, and reports nothing'(stage) {
    const store = await stage.store();
    const events: boolean[] = [];
    store.onConnection((isConnected) => events.push(isConnected));
    await Promise.all([store.close(), store.close()]);
    await store.close();
    expect([store.isConnected, events]).toEqual([false, []]);
  },

  async 'answers unknown, rejects reads as CONNECTION_LOST and watches nothing once it is closed'(stage) {
    const [store, other] = [await stage.store(), await stage.store()];
    await write(other, 'h.a', 0, 'x');
    await store.close();
    expect(await store.cas('h.a', 2, 'y', PATIENT_MS)).toEqual({ kind: 'unknown' });
    await expectFailure(store.read('h.a', PATIENT_MS), 'CONNECTION_LOST', 'unknown');
    await expectFailure(store.list(PATIENT_MS), 'CONNECTION_LOST', 'unknown');
    const heard = new Hearing(store, 'h.*');
    heard.watch.close();
    expect(await other.read('h.a', PATIENT_MS)).toMatchObject({ value: 'x' });
    expect([heard.entries, heard.gaps]).toEqual([[], 0]);
  },

  async 'settles the calls that wait for an answer when it is closed'(stage) {
    await stage.store();
    const member = await stage.member();
    member.loseAnswers();
    const answer = member.store.cas('h.a', 0, 'x', 60_000);
    const reads = [
      expectFailure(member.store.read('h.a', 60_000), 'CONNECTION_LOST', 'unknown'),
      expectFailure(member.store.list(60_000), 'CONNECTION_LOST', 'unknown'),
    ];
    await member.store.close();
    expect(await answer).toEqual({ kind: 'unknown' });
    await Promise.all(reads);
  },

  async 'ends its watches, and leaves other members alone'(stage) {
    const [store, other] = [await stage.store(), await stage.store()];
    const [closed, open] = [new Hearing(store, 'h.*'), new Hearing(other, 'h.*')];
    await write(other, 'h.a', 0, 'before');
    await Promise.all([closed.hears('h.a', 'before'), open.hears('h.a', 'before')]);
    await store.close();
    await write(other, 'h.b', 0, 'after');
    await open.hears('h.b', 'after');
    expect([closed.valuesOf('h.b'), closed.gaps, other.isConnected]).toEqual([[], 0, true]);
  },

  async 'keeps what was written for members that connect later'(stage) {
    const store = await stage.store();
    const revision = await write(store, 'h.a', 0, 'x');
    await store.close();
    const later = await stage.bare();
    expect(await later.read('h.a', PATIENT_MS)).toEqual({ key: 'h.a', revision, value: 'x' });
  },
};

export const lostBuckets: StoreBehaviours = {
  async 'reads undefined, lists nothing and answers unknown once the bucket is deleted'(stage) {
    const store = await stage.store();
    const revision = await write(store, 'h.a', 0, 'x');
    await stage.deleteBucket();
    expect(await store.read('h.a', PATIENT_MS)).toBeUndefined();
    expect(await store.list(PATIENT_MS)).toEqual([]);
    expect(await store.cas('h.a', revision, 'y', PATIENT_MS)).toEqual({ kind: 'unknown' });
    expect(await store.cas('h.b', 0, 'y', PATIENT_MS)).toEqual({ kind: 'unknown' });
    expect(store.isConnected).toBe(true);
  },

  async 'delivers no entry to a watch when the bucket is deleted'(stage) {
    const [store, other] = [await stage.store(), await stage.store()];
    const heard = new Hearing(store, 'h.*');
    await write(other, 'h.a', 0, 'x');
    await heard.hears('h.a', 'x');
    await stage.deleteBucket();
    // Round trips on the watching connection: notices that were sent before them have arrived.
    for (let i = 0; i < 10; i++) await store.read('h.a', PATIENT_MS);
    expect(heard.entries).toHaveLength(1);
  },

  async 'creates the bucket again with a write of cfg, and numbers its writes from 1'(stage) {
    const [store, other] = [await stage.store(), await stage.store()];
    await write(store, 'h.a', await write(store, 'h.a', 0, 'x'), 'y');
    await stage.deleteBucket();
    expect(await other.cas(CONFIG_KEY, 0, 'second', PATIENT_MS)).toEqual({ kind: 'acked', revision: 1 });
    expect(await store.read(CONFIG_KEY, PATIENT_MS)).toMatchObject({ value: 'second', revision: 1 });
    expect(await store.read('h.a', PATIENT_MS)).toBeUndefined();
    expect(await write(store, 'h.a', 0, 'again')).toBe(2);
  },

  async 'refuses revisions of the previous bucket as lost'(stage) {
    const store = await stage.store();
    const revision = await write(store, 'h.a', await write(store, 'h.a', 0, 'x'), 'y');
    await stage.deleteBucket();
    await createBucket(store);
    expect(await store.cas('h.a', revision, 'z', PATIENT_MS)).toEqual({ kind: 'lost' });
    expect(await store.read('h.a', PATIENT_MS)).toBeUndefined();
  },

  async 'lets exactly one of several members create the bucket again'(stage) {
    const stores = [await stage.store(), await stage.store(), await stage.store()];
    await stage.deleteBucket();
    const kinds = await Promise.all(stores.map((store, i) => makeBucket(store, `by ${i}`)));
    const values = await Promise.all(stores.map((store) => store.read(CONFIG_KEY, PATIENT_MS)));
    // The one that won may have heard so only when it asked again, and then it heard `lost`.
    expect(kinds.filter((kind) => kind === 'acked').length).toBeLessThanOrEqual(1);
    expect(kinds).not.toContain('unknown');
    expect(new Set(values.map((entry) => entry?.value)).size).toBe(1);
    expect(values[0]?.value).toMatch(/^by [012]$/);
  },

  async 'delivers what is written in the new bucket to a watch of it'(stage) {
    const store = await stage.store();
    await write(store, 'h.old', 0, 'x');
    await stage.deleteBucket();
    await createBucket(store);
    const heard = new Hearing(store, 'h.*');
    await write(store, 'h.new', 0, 'y');
    await heard.hears('h.new', 'y');
    expect(heard.entries.map(({ key }) => key)).toEqual(['h.new']);
  },
};
