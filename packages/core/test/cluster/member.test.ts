import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { configOf } from '../../src/cluster/joining.ts';
import { Member } from '../../src/cluster/member.ts';
import type { MemberOptions } from '../../src/cluster/member.ts';
import type { NodeHost } from '../../src/cluster/shards.ts';
import { recordLog } from '@clstr/testing/internal';
import type { RecordedLogger } from '@clstr/testing/internal';
import { Bucket, FULL, TestStore } from './bucket.ts';
import type { Operation } from './bucket.ts';
import { countingRandom, eventLine, heartbeat, member as memberRecord, owned, timing } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

const NUM_SHARDS = 4;
const PURGE_MS = 600_000;
/** What the nodes of this cluster agree on. */
const CONFIG = configOf({ numShards: NUM_SHARDS, seed: '', placement: 'rendezvous' }, 'first');

function cluster() {
  const clock = skewedClock();
  const bucket = new Bucket();
  const random = countingRandom();
  const create = (nodeId: string, more: Partial<MemberOptions> = {}) => {
    const stores: TestStore[] = [];
    const events: string[] = [];
    const incs: string[] = [];
    const logger = recordLog();
    const steps = {
      open: async (): Promise<unknown> => undefined,
      enter: async (): Promise<unknown> => undefined,
      handOver: async (_shard: number): Promise<unknown> => undefined,
      drop: async (_shard: number): Promise<unknown> => undefined,
    };
    const reach: { now: 'reached' | 'doubted' | 'lost' } = { now: 'reached' };
    const host: NodeHost = {
      enter: async ({ inc }) => {
        incs.push(inc);
        events.push('enter');
        await steps.enter();
      },
      serve: async () => undefined,
      handOver: async (shard) => {
        await steps.handOver(shard);
        return undefined;
      },
      drop: async (shard) => {
        events.push(`drop ${shard}`);
        await steps.drop(shard);
      },
      onEvent: (event) => events.push(eventLine(event)),
      reach: () => reach.now,
    };
    const member = new Member({
      nodeId,
      numShards: NUM_SHARDS,
      seed: '',
      weight: 1,
      isExclusive: false,
      trustsNewBucket: false,
      traits: {},
      clock,
      random,
      logger,
      membership: {
        name: 'test',
        timing,
        placement: 'rendezvous',
        open: async () => {
          await steps.open();
          stores.push(new TestStore(bucket, clock));
          return stores.at(-1)!;
        },
      },
      ...more,
    });
    return {
      member,
      events,
      incs,
      logger,
      steps,
      reach,
      start: () => member.start(host),
      get store() {
        return stores.at(-1)!;
      },
    };
  };
  const join = async (nodeId: string) => {
    const created = create(nodeId);
    const joined = created.start();
    await clock.advance(0);
    await joined;
    return created;
  };
  return { clock, bucket, create, join };
}

async function endOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}

describe('a node that joins', () => {
  test('takes its name before it serves its address, and serves that before it wants shards', async () => {
    const { create, bucket, clock } = cluster();
    const { start, steps, events, incs } = create('a');
    const gate = deferred();
    steps.enter = () => gate.promise;
    const joined = start();
    await clock.advance(0);
    expect(bucket.record('h.a')).toMatchObject({ inc: incs[0], beat: 1 });
    expect(bucket.get('m.a')).toBeUndefined();
    gate.resolve();
    await joined;
    expect(bucket.record('m.a')).toMatchObject({ inc: incs[0], state: 'up' });
    expect(events).toEqual(['enter', 'joined']);
  });

  test('takes the shards of a new bucket after an expiry, and knows who owns them', async () => {
    const { join, clock } = cluster();
    const { member, incs } = await join('a');
    expect([member.list(), member.topology().owners]).toEqual([[], []]);
    await clock.advance(timing.expiryMs + timing.heartbeatMs);
    expect(member.list()).toEqual([0, 1, 2, 3]);
    expect(member.topology().owners).toContainEqual([2, 1, 'a', incs[0]]);
    expect(member.topology().clusterId).not.toBe('');
    expect([member.admits(2), member.holds(2, 1), member.epochOf(2)]).toEqual([true, true, 1]);
  });

  test('with others into an empty bucket that it trusts serves with them long before an expiry', async () => {
    const { create, clock } = cluster();
    const nodes = ['a', 'b', 'c'].map((id) => create(id, { trustsNewBucket: true }));
    const joined = Promise.all(nodes.map((node) => node.start()));
    await clock.advance(0);
    await joined;
    await clock.advance(timing.heartbeatMs + timing.ackTimeoutMs + timing.slackMs);
    const held = nodes.flatMap(({ member }) => member.list());
    expect(held.sort()).toEqual([0, 1, 2, 3]);
    expect(nodes.flatMap(({ member }) => member.list().map((shard) => member.epochOf(shard)))).toEqual([
      1, 1, 1, 1,
    ]);
  });

  test.each([
    [
      'that had records before its own',
      (bucket: Bucket) => void bucket.put('h.z', heartbeat('z', { isDead: true })),
    ],
    ['that another made', (bucket: Bucket) => void bucket.put('cfg', { ...CONFIG, id: 'theirs' })],
  ])('trusts no bucket %s: it waits for an expiry', async (_which, fill) => {
    const { create, clock, bucket } = cluster();
    fill(bucket);
    const { member, start } = create('a', { trustsNewBucket: true });
    const joined = start();
    await clock.advance(0);
    await joined;
    await clock.advance(timing.expiryMs - 1);
    expect(member.list()).toEqual([]);
    await clock.advance(timing.heartbeatMs);
    expect(member.list()).toHaveLength(NUM_SHARDS);
  });

  test('again because its bucket is lost does not trust the one that it makes', async () => {
    const { create, clock, bucket } = cluster();
    const { member, start } = create('a', { trustsNewBucket: true });
    const joined = start();
    await clock.advance(0);
    await joined;
    bucket.lose();
    await clock.advance(timing.expiryMs);
    expect(member.list()).toEqual([]);
    await clock.advance(1_000);
    expect(member.list()).toHaveLength(NUM_SHARDS);
  });

  test('is refused beside another service, and leaves its name to the next at once', async () => {
    const { create, bucket, clock } = cluster();
    const [orders, invoices] = ['order', 'invoice'].map((name) => ({ traits: { hosts: [name] } }));
    const first = create('a', orders).start();
    await clock.advance(0);
    await first;
    const { start, events } = create('b', invoices);
    const failed = endOf(start());
    await clock.advance(4 * timing.heartbeatMs);
    expect(await failed).toMatchObject({ code: 'CLUSTER_CONFIG_MISMATCH' });
    expect(bucket.record('m.b')).toMatchObject({ state: 'left' });
    expect(events).not.toContain('joined');
    const again = create('b', orders).start();
    await clock.advance(timing.heartbeatMs);
    await again;
  });

  test('of two services that start at the same moment, is the one that declared itself first', async () => {
    const { create, bucket, clock } = cluster();
    const [orders, invoices] = ['order', 'invoice'].map((name) => ({ traits: { hosts: [name] } }));
    const late = create('a', orders);
    const gate = deferred();
    late.steps.enter = async () => {
      // It has checked by then, and finds nobody.
      late.store.effect = ({ kind, key }) =>
        kind === 'cas' && key === 'm.a' ? { until: gate.promise } : undefined;
    };
    const refused = endOf(late.start());
    await clock.advance(0);
    const first = create('b', invoices).start();
    await clock.advance(0);
    await first;
    gate.resolve();
    // Fenced, it tries again, for which its first run has to be over.
    await clock.advance(timing.expiryMs + 6 * timing.heartbeatMs);
    expect(await refused).toMatchObject({
      code: 'CLUSTER_CONFIG_MISMATCH',
      message: expect.stringContaining('node a hosts "order", and the nodes of this cluster host "invoice"'),
    });
    expect(late.events).not.toContain('joined');
    expect(bucket.record('m.b')).toMatchObject({ state: 'up' });
  });

  test('knows whether the nodes are being changed to another version', async () => {
    const { create, clock } = cluster();
    const [old, young] = ['1', '2'].map((types) => ({ traits: { hosts: ['order'], types } }));
    const { member, start } = create('a', old);
    const joined = [start(), create('b', old).start()];
    await clock.advance(0);
    await Promise.all(joined);
    expect(member.isMixed).toBe(false);
    const third = create('c', young).start();
    await clock.advance(0);
    await third;
    expect(member.isMixed).toBe(true);
  });

  test('leaves one connection to the bucket open, and none when it is refused', async () => {
    const { create, bucket, join, clock } = cluster();
    await join('a');
    const { member, store } = await (async () => {
      const created = create('b', { seed: 'other' });
      const failed = endOf(created.start());
      await clock.advance(0);
      expect(await failed).toMatchObject({ code: 'CLUSTER_CONFIG_MISMATCH' });
      return created;
    })();
    expect([store.isClosed, bucket.stores.size]).toEqual([true, 1]);
    await member.leave(0);
  });

  test('fails as opening the bucket does', async () => {
    const { create } = cluster();
    const { start, steps } = create('a');
    const error = new ClstrError('CONNECT_FAILED', 'nobody there');
    steps.open = () => Promise.reject(error);
    expect(await endOf(start())).toBe(error);
  });

  test('under the name of a live node is refused, and changes nothing of that one', async () => {
    const { join, create, clock, bucket } = cluster();
    const first = await join('a');
    const second = create('a');
    const failed = endOf(second.start());
    await clock.advance(1_000);
    expect(await failed).toMatchObject({ code: 'NODE_ID_IN_USE' });
    expect(bucket.record('m.a')).toMatchObject({ inc: first.incs[0], state: 'up' });
  });

  test('and is closed while it waits for a name writes nothing under it: a live node has it', async () => {
    const { join, create, clock, bucket } = cluster();
    const first = await join('a');
    const second = create('a');
    const failed = endOf(second.start());
    await clock.advance(50);
    const left = second.member.leave(1_000);
    await clock.advance(2_000);
    await left;
    expect(await failed).toMatchObject({ code: 'TRANSPORT_CLOSED' });
    expect(bucket.record('m.a')).toMatchObject({ inc: first.incs[0], state: 'up' });
    expect(second.store.sent('m.a')).toEqual([]);
  });

  test('and is closed before the bucket opens closes that connection when it comes', async () => {
    const { create, clock } = cluster();
    const created = create('a');
    const gate = deferred();
    created.steps.open = () => gate.promise;
    const failed = endOf(created.start());
    await created.member.leave(0);
    gate.resolve();
    await clock.advance(0);
    expect(await failed).toMatchObject({ code: 'TRANSPORT_CLOSED' });
    expect(created.store.isClosed).toBe(true);
  });

  test('and is closed while its address is being served leaves no watch and no timer, and declares that it left', async () => {
    const { create, clock, bucket } = cluster();
    const created = create('a');
    const gate = deferred();
    created.steps.enter = () => gate.promise;
    const failed = endOf(created.start());
    await clock.advance(0);
    const left = created.member.leave(1_000);
    await clock.advance(0);
    await left;
    gate.resolve();
    await clock.advance(0);
    expect(await failed).toMatchObject({ code: 'TRANSPORT_CLOSED' });
    expect([created.store.watched, created.store.listenerCount]).toEqual([[], 0]);
    expect(bucket.record('m.a')).toMatchObject({ state: 'left' });
    expect(clock.timerCount).toBe(0);
  });

  test('and is fenced while its address is being served joins as a new run, and leaks no watch', async () => {
    const { create, clock, bucket } = cluster();
    const created = create('a');
    const gate = deferred();
    created.steps.enter = () => gate.promise;
    const joined = created.start();
    await clock.advance(0);
    bucket.put('h.a', heartbeat(created.incs[0]!, { isDead: true }));
    await clock.advance(timing.heartbeatMs);
    gate.resolve();
    await clock.advance(0);
    await joined;
    expect(created.incs).toHaveLength(2);
    expect(created.events).toEqual([
      'enter',
      'fenced: another wrote its heartbeat record',
      'enter',
      'joined',
    ]);
    expect(created.store.watched).toEqual(['m.*', 's.*']);
    // The run's, and that of the log.
    expect(created.store.listenerCount).toBe(2);
  });

  test('places many nodes with turns of the loop in between, and is up only then', async () => {
    const { create, bucket, clock } = cluster();
    for (let i = 0; i < 20; i++) bucket.put(`m.n${i}`, memberRecord('x'));
    let turns = 0;
    let upAfter: number | undefined;
    const { macrotask } = clock;
    clock.macrotask = (fn) => {
      turns++;
      if (bucket.get('m.a') !== undefined) upAfter ??= turns;
      macrotask(fn);
    };
    const joined = create('a', { numShards: 4_096 }).start();
    await clock.advance(0);
    await joined;
    expect(bucket.record('m.a')).toMatchObject({ state: 'up' });
    // Two nodes in a turn, and a turn is waited for with each.
    expect(turns).toBeGreaterThanOrEqual(10);
    expect(upAfter ?? turns).toBeGreaterThanOrEqual(10);
  });

  test('and is closed between two of those turns writes nothing more', async () => {
    const { create, bucket, clock } = cluster();
    for (let i = 0; i < 20; i++) bucket.put(`m.n${i}`, memberRecord('x'));
    const created = create('a', { numShards: 4_096 });
    let left: Promise<void> | undefined;
    const { macrotask } = clock;
    clock.macrotask = (fn) => {
      left ??= created.member.leave(0);
      macrotask(fn);
    };
    const failed = endOf(created.start());
    await clock.advance(0);
    expect(await failed).toMatchObject({ code: 'TRANSPORT_CLOSED' });
    await left;
    expect(bucket.record('m.a')).not.toMatchObject({ state: 'up' });
    expect(clock.timerCount).toBe(0);
  });

  test('does so although full lists get no answer', async () => {
    const { create, clock } = cluster();
    const created = create('a');
    created.steps.open = async () => undefined;
    const joined = created.start();
    await Promise.resolve();
    await clock.advance(0);
    created.store.effect = ({ kind }) => (kind === 'list' ? 'lost' : undefined);
    await clock.advance(5_000);
    await joined;
    expect(created.member.list()).toHaveLength(NUM_SHARDS);
  });
});

describe('several nodes', () => {
  test('share the shards, each with one owner, and all know every owner', async () => {
    const { join, clock } = cluster();
    const nodes = [await join('a'), await join('b'), await join('c')];
    await clock.advance(5_000);
    const held = nodes.flatMap(({ member }) => member.list());
    expect(held.sort()).toEqual([0, 1, 2, 3]);
    for (const { member } of nodes) expect(member.topology().owners).toHaveLength(NUM_SHARDS);
  });

  test('take over from one that leaves, without waiting for an expiry', async () => {
    const { join, clock, bucket } = cluster();
    const [a, b] = [await join('a'), await join('b')];
    await clock.advance(5_000);
    const theirs = b.member.list();
    expect(theirs.length).toBeGreaterThan(0);
    const left = b.member.leave(1_000);
    await clock.advance(timing.stableMs + timing.heartbeatMs);
    await left;
    expect(a.member.list()).toEqual([0, 1, 2, 3]);
    expect(bucket.record('m.b')).toMatchObject({ state: 'left' });
    expect(b.events.filter((event) => event.startsWith('released'))).toHaveLength(theirs.length);
    expect([b.store.isClosed, b.store.watched, b.member.list()]).toEqual([true, [], []]);
  });

  test('take over from one that dies, when it was declared dead', async () => {
    const { join, clock, bucket } = cluster();
    const [a, b] = [await join('a'), await join('b')];
    await clock.advance(5_000);
    b.store.effect = () => 'lost';
    await clock.advance(timing.expiryMs - timing.heartbeatMs);
    expect(a.member.list().length).toBeLessThan(NUM_SHARDS);
    await clock.advance(3 * timing.heartbeatMs);
    expect(a.member.list()).toEqual([0, 1, 2, 3]);
    expect(bucket.record('h.b')).toMatchObject({ isDead: true });
    expect(b.member.list().some((shard) => b.member.admits(shard))).toBe(false);
  });

  test('move nothing while the store is away, and go on when it is back', async () => {
    const { join, clock } = cluster();
    const [a, b] = [await join('a'), await join('b')];
    await clock.advance(5_000);
    const before = [a.member.list(), b.member.list()];
    for (const { store } of [a, b]) store.become(false);
    await clock.advance(60_000);
    expect([a, b].map(({ events }) => events.filter((event) => event === 'expired').length)).toEqual([1, 1]);
    for (const { store } of [a, b]) store.become(true);
    await clock.advance(2_000);
    expect([a.member.list(), b.member.list()]).toEqual(before);
    for (const { member } of [a, b])
      for (const shard of member.list()) expect(member.admits(shard)).toBe(true);
    expect([...a.events, ...b.events].some((event) => /fenced|lost/.test(event))).toBe(false);
  });

  test('ignore a silence during which their own process stood still', async () => {
    const { join, clock, bucket } = cluster();
    const [, b] = [await join('a'), await join('b')];
    await clock.advance(5_000);
    clock.pause(timing.expiryMs);
    await clock.advance(timing.heartbeatMs);
    b.store.isDeaf = false;
    await clock.advance(2_000);
    expect([bucket.record('h.a')!.isDead, bucket.record('h.b')!.isDead]).toEqual([false, false]);
  });

  test('learn from full lists what their watches have missed', async () => {
    const { join, clock } = cluster();
    const a = await join('a');
    await clock.advance(5_000);
    a.store.isDeaf = true;
    const b = await join('b');
    await clock.advance(2 * timing.listMs + timing.stableMs + 600);
    expect(b.member.list().length).toBeGreaterThan(0);
    expect(a.member.list().length + b.member.list().length).toBe(NUM_SHARDS);
  });
});

describe('a node that is fenced', () => {
  test('drops all, and joins again as a new run in the same process', async () => {
    const { join, clock, bucket } = cluster();
    const { member, events, incs, store } = await join('a');
    await clock.advance(5_000);
    events.length = 0;
    bucket.put('h.a', heartbeat(incs[0]!, { isDead: true }));
    await clock.advance(timing.heartbeatMs + 50);
    expect(events.slice(0, 9)).toEqual([
      ...[0, 1, 2, 3].flatMap((shard) => [`drop ${shard}`, `lost ${shard}`]),
      'fenced: another wrote its heartbeat record',
    ]);
    await clock.advance(3_000);
    expect(incs).toHaveLength(2);
    expect([member.list(), member.epochOf(0)]).toEqual([[0, 1, 2, 3], 2]);
    expect(store.watched).toEqual(['m.*', 's.*']);
    expect(store.isClosed).toBe(false);
  });

  test('joins again only when nothing is left of the run before', async () => {
    const { join, clock, bucket } = cluster();
    const { member, incs, steps } = await join('a');
    await clock.advance(5_000);
    const gate = deferred();
    steps.drop = () => gate.promise;
    bucket.put('h.a', heartbeat(incs[0]!, { isDead: true }));
    await clock.advance(3_000);
    expect(incs).toHaveLength(1);
    gate.resolve();
    await clock.advance(3_000);
    expect(incs).toHaveLength(2);
    expect(member.list()).toEqual([0, 1, 2, 3]);
  });

  test('whose name another process has taken tries again, until it is closed', async () => {
    const { join, clock, bucket } = cluster();
    const { member, logger, events, incs } = await join('a');
    for (let beat = 1; beat < 12; beat++) {
      bucket.put('h.a', heartbeat('other', { beat }));
      await clock.advance(timing.heartbeatMs);
    }
    expect(logger.lines.filter(({ level }) => level === 'error')[0]).toMatchObject({
      message: 'node a could not join its cluster again',
      fields: { code: 'NODE_ID_IN_USE' },
    });
    expect([incs.length, events.filter((event) => event === 'joined').length]).toEqual([1, 1]);
    await member.leave(0);
    await clock.advance(2_000);
    expect(clock.timerCount).toBe(0);
    expect(bucket.record('m.a')).toMatchObject({ inc: incs[0] });
  });

  test('does not overwrite the member record of the run that followed it, even when it leaves', async () => {
    const { join, clock, bucket } = cluster();
    const { member } = await join('a');
    await clock.advance(5_000);
    bucket.put('h.a', heartbeat('next'));
    bucket.put('m.a', memberRecord('next'), false);
    bucket.put('s.0', owned(9, 'a', 'next'), false);
    const left = member.leave(1_000);
    await clock.advance(10_000);
    await left;
    expect(bucket.record('m.a')).toMatchObject({ inc: 'next', state: 'up' });
  });

  test('because its cluster was re-created joins the new one', async () => {
    const { join, clock, bucket, create } = cluster();
    const { member, events, store } = await join('a');
    await clock.advance(5_000);
    const [before, id] = [member.epochOf(0)!, member.topology().clusterId];
    bucket.lose();
    const b = create('b');
    const joined = b.start();
    store.effect = ({ key }) =>
      key === 'h.a' && !events.some((event) => event.startsWith('fenced')) ? 'lost' : undefined;
    await clock.advance(2 * timing.listMs);
    await joined;
    expect(events).toContain('fenced: its cluster was re-created');
    store.effect = () => undefined;
    await clock.advance(10_000);
    expect(member.topology().clusterId).not.toBe(id);
    const holder = member.epochOf(0) === undefined ? b.member : member;
    expect(holder.epochOf(0)).toBe(before + 1);
  });

  test('because its bucket is lost makes another, in which epochs go on rising', async () => {
    const { join, clock, bucket } = cluster();
    const { member, events } = await join('a');
    await clock.advance(5_000);
    bucket.lose();
    await clock.advance(1_500);
    expect(events).toContain('fenced: its heartbeat record is gone');
    expect(bucket.record('s.0')).toMatchObject({ epoch: 1, state: 'restored' });
    await clock.advance(timing.expiryMs);
    expect(member.epochOf(0)).toBe(2);
  });

  test('because its bucket is lost waits for earlier owners from when it reaches the next one', async () => {
    const { join, clock, bucket } = cluster();
    const { member, store } = await join('a');
    await clock.advance(5_000);
    bucket.lose();
    store.effect = ({ key }) => (key === 'cfg' ? 'lost' : undefined);
    await clock.advance(2 * timing.expiryMs);
    store.effect = () => undefined;
    await clock.advance(timing.expiryMs - 500);
    expect(bucket.record('s.0')).toMatchObject({ epoch: 1, state: 'restored' });
    await clock.advance(1_500);
    expect(member.epochOf(0)).toBe(2);
  });

  test('and joins a bucket that is lost once more meanwhile waits for earlier owners in the newest', async () => {
    const { create, clock, bucket } = cluster();
    bucket.put('h.a', heartbeat('before'));
    const { member, start } = create('a');
    const joined = endOf(start());
    await clock.advance(timing.expiryMs - 100);
    bucket.lose();
    bucket.put('cfg', { ...CONFIG, id: 'next' });
    await clock.advance(500);
    expect(await joined).toBeUndefined();
    expect(member.topology().clusterId).toBe('next');
    await clock.advance(timing.expiryMs - 600);
    expect(member.list()).toEqual([]);
    await clock.advance(1_000);
    expect(member.list()).toHaveLength(NUM_SHARDS);
  });

  test('and finds its name taken in the next bucket leaves there the epochs that it knew', async () => {
    const { join, clock, bucket } = cluster();
    const { member } = await join('a');
    await clock.advance(5_000);
    bucket.lose();
    bucket.put('cfg', { ...CONFIG, id: 'next' });
    bucket.put('h.a', heartbeat('other'));
    await clock.advance(2_000);
    expect(bucket.record('h.a')).toMatchObject({ inc: 'other' });
    expect(bucket.record('s.0')).toMatchObject({ epoch: 1, owner: '', state: 'restored' });
    expect(member.list()).toEqual([]);
  });
});

describe('a node whose id is exclusive', () => {
  const exclusive = { isExclusive: true };

  test('replaces the run that was killed, and has its shards again at once; the others took none', async () => {
    const { join, create, clock } = cluster();
    const other = await join('b');
    const killed = await join('a');
    await clock.advance(5_000);
    const before = killed.member.list();
    expect(before.length).toBeGreaterThan(0);
    killed.store.effect = () => 'lost';
    await clock.advance(timing.leaseMs / 2);
    const { member, start } = create('a', exclusive);
    const joined = start();
    await clock.advance(1);
    await joined;
    expect(member.list()).toEqual(before);
    expect(before.map((shard) => member.epochOf(shard))).toEqual(before.map(() => 2));
    await clock.advance(2 * timing.expiryMs);
    expect(member.list()).toEqual(before);
    expect(other.member.list()).toHaveLength(NUM_SHARDS - before.length);
  });

  test('gets its shards back for balance, when the others had taken them already', async () => {
    const { join, create, clock } = cluster();
    const other = await join('b');
    const killed = await join('a');
    await clock.advance(5_000);
    const before = killed.member.list();
    killed.store.effect = () => 'lost';
    await clock.advance(timing.expiryMs + 2 * timing.heartbeatMs);
    expect(other.member.list()).toHaveLength(NUM_SHARDS);
    const { member, start } = create('a', exclusive);
    const joined = start();
    await clock.advance(timing.heartbeatMs);
    await joined;
    await clock.advance(2 * timing.stableMs + timing.heartbeatMs);
    expect(member.list()).toEqual(before);
    expect(before.map((shard) => member.epochOf(shard))).toEqual(before.map(() => 3));
  });

  test('fences a run that was only stopped, which does not take the name back', async () => {
    const { create, clock, bucket } = cluster();
    const stopped = create('a', exclusive);
    const first = stopped.start();
    await clock.advance(0);
    await first;
    await clock.advance(5_000);
    stopped.store.become(false);
    const { member, start, incs } = create('a', exclusive);
    const joined = start();
    await clock.advance(timing.heartbeatMs);
    await joined;
    stopped.store.become(true);
    await clock.advance(timing.heartbeatMs);
    expect(stopped.events).toContain('fenced: another wrote its heartbeat record');
    expect(stopped.member.list()).toEqual([]);
    await clock.advance(3 * timing.expiryMs);
    expect(bucket.record('h.a')).toMatchObject({ inc: incs[0], isDead: false });
    expect(member.list()).toHaveLength(NUM_SHARDS);
    expect(stopped.logger.lines).toContainEqual(
      expect.objectContaining({ fields: expect.objectContaining({ code: 'NODE_ID_IN_USE' }) }),
    );
    await stopped.member.leave(0);
  });
});

describe('a node that leaves', () => {
  test('logs shards that it could not hand over in time', async () => {
    const { join, clock, bucket } = cluster();
    const { member, steps, logger, events } = await join('a');
    await clock.advance(5_000);
    steps.handOver = (shard) => (shard === 2 ? deferred().promise : Promise.resolve());
    const left = member.leave(500);
    await clock.advance(500);
    await left;
    expect(logger.lines.at(-1)).toMatchObject({
      level: 'error',
      message: 'node a could not hand over 1 shard within 500 ms; other nodes take them over',
      fields: { shards: [2] },
    });
    expect(bucket.record('m.a')).toMatchObject({ state: 'left' });
    expect(events.filter((event) => event.startsWith('lost'))).toEqual(['lost 2']);
  });

  test('does not wait for ever for a store that is away', async () => {
    const { join, clock } = cluster();
    const { member, store } = await join('a');
    await clock.advance(5_000);
    store.become(false);
    const left = member.leave(500);
    await clock.advance(500 + 500 + 2 * timing.ackTimeoutMs);
    await left;
    expect(store.isClosed).toBe(true);
  });

  test('leaves once', async () => {
    const { join, clock, bucket } = cluster();
    const { member } = await join('a');
    const left = Promise.all([member.leave(500), member.leave(500)]);
    await clock.advance(1_000);
    await left;
    expect(bucket.writes.filter(({ key }) => key === 'm.a')).toHaveLength(3);
  });

  test('is not waited for by the next run under its name', async () => {
    const { join, clock } = cluster();
    const { member } = await join('a');
    const left = member.leave(500);
    await clock.advance(500);
    await left;
    const { events } = await join('a');
    expect(events).toEqual(['enter', 'joined']);
  });

  test('without ever having joined does so at once', async () => {
    const { create } = cluster();
    const { member } = create('a');
    await member.leave(500);
    expect([member.list(), member.admits(0), member.holds(0, undefined), member.epochOf(0)]).toEqual([
      [],
      false,
      false,
      undefined,
    ]);
    expect([member.topology(), member.refusal(0).details]).toEqual([
      { clusterId: '', owners: [] },
      undefined,
    ]);
  });
});

describe('the member record of a node', () => {
  test('that another writer replaced is written again after the next full list', async () => {
    const { join, clock, bucket } = cluster();
    const { incs } = await join('a');
    bucket.put('m.a', memberRecord('stranger', 'left'));
    await clock.advance(2 * timing.listMs);
    expect(bucket.record('m.a')).toMatchObject({ inc: incs[0], state: 'up' });
  });

  test('that is gone without a trace is written again', async () => {
    const { join, clock, bucket } = cluster();
    const { member, incs } = await join('a');
    bucket.purge('m.a');
    const left = member.leave(500);
    await clock.advance(1_000);
    await left;
    expect(bucket.record('m.a')).toMatchObject({ inc: incs[0], state: 'left' });
  });

  test('is not written again by a run that was declared dead: its next heartbeat finds out', async () => {
    const { join, clock, bucket } = cluster();
    const { incs, member } = await join('a');
    bucket.put('m.a', memberRecord(incs[0]!, 'dead'));
    const left = member.leave(500);
    await clock.advance(1_000);
    await left;
    expect(bucket.record('m.a')).toMatchObject({ inc: incs[0], state: 'dead' });
  });
});

describe('records of a node that is gone', () => {
  async function afterLeaving(before: (bucket: Bucket) => void = () => undefined) {
    const { join, clock, bucket } = cluster();
    const a = await join('a');
    bucket.put('h.b', heartbeat('x'));
    bucket.put('m.b', memberRecord('x', 'left'));
    before(bucket);
    return { clock, bucket, a };
  }

  test('are deleted after ten minutes', async () => {
    const { clock, bucket, a } = await afterLeaving();
    await clock.advance(PURGE_MS);
    expect(bucket.record('m.b')).toMatchObject({ state: 'left' });
    await clock.advance(3 * timing.listMs);
    expect([bucket.get('m.b')!.value, bucket.get('h.b')!.value]).toEqual([undefined, undefined]);
    expect(a.member.topology().owners).toHaveLength(NUM_SHARDS);
  });

  test('stay while a shard names it', async () => {
    const { clock, bucket } = await afterLeaving((there) => {
      // Of another run, of which nothing says that it has ended.
      there.put(`s.${NUM_SHARDS - 1}`, owned(3, 'b', 'y'));
    });
    await clock.advance(PURGE_MS + 5 * timing.listMs);
    expect(bucket.record('m.b')).toMatchObject({ state: 'left' });
  });

  test('stay when it has come back in time', async () => {
    const { clock, bucket } = await afterLeaving();
    await clock.advance(PURGE_MS / 2);
    bucket.put('h.b', heartbeat('y'));
    bucket.put('m.b', memberRecord('y'));
    await clock.advance(5 * timing.listMs);
    bucket.put('m.b', memberRecord('y', 'left'));
    await clock.advance(PURGE_MS / 2);
    expect(bucket.record('m.b')).toMatchObject({ inc: 'y' });
  });

  test('leave the heartbeat of another run alone', async () => {
    const { clock, bucket } = await afterLeaving((there) => {
      there.put('h.b', heartbeat('z', { isDead: true }));
    });
    await clock.advance(PURGE_MS + 3 * timing.listMs);
    expect(bucket.get('m.b')!.value).toBeUndefined();
    expect(bucket.record('h.b')).toMatchObject({ inc: 'z' });
  });

  test('that another has written meanwhile are not touched', async () => {
    const { clock, bucket, a } = await afterLeaving();
    await clock.advance(PURGE_MS - timing.listMs);
    a.store.isDeaf = true;
    a.store.effect = ({ kind, key }) => {
      if (kind === 'cas' && key === 'm.b') bucket.put('m.b', memberRecord('y'), false);
      return undefined;
    };
    await clock.advance(5 * timing.listMs);
    expect(bucket.record('m.b')).toMatchObject({ inc: 'y', state: 'up' });
    expect(bucket.record('h.b')).toMatchObject({ inc: 'x' });
  });

  test('and that a full list no longer shows are forgotten', async () => {
    const { clock, bucket, a } = await afterLeaving((there) => {
      there.put('m.c', memberRecord('x'));
    });
    await clock.advance(2_000);
    a.store.isDeaf = true;
    bucket.put('m.c', undefined);
    const before = a.store.operations.length;
    await clock.advance(2 * timing.listMs);
    expect(a.store.operations.slice(before).some(({ kind }) => kind === 'list')).toBe(true);
    expect(a.store.watched).not.toContain('h.c');
  });
});

describe('a store that refuses', () => {
  const isWriteOf = (operation: Operation, key: string): boolean =>
    operation.kind === 'cas' && operation.key === key;
  const messages = (logger: RecordedLogger): string[] =>
    logger.lines.map(({ level, message }) => `${level}: ${message}`);

  test('the list ends a start with its reason, and the next start of that id waits for nothing', async () => {
    const { create, bucket, clock, join } = cluster();
    const created = create('a');
    const { member, start, logger } = created;
    created.steps.enter = async () => {
      created.store.effect = ({ kind }) => (kind === 'list' ? { refusal: FULL } : undefined);
    };
    const failed = endOf(start());
    await clock.advance(timing.expiryMs + timing.heartbeatMs);
    expect(await failed).toMatchObject({ code: 'STORE_REFUSED', cause: FULL });
    expect(messages(logger)).toEqual([
      'warn: node a waits for the membership store, which refuses to list all keys: the account is full',
    ]);
    expect(created.store.isClosed).toBe(true);
    expect(bucket.record('m.a')).toMatchObject({ state: 'left' });
    expect(member.list()).toEqual([]);
    await join('a');
  });

  test('a heartbeat lets the lease of a running node expire with the reason in its log, and renew when there is room', async () => {
    const { join, clock } = cluster();
    const { store, events, logger } = await join('a');
    expect(messages(logger)).toEqual(['info: node a joined its cluster']);
    store.effect = (operation) => (isWriteOf(operation, 'h.a') ? { refusal: FULL } : undefined);
    await clock.advance(10 * timing.leaseMs);
    expect(events).toContain('expired');
    const refused = 'the membership store refuses to write h.a: the account is full';
    const lapsed = messages(logger).filter((message) => message.includes('lapsed'));
    expect(lapsed).toEqual([
      `warn: node a lapsed and admits nothing until a heartbeat is acknowledged: ${refused}`,
    ]);
    expect(messages(logger)).toContain(
      'warn: the membership store of node a refuses to write h.a: the account is full',
    );
    expect(messages(logger).length).toBeLessThan(6);
    store.effect = () => undefined;
    await clock.advance(timing.leaseMs);
    expect(messages(logger).at(-1)).toMatch(/^info: node a has a lease again after \d+ ms$/);
  });

  test('a name to a node that was fenced is asked for as long as the node runs', async () => {
    const { join, clock, bucket } = cluster();
    const { store, events, logger } = await join('a');
    bucket.put('h.a', heartbeat('a', { isDead: true }));
    store.effect = (operation) => (isWriteOf(operation, 'h.a') ? { refusal: FULL } : undefined);
    await clock.advance(20 * timing.expiryMs);
    expect(events.splice(0).at(-1)).toMatch(/^fenced/);
    expect(messages(logger).filter((message) => message.startsWith('error'))).toEqual([]);
    store.effect = () => undefined;
    await clock.advance(timing.leaseMs);
    expect(events).toContain('joined');
    expect(messages(logger).at(-1)).toBe('info: node a joined its cluster again, as a new run');
  });
});

test('an expiry without trouble in the store says that no heartbeat was acknowledged', async () => {
  const { join, clock } = cluster();
  const { logger, member } = await join('a');
  clock.pause(2 * timing.leaseMs);
  member.admits(0);
  await clock.advance(2 * timing.heartbeatMs);
  expect(logger.lines.slice(1).map(({ message }) => message)).toEqual([
    'node a lapsed and admits nothing until a heartbeat is acknowledged: no heartbeat was acknowledged in time',
    expect.stringMatching(/^node a has a lease again after/),
  ]);
});
