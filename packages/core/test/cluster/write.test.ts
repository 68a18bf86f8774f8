import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { writeUntilKnown } from '../../src/cluster/write.ts';
import { Bucket, FULL, TestStore } from './bucket.ts';
import type { Effect, Operation } from './bucket.ts';
import { skewedClock } from './skewed-clock.ts';

const ACK_MS = 100;
const PAUSE_MS = 50;

/** The effects of the operations in their order; what comes later is done at once. */
function start(...effects: (Effect | undefined)[]) {
  const clock = skewedClock();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  store.effect = () => effects.shift();
  const wanted = { isWanted: true };
  const write = (revision: number, value = 'mine') =>
    writeUntilKnown(
      { store, clock, timing: { ackTimeoutMs: ACK_MS } },
      { key: 'k', revision, value, isWanted: () => wanted.isWanted },
    );
  const kinds = (): string => store.operations.map(({ kind }: Operation) => kind).join(' ');
  return { clock, bucket, store, write, wanted, kinds };
}

describe('a write', () => {
  test('that is acknowledged is done after one sending', async () => {
    const { write, kinds } = start();
    expect(await write(0)).toEqual({ kind: 'acked', entry: { key: 'k', revision: 1, value: 'mine' } });
    expect(kinds()).toBe('cas');
  });

  test('that is lost is read back: another value came first', async () => {
    const { write, bucket, kinds } = start();
    const theirs = bucket.put('k', 'theirs');
    expect(await write(0)).toEqual({ kind: 'lost', newest: theirs });
    expect(kinds()).toBe('cas read');
  });

  test('whose answer never came, and that was done, is recognised by its bytes', async () => {
    const { write, clock, bucket, kinds } = start('answer lost');
    const result = write(0);
    await clock.advance(ACK_MS);
    expect(await result).toEqual({ kind: 'acked', entry: { key: 'k', revision: 1, value: 'mine' } });
    expect(kinds()).toBe('cas read');
    expect(bucket.writes).toHaveLength(1);
  });

  test('that never arrived is sent again with the same bytes and revision', async () => {
    const { write, clock, store, bucket } = start('lost');
    const before = bucket.put('k', 'before');
    const result = write(before.revision);
    await clock.advance(ACK_MS + PAUSE_MS - 1);
    expect(store.sent('k')).toHaveLength(1);
    await clock.advance(1);
    expect(await result).toMatchObject({ kind: 'acked', entry: { revision: 2 } });
    expect(store.sent('k')).toHaveLength(2);
    expect(store.sent('k')[1]).toEqual(store.sent('k')[0]);
  });

  test('that loses to its own earlier sending is acknowledged', async () => {
    const gate = deferred();
    const { write, clock, kinds, bucket } = start({ until: gate.promise }, undefined, {
      until: gate.promise,
    });
    const result = write(0);
    await clock.advance(ACK_MS + PAUSE_MS);
    gate.resolve();
    expect(await result).toMatchObject({ kind: 'acked', entry: { revision: 1 } });
    expect(kinds()).toBe('cas read cas read');
    expect(bucket.writes).toHaveLength(1);
  });

  test('that is undecided is sent again', async () => {
    const { write, clock, kinds } = start('undecided', undefined, 'undecided');
    const result = write(0);
    await clock.advance(2 * PAUSE_MS);
    expect(await result).toMatchObject({ kind: 'acked' });
    expect(kinds()).toBe('cas read cas read cas');
  });

  test('that is lost does not believe a read that is older than what won', async () => {
    const old = { key: 'k', revision: 1, value: 'old' };
    const { write, clock, bucket, kinds } = start(undefined, { told: [old] }, { told: [old] });
    bucket.put('k', 'old');
    const theirs = bucket.put('k', 'theirs');
    const result = write(1);
    await clock.advance(2 * PAUSE_MS);
    expect(await result).toEqual({ kind: 'lost', newest: theirs });
    expect(kinds()).toBe('cas read read read');
  });

  test('of a key that was never written does not believe a read without an answer to a loss', async () => {
    const { write, clock, bucket, kinds } = start(undefined, { told: [] });
    const theirs = bucket.put('k', 'theirs');
    const result = write(0);
    await clock.advance(PAUSE_MS);
    expect(await result).toEqual({ kind: 'lost', newest: theirs });
    expect(kinds()).toBe('cas read read');
  });

  test('whose outcome and reading back are both unknown is sent again', async () => {
    const { write, clock, kinds } = start('lost', 'lost');
    const result = write(0);
    await clock.advance(2 * ACK_MS + PAUSE_MS);
    expect(await result).toMatchObject({ kind: 'acked' });
    expect(kinds()).toBe('cas read cas');
  });

  test('of a key that is gone, and with it perhaps the bucket, is lost', async () => {
    const { write, clock, bucket } = start('lost');
    bucket.put('k', 'before');
    bucket.lose();
    const result = write(1);
    await clock.advance(ACK_MS);
    expect(await result).toEqual({ kind: 'lost', newest: undefined });
  });

  test('of a key that was deleted is lost to the deletion', async () => {
    const { write, bucket } = start();
    bucket.put('k', 'before');
    bucket.put('k', undefined);
    expect(await write(1)).toEqual({ kind: 'lost', newest: { key: 'k', revision: 2, value: undefined } });
  });
});

describe('a write that is no longer wanted', () => {
  test('is not sent at all', async () => {
    const { write, wanted, kinds } = start();
    wanted.isWanted = false;
    expect(await write(0)).toEqual({ kind: 'given-up' });
    expect(kinds()).toBe('');
  });

  test('is not sent again', async () => {
    const { write, wanted, clock, kinds } = start('lost');
    const result = write(0);
    wanted.isWanted = false;
    await clock.advance(ACK_MS);
    expect(await result).toEqual({ kind: 'given-up' });
    expect(kinds()).toBe('cas');
  });

  test('is not read back for ever', async () => {
    const { write, wanted, clock, bucket, kinds } = start(undefined, { told: [] });
    bucket.put('k', 'theirs');
    const result = write(0);
    await clock.advance(0);
    wanted.isWanted = false;
    await clock.advance(PAUSE_MS);
    expect(await result).toEqual({ kind: 'given-up' });
    expect(kinds()).toBe('cas read');
  });

  test('that is refused is sent again after pauses that double up to the time an answer may take', async () => {
    const { clock, store, write, wanted } = start();
    store.effect = ({ kind }) => (kind === 'cas' ? { refusal: FULL } : undefined);
    const result = write(0);
    const sentAt: number[] = [];
    for (let ms = 0; ms <= 500; ms += 50) {
      await clock.advance(ms === 0 ? 0 : 50);
      while (sentAt.length < store.sent('k').length) sentAt.push(ms);
    }
    expect(sentAt).toEqual([0, 50, 150, 250, 350, 450]);
    wanted.isWanted = false;
    await clock.advance(ACK_MS);
    expect(await result).toEqual({ kind: 'given-up' });
  });

  test('reports each attempt that decided nothing, with its refusal, and ends with the error thrown then', async () => {
    const { clock, store } = start();
    const told: unknown[] = [];
    const effects: (Effect | undefined)[] = [
      { refusal: FULL },
      undefined,
      'lost',
      undefined,
      'lost',
      { refusal: FULL },
    ];
    store.effect = () => effects.shift();
    const enough = new Error('enough');
    const result = writeUntilKnown(
      { store, clock, timing: { ackTimeoutMs: ACK_MS } },
      {
        key: 'k',
        revision: 0,
        value: 'mine',
        isWanted: () => true,
        onFailure: (refusal) => {
          if (told.push(refusal) === 3) throw enough;
        },
      },
    ).catch((error: unknown) => error);
    await clock.advance(1_000);
    expect(await result).toBe(enough);
    expect(told).toEqual([FULL, undefined, FULL]);
  });
});
