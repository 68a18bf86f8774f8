import { describe, expect, test } from 'vitest';
import { Absences } from '../../src/cluster/absences.ts';
import { HeartbeatSession } from '../../src/cluster/heartbeat-session.ts';
import { Bucket, TestStore } from './bucket.ts';
import { countingRandom, createLedger, heartbeat, member, owned, timing } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

/** What node `a` knows of absences, checked every heartbeat, as its run does it. Node `b` has no heartbeat. */
function start(records: Readonly<Record<string, object>>) {
  const clock = skewedClock();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  const options = { nodeId: 'a', inc: 'i', store, timing, clock, random: countingRandom() };
  const ignore = (): void => undefined;
  const session = new HeartbeatSession(options, {
    onLeaseExpired: ignore,
    onValid: ignore,
    onFenced: ignore,
  });
  const ledger = createLedger(options);
  const absences = new Absences(ledger, session);
  session.begin(bucket.put('h.a', session.nextBeat()).revision, session.now());
  const put = (key: string, record: object | undefined): void => {
    ledger.learn(bucket.put(key, record));
  };
  for (const [key, record] of Object.entries(records)) put(key, record);
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= timing.heartbeatMs) {
      await clock.advance(Math.min(left, timing.heartbeatMs));
      absences.check();
      await clock.advance(0);
    }
  };
  return { clock, bucket, store, session, absences, put, advance };
}

const NAMED: [string, Readonly<Record<string, object>>][] = [
  ['that owns a shard', { 's.0': owned(4, 'b', 'x') }],
  ['that is a member', { 'm.b': member('x') }],
  ['that is a member and drains', { 'm.b': member('x', 'draining') }],
  ['whose newest record says so, not an older run', { 's.0': owned(4, 'b', 'w'), 'm.b': member('x') }],
];

describe.each(NAMED)('a run %s and has no heartbeat', (_, records) => {
  test('is declared dead when full lists have shown none for an expiry', async () => {
    const { absences, advance, bucket } = start(records);
    absences.onList(() => false);
    await advance(timing.expiryMs - 1);
    expect(bucket.get('h.b')).toBeUndefined();
    await advance(1);
    expect(bucket.record('h.b')).toMatchObject({ inc: 'x', isDead: true });
  });

  test('is left alone when a list shows the heartbeat after all', async () => {
    const { absences, advance, store } = start(records);
    absences.onList(() => false);
    await advance(timing.expiryMs - 1);
    absences.onList(() => true);
    await advance(timing.expiryMs);
    expect(store.sent('h.b')).toEqual([]);
  });

  test('is left alone when its heartbeat comes before the mark', async () => {
    const { absences, advance, bucket, store } = start(records);
    absences.onList(() => false);
    await advance(timing.expiryMs - 1);
    bucket.put('h.b', heartbeat('x'), false);
    await advance(timing.expiryMs - 1);
    expect(store.sent('h.b')).toHaveLength(1);
    absences.onList(() => true);
    await advance(timing.expiryMs);
    expect(bucket.record('h.b')).toMatchObject({ isDead: false });
  });
});

describe('the absence of a heartbeat', () => {
  test('that was deleted an expiry ago is found out by the first write, and waited for once more', async () => {
    const { absences, advance, bucket, store } = start({ 'h.b': heartbeat('x'), 'm.b': member('x') });
    bucket.put('h.b', undefined, false);
    absences.onList(() => false);
    await advance(2 * timing.expiryMs - 1);
    expect(store.sent('h.b')).toHaveLength(1);
    await advance(timing.heartbeatMs);
    expect(bucket.record('h.b')).toMatchObject({ inc: 'x', isDead: true });
  });

  test('says nothing about a run that has left, or that another run has replaced', async () => {
    const { absences, advance, put, store } = start({ 's.0': owned(4, 'b', 'x') });
    put('m.b', member('y', 'left'));
    absences.onList(() => false);
    await advance(timing.expiryMs);
    expect(store.sent('h.b')).toEqual([]);
  });

  test('of one run is not counted against the next', async () => {
    const { absences, advance, put, store } = start({ 'm.b': member('x') });
    absences.onList(() => false);
    await advance(timing.expiryMs - 1);
    put('m.b', member('y'));
    absences.onList(() => false);
    await advance(timing.expiryMs - 1);
    expect(store.sent('h.b')).toEqual([]);
    await advance(1);
    expect(store.sent('h.b').map(({ value }) => value)).toEqual([expect.stringContaining('"inc":"y"')]);
  });

  test('is not judged without a lease, nor without a connection', async () => {
    const { absences, clock, store } = start({ 'm.b': member('x') });
    absences.onList(() => false);
    await clock.advance(timing.expiryMs);
    store.isConnected = false;
    absences.check();
    store.isConnected = true;
    clock.pause(timing.leaseMs);
    absences.check();
    expect(store.sent('h.b')).toEqual([]);
  });

  test('is marked by one write at a time', async () => {
    const { absences, clock, store } = start({ 'm.b': member('x') });
    absences.onList(() => false);
    await clock.advance(timing.expiryMs);
    absences.check();
    absences.check();
    expect(store.sent('h.b')).toHaveLength(1);
  });
});
