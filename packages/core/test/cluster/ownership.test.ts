import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { Ownership } from '../../src/cluster/ownership.ts';
import { HeartbeatSession } from '../../src/cluster/heartbeat-session.ts';
import type { StoreEntry } from '../../src/cluster/store.ts';
import type { Timing } from '../../src/cluster/timing.ts';
import { recordLog } from '@clstr/testing/internal';
import { Bucket, TestStore } from './bucket.ts';
import {
  countingRandom,
  createLedger,
  eventLine,
  heartbeat,
  member,
  owned,
  timing as fast,
} from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

const LEASE_MS = fast.leaseMs - fast.guardMs;

interface StartOptions {
  readonly numShards?: number;
  readonly timing?: Partial<Timing>;
  readonly isDeclared?: boolean;
  readonly isExclusive?: boolean;
  /** Written before this node begins. */
  readonly before?: Readonly<Record<string, object | string>>;
}

/** Node `a`, in its run `i`, which should own every shard that `desired` does not give away. */
async function start(options: StartOptions = {}) {
  const { numShards = 1, timing: own = {}, isDeclared = true, isExclusive = false, before = {} } = options;
  const timing = { ...fast, ...own };
  const clock = skewedClock();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  const events: string[] = [];
  const desired = new Map<number, string>();
  const logger = recordLog();
  const highestEpochs = new Map<number, number>();
  const writer = { nodeId: 'a', inc: 'i', store, timing, clock, random: countingRandom() };
  const session = new HeartbeatSession(writer, {
    onLeaseExpired: () => events.push('expired'),
    onValid: () => {
      ownership.reconcile();
    },
    onFenced: () => {
      void ownership.end();
    },
  });
  const ledger = createLedger(
    { ...writer, numShards: 1_024, highestEpochs },
    {
      onShard: (shard) => {
        ownership.onShard(shard);
      },
    },
  );
  const state = { isPlaced: true };
  const steps = {
    serve: (_shard: number): Promise<unknown> => Promise.resolve(),
    handOver: (_shard: number): Promise<unknown> => Promise.resolve(),
    drop: (_shard: number): Promise<unknown> => Promise.resolve(),
  };
  const ownership: Ownership = new Ownership({
    nodeId: 'a',
    inc: 'i',
    isExclusive,
    numShards,
    ledger,
    session,
    logger,
    host: {
      serve: async (shard) => {
        events.push(`serve ${shard}`);
        await steps.serve(shard);
      },
      handOver: async (shard) => {
        events.push(`handOver ${shard}`);
        await steps.handOver(shard);
        return undefined;
      },
      drop: async (shard) => {
        events.push(`drop ${shard}`);
        await steps.drop(shard);
      },
      onEvent: (event) => events.push(eventLine(event)),
    },
    isPlaced: () => state.isPlaced,
    desiredOwner: (shard) => desired.get(shard) ?? 'a',
  });
  for (const [key, record] of Object.entries(before)) bucket.put(key, record);
  store.watch('*', { onEntry: (entry: StoreEntry) => ledger.learn(entry), onGap: () => undefined });
  session.begin(bucket.put('h.a', session.nextBeat()).revision, session.now());
  if (isDeclared) bucket.put('m.a', member('i'));
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= timing.heartbeatMs) {
      await clock.advance(Math.min(left, timing.heartbeatMs));
      ownership.reconcile();
      await clock.advance(0);
    }
  };
  const changeMembers = (): void => {
    ownership.onMembersChanged();
  };
  await clock.advance(0);
  return {
    clock,
    bucket,
    store,
    session,
    ledger,
    ownership,
    events,
    desired,
    steps,
    advance,
    timing,
    changeMembers,
    logger,
    highestEpochs,
    state,
  };
}

const released = owned(4, 'b', 'x', 'released');

/** A node that holds shard 0 in epoch 5. */
async function holding(options: StartOptions = {}) {
  const context = await start({ before: { 's.0': released }, ...options });
  await context.advance(context.timing.stableMs);
  await context.advance(context.timing.stableMs);
  context.events.length = 0;
  return context;
}

describe('a shard is taken', () => {
  test('with one compare-and-set to the next epoch, then its subject, then it is served', async () => {
    const { ownership, advance, events, bucket, steps, clock } = await start({ before: { 's.0': released } });
    const gate = deferred();
    steps.serve = () => gate.promise;
    await advance(300);
    expect(bucket.record('s.0')).toMatchObject({ epoch: 5, owner: 'a', inc: 'i', state: 'owned' });
    expect(events).toEqual(['serve 0']);
    expect([ownership.admits(0), ownership.holds(0, 5), ownership.shards()]).toEqual([false, true, [0]]);
    gate.resolve();
    await clock.advance(0);
    expect(events).toEqual(['serve 0', 'acquired 0 in 5']);
    expect([ownership.admits(0), ownership.holds(0, 5), ownership.holds(0, 4)]).toEqual([true, true, false]);
    expect([ownership.epochOf(0), ownership.epochOf(7), ownership.admits(7)]).toEqual([5, undefined, false]);
  });

  test.each([
    ['was released', { 's.0': released }],
    [
      'names a run that was declared dead',
      { 's.0': owned(4, 'b', 'x'), 'h.b': heartbeat('x', { isDead: true }) },
    ],
    ['names a run that has left', { 's.0': owned(4, 'b', 'x'), 'm.b': member('x', 'left') }],
    ['names a run that another has replaced', { 's.0': owned(4, 'b', 'x'), 'm.b': member('y') }],
    ['names the run before this one', { 's.0': owned(4, 'a', 'before') }],
  ])('when its record %s', async (_what, before) => {
    const { advance, ownership } = await start({ before });
    await advance(300);
    expect(ownership.epochOf(0)).toBe(5);
  });

  test.each([
    ['is owned by a live run', { 's.0': owned(4, 'b', 'x'), 'h.b': heartbeat('x'), 'm.b': member('x') }],
    ['is owned by a run that drains', { 's.0': owned(4, 'b', 'x'), 'm.b': member('x', 'draining') }],
    [
      'names a run newer than the last word under its name',
      { 'm.b': member('y', 'left'), 's.0': owned(4, 'b', 'x') },
    ],
  ])('not when its record %s', async (_what, before) => {
    const { advance, ownership, store } = await start({ before });
    await advance(60_000);
    expect(ownership.shards()).toEqual([]);
    expect(store.sent('s.0')).toEqual([]);
  });

  test('in an epoch above every one that this process has known', async () => {
    const { advance, ownership, highestEpochs } = await start({ before: { 's.0': released } });
    highestEpochs.set(0, 9);
    await advance(300);
    expect(ownership.epochOf(0)).toBe(10);
  });

  test.each([
    ['at once, where the id is exclusive', true, 'owned', 1],
    ['at once, where the id is exclusive and it was released', true, 'released', 1],
    ['when membership has come to rest, where the id is not', false, 'owned', fast.stableMs],
  ] as const)('of a former run of its own %s', async (_when, isExclusive, state, afterMs) => {
    const { advance, ownership } = await start({
      isExclusive,
      before: { 's.0': owned(4, 'a', 'old', state) },
    });
    await advance(afterMs - 1);
    expect(ownership.epochOf(0)).toBe(isExclusive ? 5 : undefined);
    await advance(1);
    expect(ownership.epochOf(0)).toBe(5);
  });

  test('of a former run of its own not while members are yet to be placed', async () => {
    const { advance, bucket, store, state, ownership } = await start({
      isExclusive: true,
      isDeclared: false,
      before: { 's.0': owned(4, 'a', 'old') },
    });
    state.isPlaced = false;
    bucket.put('m.a', member('i'));
    await advance(10);
    expect(store.sent('s.0')).toEqual([]);
    state.isPlaced = true;
    ownership.reconcile();
    await advance(10);
    expect(ownership.epochOf(0)).toBe(5);
  });

  test('not when another node should have it', async () => {
    const { advance, store, desired } = await start({ before: { 's.0': released } });
    desired.set(0, 'b');
    await advance(10_000);
    expect(store.sent('s.0')).toEqual([]);
  });

  test('not before this run has declared itself: the record of the run before may pass for its own', async () => {
    const { advance, ownership, bucket, store } = await start({
      before: { 'm.a': member('before'), 's.0': released },
      isDeclared: false,
    });
    await advance(10_000);
    expect(store.sent('s.0')).toEqual([]);
    bucket.put('m.a', member('i'));
    await advance(300);
    expect(ownership.epochOf(0)).toBe(5);
  });

  test('not by two: the loser learns whose it is', async () => {
    const { advance, ownership, store, bucket, ledger } = await start({ before: { 's.0': released } });
    store.effect = ({ kind, key }) => {
      if (kind === 'cas' && key === 's.0') bucket.put('s.0', owned(5, 'b', 'x'), false);
      return undefined;
    };
    await advance(300);
    expect(ownership.shards()).toEqual([]);
    expect(ledger.shards.get(0)?.record).toMatchObject({ owner: 'b' });
  });

  test('not to be served when another node has taken it before the acknowledgement came', async () => {
    const { advance, ownership, store, bucket, events, ledger } = await start({
      before: { 's.0': released },
    });
    store.effect = ({ kind, key }) => (kind === 'cas' && key === 's.0' ? 'answer lost' : undefined);
    await advance(300);
    const mine = bucket.get('s.0')!;
    const theirs = bucket.put('s.0', owned(6, 'b', 'x'), false);
    store.effect = ({ kind, key }) => (kind === 'read' && key === 's.0' ? { told: [mine] } : undefined);
    ledger.learn(theirs);
    await advance(300);
    expect(events).not.toContain('serve 0');
    expect(ownership.shards()).toEqual([]);
    expect(events.filter((event) => event === 'lost 0')).toHaveLength(1);
  });

  test('and lost while its subject is being served is not served', async () => {
    const { advance, bucket, events, steps, clock } = await start({ before: { 's.0': released } });
    const gate = deferred();
    steps.serve = () => gate.promise;
    await advance(300);
    bucket.put('s.0', owned(6, 'b', 'x'));
    gate.resolve();
    await clock.advance(0);
    expect(events).toEqual(['serve 0', 'drop 0', 'lost 0']);
  });

  test('at once from a dead node, but nodes that start together let membership come to rest first', async () => {
    const { advance, ownership, changeMembers, clock } = await start({ before: { 's.0': released } });
    await clock.advance(200);
    changeMembers();
    await clock.advance(299);
    expect(ownership.shards()).toEqual([]);
    changeMembers();
    await clock.advance(50);
    changeMembers();
    await advance(51);
    expect(ownership.shards()).toEqual([0]);
  });
});

describe('a shard without a record', () => {
  test('is taken once an expiry has passed since this bucket was first seen', async () => {
    const { advance, ownership, store, timing } = await start();
    await advance(timing.expiryMs - 1);
    expect(store.sent('s.0')).toEqual([]);
    await advance(1);
    expect(ownership.epochOf(0)).toBe(1);
  });

  test('is served only after a heartbeat that was sent later is acknowledged', async () => {
    const { advance, ownership, store, timing, events, clock, session } = await start();
    const gate = deferred();
    store.effect = ({ key }) =>
      key === 'h.a' && store.sent('s.0').length > 0 ? { until: gate.promise } : undefined;
    await advance(timing.expiryMs);
    expect(ownership.holds(0, 1)).toBe(true);
    expect([events, ownership.admits(0)]).toEqual([[], false]);
    gate.resolve();
    await clock.advance(0);
    expect(session.isValid()).toBe(true);
    expect(events).toEqual(['serve 0', 'acquired 0 in 1']);
  });

  test('whose confirming heartbeat did not come in time is written once more', async () => {
    const { advance, ownership, store, timing, clock, events } = await start();
    const gates = [deferred(), deferred()];
    let held = 0;
    store.effect = ({ key, kind }) =>
      kind === 'cas' && key === 'h.a' && store.sent('s.0').length === 1 && held < 2
        ? { until: gates[held++]!.promise }
        : undefined;
    await advance(timing.expiryMs);
    clock.pause(LEASE_MS + 1);
    gates[0]!.resolve();
    await clock.advance(0);
    expect([ownership.shards(), ownership.admits(0)]).toEqual([[0], false]);
    // Somebody else may hold it by now: nobody is told that it came before a write proves it.
    expect(events).not.toContain('acquired 0 in 1');
    gates[1]!.resolve();
    await clock.advance(0);
    expect(store.sent('s.0')).toHaveLength(2);
    expect(events.filter((event) => event === 'acquired 0 in 1')).toHaveLength(1);
    expect([ownership.admits(0), ownership.epochOf(0)]).toEqual([true, 1]);
  });

  test('waits for the whole expiry in the bucket that it is in, not in one before', async () => {
    const { advance, ownership, timing } = await start();
    await advance(timing.expiryMs - 300);
    ownership.onBucket(false);
    await advance(timing.expiryMs - 1);
    expect(ownership.shards()).toEqual([]);
    await advance(300);
    expect(ownership.epochOf(0)).toBe(1);
  });

  test('in a bucket of its own making soon, and leaves those of others free for them', async () => {
    const { advance, ownership, bucket, desired, timing } = await start({ numShards: 2 });
    desired.set(1, 'b');
    ownership.onBucket(true);
    await advance(timing.heartbeatMs + timing.ackTimeoutMs);
    expect([ownership.shards(), bucket.get('s.1')]).toEqual([[], undefined]);
    await advance(timing.slackMs);
    expect(ownership.epochOf(0)).toBe(1);
    expect(bucket.record('s.1')).toMatchObject({ epoch: 0, owner: '', state: 'released' });
  });

  test('in a bucket of its own making after the expiry when somebody has restored its epoch', async () => {
    const { advance, ownership, bucket, timing } = await start();
    ownership.onBucket(true);
    bucket.put('s.0', owned(7, '', '', 'restored'));
    await advance(timing.expiryMs - 1);
    expect(ownership.shards()).toEqual([]);
    await advance(timing.heartbeatMs);
    expect(ownership.epochOf(0)).toBe(8);
  });

  test('only after the expiry when its last owner is one of an earlier bucket, however gone', async () => {
    const { bucket, advance, events, timing } = await start({
      before: { 's.0': { ...owned(4, 'b', 'x'), cluster: 'before' }, 'm.b': member('x', 'left') },
    });
    await advance(timing.expiryMs - timing.heartbeatMs);
    expect(events).toEqual([]);
    await advance(2 * timing.heartbeatMs);
    expect(events).toEqual(['serve 0', 'acquired 0 in 5']);
    expect(bucket.record('s.0')).toMatchObject({ epoch: 5, owner: 'a', state: 'owned', cluster: 'c' });
  });

  test('that was known in a bucket that is lost is restored, and taken after the expiry in a higher epoch', async () => {
    const { advance, ownership, bucket, timing, highestEpochs, store } = await start();
    highestEpochs.set(0, 9);
    await advance(300);
    expect(bucket.record('s.0')).toMatchObject({ epoch: 9, owner: '', inc: '', state: 'restored' });
    await advance(timing.expiryMs - 301);
    expect(ownership.shards()).toEqual([]);
    await advance(300);
    expect(ownership.epochOf(0)).toBe(10);
    expect(store.sent('s.0')).toHaveLength(2);
  });

  test('that another restored with an older epoch is restored once more, whoever should own it', async () => {
    const { advance, bucket, highestEpochs, desired } = await start({
      before: { 's.0': owned(3, '', '', 'restored') },
    });
    desired.set(0, 'b');
    highestEpochs.set(0, 9);
    await advance(300);
    expect(bucket.record('s.0')).toMatchObject({ epoch: 9, state: 'restored' });
  });
});

describe('while members are yet to be placed', () => {
  test('no shard is taken', async () => {
    const { advance, ownership, state, timing } = await start({ before: { 's.0': released } });
    state.isPlaced = false;
    await advance(3 * timing.stableMs);
    expect(ownership.shards()).toEqual([]);
    state.isPlaced = true;
    await advance(timing.heartbeatMs);
    expect(ownership.epochOf(0)).toBe(5);
  });

  test('no shard is handed over, unless the node drains', async () => {
    const { advance, ownership, state, desired, timing } = await holding();
    desired.set(0, 'b');
    state.isPlaced = false;
    await advance(3 * timing.stableMs);
    expect(ownership.shards()).toEqual([0]);
    const drained = ownership.drain();
    await advance(timing.heartbeatMs);
    await drained;
    expect(ownership.shards()).toEqual([]);
  });
});

describe('a shard whose owner never had a heartbeat here', () => {
  test('is taken once the owner is declared dead', async () => {
    const { advance, ownership, bucket, timing } = await start({ before: { 's.0': owned(4, 'b', 'x') } });
    await advance(2 * timing.expiryMs);
    expect(ownership.shards()).toEqual([]);
    bucket.put('h.b', heartbeat('x', { isDead: true }));
    await advance(timing.heartbeatMs);
    expect(ownership.epochOf(0)).toBe(5);
  });
});

describe('a record in this run’s own name that it does not hold', () => {
  test('is written once more before it serves', async () => {
    const { bucket, ownership, store, clock, events } = await start({
      before: { 's.0': owned(7, 'a', 'i') },
    });
    await clock.advance(0);
    expect(store.sent('s.0')).toHaveLength(1);
    expect(bucket.record('s.0')).toMatchObject({ epoch: 7, owner: 'a', inc: 'i' });
    expect(ownership.admits(0)).toBe(true);
    expect(events).toEqual(['serve 0', 'acquired 0 in 7']);
  });

  test('is left to the node that takes it first', async () => {
    const { ownership, bucket, clock, store, events } = await start();
    store.effect = ({ kind, key }) => {
      if (kind === 'cas' && key === 's.0') bucket.put('s.0', owned(8, 'b', 'x'), false);
      return undefined;
    };
    bucket.put('s.0', owned(7, 'a', 'i'));
    await clock.advance(0);
    expect([ownership.shards(), events]).toEqual([[], []]);
  });
});

describe('an expired lease', () => {
  test('ends admission at once, and every shard is written again before it serves', async () => {
    const { ownership, clock, store, advance, bucket, events } = await holding();
    const sent = store.sent('s.0').length;
    clock.pause(LEASE_MS + 1);
    expect([ownership.admits(0), ownership.holds(0, 5), ownership.shards()]).toEqual([false, false, [0]]);
    const gate = deferred();
    store.effect = ({ kind, key }) => (kind === 'cas' && key === 's.0' ? { until: gate.promise } : undefined);
    await advance(300);
    expect(ownership.admits(0)).toBe(false);
    gate.resolve();
    await clock.advance(0);
    expect(store.sent('s.0')).toHaveLength(sent + 1);
    expect([ownership.admits(0), ownership.epochOf(0)]).toEqual([true, 5]);
    expect(bucket.record('s.0')).toMatchObject({ epoch: 5, owner: 'a' });
    expect(events).toEqual(['expired']);
  });

  test('loses the shard that another node took in the meantime', async () => {
    const { ownership, clock, advance, bucket, events } = await holding();
    clock.pause(LEASE_MS + 1);
    bucket.put('s.0', owned(6, 'b', 'x'), false);
    await advance(600);
    expect(ownership.shards()).toEqual([]);
    expect(events).toEqual(['expired', 'drop 0', 'lost 0']);
  });

  test('loses the shard whose record is gone without a trace, and restores its epoch', async () => {
    const { ownership, clock, advance, bucket, events } = await holding();
    clock.pause(LEASE_MS + 1);
    bucket.purge('s.0');
    await advance(600);
    expect(events.slice(0, 3)).toEqual(['expired', 'drop 0', 'lost 0']);
    const written = bucket.writes
      .filter(({ key }) => key === 's.0')
      .map(({ value }) => JSON.parse(value!) as object);
    expect(written.slice(-2)).toMatchObject([
      { epoch: 5, state: 'restored' },
      { epoch: 6, state: 'owned' },
    ]);
    expect(ownership.admits(0)).toBe(true);
  });

  test('during which the lease expired once more is not over with the write sent between them', async () => {
    const { ownership, clock, advance, store, session } = await holding();
    clock.pause(LEASE_MS + 1);
    const gate = deferred();
    store.effect = ({ kind, key }) => (kind === 'cas' && key === 's.0' ? { until: gate.promise } : undefined);
    await advance(300);
    clock.pause(LEASE_MS + 1);
    expect(session.isValid()).toBe(false);
    gate.resolve();
    await clock.advance(0);
    expect(ownership.admits(0)).toBe(false);
    await advance(300);
    expect(ownership.admits(0)).toBe(true);
  });
});

describe('a shard that another node has written', () => {
  test('is lost as soon as the node learns of it', async () => {
    const { ownership, bucket, events } = await holding();
    bucket.put('s.0', owned(6, 'b', 'x'));
    expect(ownership.shards()).toEqual([]);
    expect(events).toEqual(['drop 0', 'lost 0']);
  });

  test('is not lost because of its own write, reported once more', async () => {
    const { ownership, bucket, ledger, events } = await holding();
    ledger.learn({ ...bucket.get('s.0')!, revision: 0 });
    ownership.onShard(0);
    expect([ownership.shards(), events]).toEqual([[0], []]);
  });

  test('is lost when it was deleted', async () => {
    const { bucket, events } = await holding();
    bucket.put('s.0', undefined);
    expect(events).toEqual(['drop 0', 'lost 0']);
  });
});

describe('a hand-over', () => {
  test('refuses first, then lets the node finish, then writes released', async () => {
    const { ownership, desired, steps, bucket, events, advance, clock, store } = await holding();
    const gate = deferred();
    steps.handOver = () => gate.promise;
    const sent = store.sent('s.0').length;
    desired.set(0, 'b');
    await advance(300);
    expect(events).toEqual(['handOver 0']);
    expect([ownership.admits(0), ownership.holds(0, 5)]).toEqual([false, true]);
    expect(store.sent('s.0')).toHaveLength(sent);
    gate.resolve();
    await clock.advance(0);
    expect(bucket.record('s.0')).toMatchObject({ epoch: 5, owner: 'a', state: 'released' });
    expect(events).toEqual(['handOver 0', 'released 0']);
    expect(ownership.shards()).toEqual([]);
  });

  test('of a shard that is lost meanwhile writes nothing', async () => {
    const { desired, steps, bucket, events, advance, clock, store } = await holding();
    const gate = deferred();
    steps.handOver = () => gate.promise;
    const sent = store.sent('s.0').length;
    desired.set(0, 'b');
    await advance(300);
    bucket.put('s.0', owned(6, 'b', 'x'));
    gate.resolve();
    await clock.advance(0);
    expect(store.sent('s.0')).toHaveLength(sent);
    expect(events).toEqual(['handOver 0', 'drop 0', 'lost 0']);
  });

  test('begins only when membership has been the same for a while', async () => {
    const { desired, changeMembers, clock, events, advance } = await holding();
    desired.set(0, 'b');
    changeMembers();
    await advance(299);
    expect(events).toEqual([]);
    await clock.advance(2);
    expect(events).toContain('handOver 0');
  });

  test('has maxMoving shards on their way at a time', async () => {
    const before = Object.fromEntries([0, 1, 2, 3, 4].map((shard) => [`s.${shard}`, released]));
    const { desired, steps, events, advance, clock } = await holding({
      numShards: 5,
      before,
      timing: { maxMoving: 2 },
    });
    const gates = [0, 1, 2, 3, 4].map(() => deferred());
    steps.handOver = (shard) => gates[shard]!.promise;
    for (let shard = 0; shard < 5; shard++) desired.set(shard, 'b');
    await advance(300);
    expect(events).toEqual(['handOver 0', 'handOver 1']);
    gates[1]!.resolve();
    await clock.advance(0);
    expect(events).toEqual(['handOver 0', 'handOver 1', 'released 1', 'handOver 2']);
    for (const gate of gates) gate.resolve();
    await clock.advance(0);
    expect(events.filter((event) => event.startsWith('released'))).toHaveLength(5);
  });
});

describe('drain', () => {
  test('hands over every shard without waiting for stable membership, and resolves then', async () => {
    const before = { 's.0': released, 's.1': released };
    const { ownership, steps, clock, changeMembers, bucket } = await holding({ numShards: 2, before });
    const gate = deferred();
    steps.handOver = () => gate.promise;
    changeMembers();
    const state = { isDrained: false };
    const drained = ownership.drain().then(() => (state.isDrained = true));
    await clock.advance(0);
    expect(state.isDrained).toBe(false);
    gate.resolve();
    await clock.advance(0);
    await drained;
    expect([bucket.record('s.0')!.state, bucket.record('s.1')!.state]).toEqual(['released', 'released']);
  });

  test('of a node without shards resolves at once, and takes none from then on', async () => {
    const { ownership, advance, store } = await start({ before: { 's.0': released } });
    await ownership.drain();
    await advance(1_000);
    expect(store.sent('s.0')).toEqual([]);
  });

  test('waits for a write that is under way, and hands its shard over too', async () => {
    const { ownership, advance, store, clock, bucket } = await start({ before: { 's.0': released } });
    const gate = deferred();
    store.effect = ({ kind, key }) =>
      kind === 'cas' && key === 's.0' && store.sent('s.0').length === 1 ? { until: gate.promise } : undefined;
    await advance(300);
    const drained = ownership.drain();
    gate.resolve();
    await clock.advance(0);
    await drained;
    expect(bucket.record('s.0')).toMatchObject({ epoch: 5, state: 'released' });
  });

  test('resolves when the run ends before everything is handed over', async () => {
    const { ownership, steps } = await holding();
    steps.handOver = () => deferred().promise;
    const drained = ownership.drain();
    void ownership.end();
    await drained;
    expect(ownership.shards()).toEqual([]);
  });
});

test('a shard that was lost is not taken again before what is left of it is cleared away', async () => {
  const { advance, bucket, events, steps, ownership, timing } = await holding();
  const gate = deferred();
  steps.drop = () => gate.promise;
  bucket.put('s.0', owned(6, 'b', 'x'));
  bucket.put('s.0', owned(6, 'b', 'x', 'released'));
  await advance(4 * timing.stableMs);
  expect(events).toEqual(['drop 0', 'lost 0']);
  gate.resolve();
  await advance(4 * timing.stableMs);
  expect(events.slice(2)).toEqual(['serve 0', 'acquired 0 in 7']);
  expect(ownership.shards()).toEqual([0]);
});

describe('the end', () => {
  test('takes all shards away at once, and clears them away in slices', async () => {
    const all = Array.from({ length: 600 }, (_, shard) => shard);
    const before = Object.fromEntries(all.map((shard) => [`s.${shard}`, released]));
    const { ownership, events, clock, steps } = await holding({ numShards: 600, before });
    expect(all.every((shard) => ownership.admits(shard))).toBe(true);
    const gate = deferred();
    steps.drop = (shard) => (shard === 599 ? gate.promise : Promise.resolve());
    let isOver = false;
    void ownership.end().then(() => (isOver = true));
    expect(ownership.shards()).toEqual([]);
    expect(all.some((shard) => ownership.admits(shard) || ownership.holds(shard, 5))).toBe(false);
    expect(events).toHaveLength(2 * 256);
    await clock.advance(0);
    expect(events.filter((event) => event.startsWith('drop'))).toHaveLength(600);
    expect(isOver).toBe(false);
    gate.resolve();
    await clock.advance(0);
    expect(isOver).toBe(true);
  });

  test('drops what is held, once, and leaves no timer', async () => {
    const { ownership, events, changeMembers, session, clock } = await holding();
    changeMembers();
    void ownership.end();
    void ownership.end();
    session.end();
    expect(events).toEqual(['drop 0', 'lost 0']);
    expect(clock.timerCount).toBe(0);
  });

  test('gives up writes in flight: a shard whose write succeeds all the same is not served', async () => {
    const { ownership, advance, store, events, clock } = await start({ before: { 's.0': released } });
    const gate = deferred();
    store.effect = ({ kind, key }) => (kind === 'cas' && key === 's.0' ? { until: gate.promise } : undefined);
    await advance(300);
    void ownership.end();
    gate.resolve();
    await clock.advance(0);
    expect([events, ownership.shards()]).toEqual([[], []]);
  });
});

test('a record that is gone, as after the loss of the bucket, is not tried again and again: a heartbeat finds out', async () => {
  const { ownership, store, bucket, session, clock } = await holding();
  const gate = deferred();
  store.effect = ({ kind, key }) => (kind === 'cas' && key === 'h.a' ? { until: gate.promise } : undefined);
  const sent = store.sent('s.0').length;
  const mine = bucket.get('s.0')!;
  bucket.put('s.0', owned(6, 'b', 'x'));
  bucket.lose();
  bucket.put('cfg', 'another bucket');
  store.tell({ ...mine, revision: 99 });
  await clock.advance(0);
  expect(store.sent('s.0')).toHaveLength(sent + 1);
  gate.resolve();
  await clock.advance(fast.ackTimeoutMs);
  expect([session.isValid(), ownership.shards()]).toEqual([false, []]);
});

test('one timer waits for stable membership, however often it changes', async () => {
  const { changeMembers, clock } = await holding();
  const count = clock.timerCount;
  for (let i = 0; i < 100; i++) changeMembers();
  expect(clock.timerCount).toBeLessThanOrEqual(count + 1);
});

test('a step that throws is logged, and tried again', async () => {
  const { ownership, advance, logger, steps } = await start({ before: { 's.0': released } });
  steps.serve = () => {
    steps.serve = () => Promise.resolve();
    throw new Error('bus broke');
  };
  await advance(300);
  expect(logger.lines).toMatchObject([
    { level: 'error', message: 'a step of shard 0 failed', fields: { shard: 0, nodeId: 'a' } },
  ]);
  expect(ownership.shards()).toEqual([0]);
});
