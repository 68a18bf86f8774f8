import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { Monitor } from '../../src/cluster/monitor.ts';
import { HeartbeatSession } from '../../src/cluster/heartbeat-session.ts';
import type { StoreEntry } from '../../src/cluster/store.ts';
import { Bucket, TestStore } from './bucket.ts';
import { countingRandom, createLedger, heartbeat, member, timing } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

/** The monitor of one node, which is checked every heartbeat, as its run does it. */
function start(nodeId = 'me') {
  const clock = skewedClock();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  const options = { nodeId, inc: 'i', store, timing, clock, random: countingRandom() };
  const session = new HeartbeatSession(options, {
    onLeaseExpired: () => {
      monitor.suspend();
    },
    onValid: () => undefined,
    onFenced: () => undefined,
  });
  const ledger = createLedger(options);
  const listener = {
    onEntry: (entry: StoreEntry) => ledger.learn(entry),
    onGap: () => {
      monitor.suspend();
    },
  };
  const monitor: Monitor = new Monitor({
    nodeId,
    seed: '',
    ledger,
    session,
    watch: (pattern) => store.watch(pattern, listener),
  });
  session.begin(bucket.put(`h.${nodeId}`, session.nextBeat()).revision, session.now());
  const put = (key: string, record: object): void => {
    ledger.learn(bucket.put(key, record));
  };
  const join = (id: string, inc = 'x'): void => {
    put(`h.${id}`, heartbeat(inc));
    put(`m.${id}`, member(inc));
  };
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= timing.heartbeatMs) {
      await clock.advance(Math.min(left, timing.heartbeatMs));
      monitor.check();
      await clock.advance(0);
    }
  };
  return { clock, bucket, store, session, ledger, monitor, put, join, advance };
}

describe('the ring', () => {
  const ids = Array.from({ length: 8 }, (_, i) => `n${i}`);

  function watchedBy(me: string): string[] {
    const { monitor, join, store } = start(me);
    for (const id of ids) if (id !== me) join(id);
    monitor.assign();
    return store.watched.map((pattern) => pattern.slice(2));
  }

  test('gives each node three to watch, and each node three that watch it', () => {
    const watched = ids.flatMap((id) => watchedBy(id));
    expect(watched).toHaveLength(3 * ids.length);
    for (const id of ids) expect(watched.filter((other) => other === id)).toHaveLength(3);
  });

  test('lets no node watch itself, or another twice', () => {
    for (const id of ids) {
      const watched = watchedBy(id);
      expect(watched).not.toContain(id);
      expect(new Set(watched).size).toBe(3);
    }
  });

  test('of three has two for each to watch', () => {
    const { monitor, join, store } = start();
    join('a');
    join('b');
    monitor.assign();
    expect(store.watched.sort()).toEqual(['h.a', 'h.b']);
  });

  test('leaves out nodes that are dead or have left, and closes the watches of nodes that go', () => {
    const { monitor, join, put, store } = start();
    for (const id of ['a', 'b', 'c']) join(id);
    monitor.assign();
    put('m.a', member('x', 'left'));
    put('h.b', heartbeat('x', { isDead: true }));
    monitor.assign();
    expect(store.watched).toEqual(['h.c']);
    monitor.close();
    expect(store.watched).toEqual([]);
  });
});

describe('a node that is silent', () => {
  test('is declared dead after the whole expiry, by the acknowledged write of the dead mark', async () => {
    const { monitor, join, advance, bucket } = start();
    join('a');
    monitor.assign();
    await advance(timing.expiryMs - 1);
    expect(bucket.record('h.a')).toMatchObject({ isDead: false });
    await advance(1);
    expect(bucket.record('h.a')).toMatchObject({ inc: 'x', beat: 1, isDead: true });
    expect(bucket.record('m.a')).toMatchObject({ inc: 'x', state: 'dead' });
  });

  test('is given the time that its own lease takes', async () => {
    const { monitor, put, advance, bucket } = start();
    put('h.a', heartbeat('x', { leaseMs: 9_900 }));
    put('m.a', member('x'));
    monitor.assign();
    await advance(10_400);
    expect(bucket.record('h.a')).toMatchObject({ isDead: false });
    await advance(300);
    expect(bucket.record('h.a')).toMatchObject({ isDead: true });
  });

  test('lives as long as its heartbeats come', async () => {
    const { monitor, join, advance, bucket } = start();
    join('a');
    monitor.assign();
    for (let i = 0; i < 10; i++) {
      await advance(2_000);
      bucket.put('h.a', heartbeat('x', { beat: i + 2 }));
    }
    expect(bucket.record('h.a')).toMatchObject({ isDead: false });
  });

  test('and whose heartbeat came first loses nothing: the mark was a compare-and-set', async () => {
    const { monitor, join, advance, bucket, store, ledger } = start();
    join('a');
    monitor.assign();
    store.isDeaf = true;
    await advance(timing.expiryMs - 300);
    bucket.put('h.a', heartbeat('x', { beat: 2 }));
    await advance(600);
    expect(store.sent('h.a')).toHaveLength(1);
    expect(bucket.record('h.a')).toMatchObject({ beat: 2, isDead: false });
    expect(ledger.isAlive('a')).toBe(true);
    expect(bucket.record('m.a')).toMatchObject({ state: 'up' });
  });

  test('is alive until the mark is acknowledged, however often it is sent', async () => {
    const { monitor, join, advance, bucket, store, ledger } = start();
    join('a');
    monitor.assign();
    store.effect = ({ kind, key }) => (kind === 'cas' && key === 'h.a' ? 'lost' : undefined);
    await advance(timing.expiryMs + 900);
    expect(store.sent('h.a').length).toBeGreaterThan(1);
    expect(ledger.isAlive('a')).toBe(true);
    expect(bucket.record('m.a')).toMatchObject({ state: 'up' });
  });

  test('and sends heartbeats again while the mark is in flight is left alone', async () => {
    const { monitor, join, advance, bucket, store, ledger } = start();
    join('a');
    monitor.assign();
    store.effect = ({ kind, key }) => (kind === 'cas' && key === 'h.a' ? 'lost' : undefined);
    await advance(timing.expiryMs);
    bucket.put('h.a', heartbeat('x', { beat: 2 }));
    store.effect = () => undefined;
    await advance(900);
    expect(store.sent('h.a')).toHaveLength(1);
    expect(ledger.isAlive('a')).toBe(true);
  });

  test('without any known heartbeat, or with a dead one of another run, is not suspected', async () => {
    const { monitor, put, advance, store } = start();
    put('m.a', member('x'));
    put('h.b', heartbeat('before', { isDead: true }));
    put('m.b', member('x'));
    monitor.assign();
    await advance(30_000);
    expect([...store.sent('h.a'), ...store.sent('h.b'), ...store.sent('m.b')]).toEqual([]);
  });
});

describe('the timers start anew', () => {
  async function silentFor(ms: number, interruption: (context: ReturnType<typeof start>) => unknown) {
    const context = start();
    context.join('a');
    context.monitor.assign();
    await context.advance(2_000);
    await interruption(context);
    await context.advance(ms);
    return context.bucket.record('h.a')!.isDead;
  }

  test.each([
    [
      'was disconnected',
      ({ store, advance }: ReturnType<typeof start>) => {
        store.become(false);
        return advance(300).then(() => {
          store.become(true);
        });
      },
    ],
    [
      'missed part of a watch',
      ({ store }: ReturnType<typeof start>) => {
        store.gap();
      },
    ],
    [
      'stood still',
      ({ monitor }: ReturnType<typeof start>) => {
        monitor.suspend();
      },
    ],
  ])('when the monitor itself %s', async (_what, interruption) => {
    expect(await silentFor(timing.expiryMs - 1, interruption)).toBe(false);
    expect(await silentFor(timing.expiryMs + 300, interruption)).toBe(true);
  });

  test('when the monitor itself had no lease: it has to keep one for an expiry first', async () => {
    const expire = async ({ clock, session, advance }: ReturnType<typeof start>): Promise<void> => {
      clock.moveWall(10_000);
      expect(session.isValid()).toBe(false);
      await advance(300);
    };
    expect(await silentFor(timing.expiryMs - 301, expire)).toBe(false);
    expect(await silentFor(timing.expiryMs + 600, expire)).toBe(true);
  });

  test('and a monitor with a young lease does not judge, however long the others were silent', async () => {
    const { monitor, join, advance, bucket, clock, session, store } = start();
    join('a');
    monitor.assign();
    clock.moveWall(10_000);
    expect(session.isValid()).toBe(false);
    store.become(false);
    await clock.advance(1_500);
    store.become(true);
    await clock.advance(600);
    expect(session.isValid()).toBe(true);
    await advance(timing.expiryMs - 1_800);
    expect(bucket.record('h.a')).toMatchObject({ isDead: false });
    await advance(1_800);
    expect(bucket.record('h.a')).toMatchObject({ isDead: true });
  });

  test('so an outage of the store, however long, moves nothing', async () => {
    const { monitor, join, advance, bucket, store } = start();
    join('a');
    monitor.assign();
    store.become(false);
    await advance(60_000);
    store.become(true);
    await advance(timing.heartbeatMs);
    bucket.put('h.a', heartbeat('x', { beat: 2 }));
    await advance(1_000);
    expect(bucket.record('h.a')).toMatchObject({ beat: 2, isDead: false });
  });
});

describe('the back-stop', () => {
  function crowd() {
    const context = start();
    const ids = Array.from({ length: 6 }, (_, i) => `n${i}`);
    for (const id of ids) context.join(id);
    context.monitor.assign();
    const unwatched = ids.find((id) => !context.store.watched.includes(`h.${id}`))!;
    return { ...context, ids, unwatched };
  }

  test('declares a node dead that others should have watched, after three expiries', async () => {
    const { advance, bucket, unwatched } = crowd();
    await advance(3 * timing.expiryMs - 1);
    expect(bucket.record(`h.${unwatched}`)).toMatchObject({ isDead: false });
    await advance(timing.heartbeatMs);
    expect(bucket.record(`h.${unwatched}`)).toMatchObject({ isDead: true });
  });

  test('relies on the full lists', async () => {
    const { advance, bucket, put, unwatched } = crowd();
    for (let i = 0; i < 5; i++) {
      await advance(5_000);
      put(`h.${unwatched}`, heartbeat('x', { beat: i + 2 }));
    }
    expect(bucket.record(`h.${unwatched}`)).toMatchObject({ isDead: false });
  });
});

describe('a death', () => {
  test('that only the heartbeat record shows is published to all members', async () => {
    const { put, advance, bucket } = start();
    put('m.a', member('x'));
    put('h.a', heartbeat('x', { isDead: true }));
    await advance(timing.heartbeatMs);
    expect(bucket.record('m.a')).toMatchObject({ inc: 'x', state: 'dead' });
  });

  test('of a run that had not declared itself yet ends the member that the run before it was', async () => {
    const { put, advance, bucket } = start();
    put('m.a', member('before'));
    put('h.a', heartbeat('x', { isDead: true }));
    await advance(timing.heartbeatMs);
    expect(bucket.record('m.a')).toMatchObject({ inc: 'x', state: 'dead' });
  });

  test('is not written over the record of another run', async () => {
    const { put, advance, bucket, store } = start();
    put('h.a', heartbeat('x', { isDead: true }));
    put('m.a', member('x'));
    bucket.put('m.a', member('next'), false);
    await advance(600);
    expect(store.sent('m.a')).toHaveLength(1);
    expect(bucket.record('m.a')).toMatchObject({ inc: 'next', state: 'up' });
  });

  test.each(['left', 'dead'])('is not told of a node that is known as %s', async (state) => {
    const { put, advance, store } = start();
    put('m.a', member('x', state));
    put('h.a', heartbeat('x', { isDead: true }));
    await advance(1_000);
    expect(store.sent('m.a')).toEqual([]);
  });

  test('is published once at a time, and not when the record has changed in the meantime', async () => {
    const { put, advance, store, clock } = start();
    const gate = deferred();
    put('m.a', member('x'));
    put('h.a', heartbeat('x', { isDead: true }));
    store.effect = ({ key }) => (key === 'm.a' ? { until: gate.promise } : undefined);
    await advance(200);
    expect(store.sent('m.a')).toHaveLength(1);
    put('m.a', member('next'));
    await clock.advance(1_000);
    expect(store.sent('m.a')).toHaveLength(1);
    gate.resolve();
  });
});
