import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { HeartbeatSession } from '../../src/cluster/heartbeat-session.ts';
import { Bucket, TestStore } from './bucket.ts';
import { countingRandom, heartbeat, timing } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

/** Heartbeats every 300 ms, a lease of 1,800 ms after the guard. */
const LEASE_MS = timing.leaseMs - timing.guardMs;

function create() {
  const clock = skewedClock();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  const events: string[] = [];
  const session = new HeartbeatSession(
    { nodeId: 'a', inc: 'i', store, timing, clock, random: countingRandom() },
    {
      onLeaseExpired: () => events.push('expired'),
      onValid: () => events.push('valid'),
      onFenced: (reason) => events.push(`fenced: ${reason}`),
    },
  );
  return { clock, bucket, store, events, session };
}

/** Its first heartbeat is acknowledged as it begins. */
function start() {
  const created = create();
  const { bucket, session } = created;
  const from = session.now();
  session.begin(bucket.put('h.a', session.nextBeat()).revision, from);
  return created;
}

describe('a session', () => {
  test('is valid from its first heartbeat on', () => {
    const { session, events } = create();
    expect(session.isValid()).toBe(false);
    session.begin(1, session.now());
    expect(session.isValid()).toBe(true);
    expect(events).toEqual(['valid']);
  });

  test('whose first heartbeat was sent too long ago becomes valid with the next one', async () => {
    const { session, bucket, clock, events } = create();
    const from = session.now();
    await clock.advance(LEASE_MS + 1);
    session.begin(bucket.put('h.a', session.nextBeat()).revision, from);
    expect(session.isValid()).toBe(false);
    await clock.advance(timing.heartbeatMs);
    expect(session.isValid()).toBe(true);
    expect(events).toEqual(['valid']);
  });

  test('replaces its own record every heartbeat, each time with other bytes and the lease it takes', async () => {
    const { bucket, clock, store } = start();
    await clock.advance(3 * timing.heartbeatMs);
    const beats = bucket.writes.map(({ value }) => JSON.parse(value!) as { beat: number; nonce: string });
    expect(beats.map(({ beat }) => beat)).toEqual([1, 2, 3, 4]);
    expect(new Set(beats.map(({ nonce }) => nonce)).size).toBe(4);
    expect(beats[3]).toMatchObject({ inc: 'i', leaseMs: timing.leaseMs, isDead: false });
    expect(store.sent('h.a').map(({ revision }) => revision)).toEqual([1, 2, 3]);
  });

  test('counts its lease from when a heartbeat was first sent: repeats do not move it', async () => {
    const { session, store, clock, events } = start();
    // Sent at 300, four times in vain, acknowledged at 300 + 4 × (250 + 50); no later one is.
    store.effect = ({ kind }) => (kind === 'cas' && store.sent('h.a').length !== 5 ? 'lost' : undefined);
    await clock.advance(timing.heartbeatMs + 4 * (timing.ackTimeoutMs + 50));
    const sent = store.sent('h.a').slice(0, 5);
    expect(new Set(sent.map(({ value }) => value)).size).toBe(1);
    await clock.advance(LEASE_MS - 4 * (timing.ackTimeoutMs + 50));
    expect(session.isValid()).toBe(true);
    await clock.advance(1);
    expect(session.isValid()).toBe(false);
    expect(events).toEqual(['valid', 'expired']);
  });

  test('knows how long it has been valid without a break', async () => {
    const { session, clock, store } = start();
    await clock.advance(1_000);
    expect(session.validForMs).toBe(1_000);
    store.become(false);
    await clock.advance(3_000);
    expect(session.validForMs).toBe(0);
    store.become(true);
    await clock.advance(600);
    expect(session.validForMs).toBeGreaterThan(0);
    expect(session.validForMs).toBeLessThanOrEqual(600);
  });
});

describe('an expired lease', () => {
  test('is reported even when nothing asks', async () => {
    const { clock, store, events, session } = start();
    store.effect = () => 'lost';
    await clock.advance(LEASE_MS);
    expect(events).toEqual(['valid']);
    await clock.advance(2);
    expect(events).toEqual(['valid', 'expired']);
    expect(session.leaseTerm).toBe(1);
  });

  test('shows at the first check after a pause, before any timer has run', () => {
    const { clock, events, session } = start();
    clock.pause(LEASE_MS + 1);
    expect(events).toEqual(['valid']);
    expect(session.isValid()).toBe(false);
    expect(events).toEqual(['valid', 'expired']);
  });

  test('shows when the machine was suspended: the wall clock went on alone', () => {
    const { clock, session } = start();
    clock.moveWall(501);
    expect(session.isValid()).toBe(false);
  });

  test('ends with a heartbeat that was first sent after it', async () => {
    const { clock, session, events } = start();
    clock.pause(LEASE_MS + 1);
    expect(session.isValid()).toBe(false);
    await clock.advance(timing.heartbeatMs);
    expect(session.isValid()).toBe(true);
    expect(events).toEqual(['valid', 'expired', 'valid']);
  });

  test('does not end with the acknowledgement of a heartbeat sent before it', async () => {
    const { clock, session, store, events } = start();
    const gate = deferred();
    store.effect = () => ({ until: gate.promise });
    await clock.advance(timing.heartbeatMs);
    clock.moveWall(10_000);
    expect(session.isValid()).toBe(false);
    clock.moveWall(-10_000);
    gate.resolve();
    await clock.advance(1);
    expect(store.sent('h.a')).toHaveLength(1);
    expect(session.isValid()).toBe(false);
    await clock.advance(timing.heartbeatMs);
    expect(session.isValid()).toBe(true);
    expect(events).toEqual(['valid', 'expired', 'valid']);
  });

  test('counts even if it went unnoticed while a heartbeat was in flight', async () => {
    const { clock, session, store, events } = start();
    const gate = deferred();
    store.effect = () => (store.sent('h.a').length === 1 ? { until: gate.promise } : 'lost');
    await clock.advance(timing.heartbeatMs);
    clock.pause(LEASE_MS + 1);
    gate.resolve();
    await clock.advance(0);
    expect(events).toEqual(['valid', 'expired']);
    expect(session.leaseTerm).toBe(1);
  });
});

describe('a session is fenced', () => {
  test('when another has written its record', async () => {
    const { bucket, clock, events, session, store } = start();
    bucket.put('h.a', heartbeat('other'));
    await clock.advance(timing.heartbeatMs);
    expect(events).toEqual(['valid', 'fenced: another wrote its heartbeat record']);
    expect(session.isValid()).toBe(false);
    const sent = store.sent('h.a').length;
    await clock.advance(2 * timing.heartbeatMs);
    expect(store.sent('h.a')).toHaveLength(sent);
  });

  test('when its record carries the dead mark', async () => {
    const { bucket, clock, events } = start();
    bucket.put('h.a', heartbeat('i', { isDead: true }));
    await clock.advance(timing.heartbeatMs);
    expect(events).toEqual(['valid', 'fenced: another wrote its heartbeat record']);
  });

  test('when its record is gone, as after the loss of the bucket', async () => {
    const { bucket, clock, events } = start();
    bucket.lose();
    await clock.advance(timing.heartbeatMs + timing.ackTimeoutMs);
    expect(events).toEqual(['valid', 'fenced: its heartbeat record is gone']);
  });

  test('once, and sends nothing more', async () => {
    const { store, clock, events, session } = start();
    session.fence('told so');
    session.fence('again');
    await clock.advance(10_000);
    expect(events).toEqual(['valid', 'fenced: told so']);
    expect(store.sent('h.a')).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });
});

describe('confirm', () => {
  test('sends a heartbeat at once and is true when that is acknowledged', async () => {
    const { session, store } = start();
    expect(await session.confirm()).toBe(true);
    expect(store.sent('h.a')).toHaveLength(1);
  });

  test('does not count a heartbeat that is already in flight', async () => {
    const { session, store, clock } = start();
    const gates = [deferred(), deferred()];
    let sent = 0;
    store.effect = ({ kind }) => (kind === 'cas' ? { until: gates[sent++]!.promise } : undefined);
    await clock.advance(timing.heartbeatMs);
    const answers: boolean[] = [];
    void session.confirm().then((is) => answers.push(is));
    gates[0]!.resolve();
    await clock.advance(10);
    expect([answers, sent]).toEqual([[], 2]);
    gates[1]!.resolve();
    await clock.advance(0);
    expect(answers).toEqual([true]);
  });

  test('is false without a lease', async () => {
    const { session, clock } = start();
    clock.pause(LEASE_MS + 1);
    expect(await session.confirm()).toBe(false);
  });

  test('is false when the lease was over in between', async () => {
    const { session, clock, store } = start();
    const gate = deferred();
    store.effect = () => ({ until: gate.promise });
    const confirmed = session.confirm();
    await clock.advance(0);
    clock.pause(LEASE_MS + 1);
    gate.resolve();
    await clock.advance(0);
    expect(await confirmed).toBe(false);
  });

  test('is false when the session is fenced by it', async () => {
    const { session, bucket, events } = start();
    bucket.put('h.a', heartbeat('other'));
    expect(await session.confirm()).toBe(false);
    expect(events.at(-1)).toMatch(/^fenced/);
  });

  test('is false when the session ends', async () => {
    const { session, store } = start();
    store.effect = () => 'lost';
    const confirmed = session.confirm();
    const another = session.confirm();
    session.end();
    expect(await another).toBe(false);
    void confirmed;
  });
});

test('a session that has ended reports nothing, even if a heartbeat was in flight', async () => {
  const { session, store, clock, events, bucket } = start();
  const gate = deferred();
  store.effect = () => ({ until: gate.promise });
  await clock.advance(timing.heartbeatMs);
  session.end();
  session.end();
  gate.resolve();
  await clock.advance(10_000);
  expect(events).toEqual(['valid']);
  expect(session.isValid()).toBe(false);
  expect(bucket.writes).toHaveLength(2);
  expect(clock.timerCount).toBe(0);
});
