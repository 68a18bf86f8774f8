import { describe, expect, test } from 'vitest';
import { restoreEpochs } from '../../src/cluster/restoring.ts';
import { Bucket, TestStore } from './bucket.ts';
import { createLedger, owned, timing } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

function start(known: readonly (readonly [number, number])[]) {
  const clock = skewedClock();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  const restore = () => restoreEpochs(createLedger({ store, clock, highestEpochs: new Map(known) }));
  return { clock, bucket, store, restore };
}

describe('the epochs of a bucket that is lost', () => {
  test('are written where the next one knows less, and give nobody a shard', async () => {
    const { bucket, restore } = start([
      [0, 7],
      [1, 7],
    ]);
    bucket.put('s.1', owned(5, '', '', 'restored'));
    await restore();
    expect(bucket.record('s.0')).toMatchObject({ epoch: 7, owner: '', inc: '', state: 'restored' });
    expect(bucket.record('s.1')).toMatchObject({ epoch: 7, state: 'restored' });
  });

  test('replace a late record of an owner from an earlier bucket', async () => {
    const { bucket, restore } = start([[0, 7]]);
    bucket.put('s.0', { ...owned(1, 'b', 'x'), cluster: 'before' });
    await restore();
    expect(bucket.record('s.0')).toMatchObject({ epoch: 7, owner: '', inc: '', state: 'restored' });
  });

  test.each([
    ['somebody restored a higher one', owned(9, '', '', 'restored')],
    ['a shard has an owner', owned(1, 'b', 'x')],
    ['a shard was released', owned(1, 'b', 'x', 'released')],
  ])('are not written where %s', async (_what, record) => {
    const { bucket, store, restore } = start([[0, 7]]);
    bucket.put('s.0', record);
    await restore();
    expect(store.sent('s.0')).toEqual([]);
  });

  test('are not looked for by a process that knows none', async () => {
    const { store, restore } = start([]);
    await restore();
    expect(store.operations).toEqual([]);
  });

  test('are left to the next try when the list has no answer', async () => {
    const { clock, store, restore } = start([[0, 7]]);
    store.effect = () => 'lost';
    const restored = restore();
    await clock.advance(timing.ackTimeoutMs);
    await restored;
    expect(store.sent('s.0')).toEqual([]);
  });

  test('cost one round of unanswered writes at most, whatever the number of shards', async () => {
    const { clock, store, restore } = start(Array.from({ length: 500 }, (_, shard) => [shard, 1] as const));
    store.effect = ({ kind }) => (kind === 'cas' ? 'lost' : undefined);
    const restored = restore();
    await clock.advance(timing.ackTimeoutMs);
    await restored;
    expect(store.operations.filter(({ kind }) => kind === 'cas')).toHaveLength(64);
  });
});
