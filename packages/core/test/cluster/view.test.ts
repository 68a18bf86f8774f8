import { describe, expect, test } from 'vitest';
import { View } from '../../src/cluster/view.ts';

function start() {
  const told: string[] = [];
  const highestEpochs = new Map<number, number>();
  const view = new View({
    ...{ numShards: 64, highestEpochs, clusterId: () => 'c' },
    listener: {
      onMember: (id) => told.push(`m.${id}`),
      onHeartbeat: (id) => told.push(`h.${id}`),
      onShard: (shard) => told.push(`s.${shard}`),
    },
  });
  const apply = (key: string, revision: number, record: object | undefined, nowMs = 0): boolean =>
    view.apply({ key, revision, value: record && JSON.stringify(record) }, nowMs);
  return { view, told, apply, highestEpochs };
}

const heartbeat = (inc: string, more: object = {}) => ({
  ...{ inc, beat: 1, leaseMs: 2_000, isDead: false, nonce: 'n' },
  ...more,
});
const member = (inc: string, state = 'up') => ({ inc, state, nonce: 'n' });
const shard = (epoch: number, more: object = {}) => ({
  ...{ epoch, owner: 'a', inc: 'i', state: 'owned', nonce: 'n' },
  ...more,
});

describe('the view', () => {
  test('tells what is new, once', () => {
    const { told, apply } = start();
    expect(apply('h.a', 1, heartbeat('i'))).toBe(true);
    expect(apply('m.a', 2, member('i'))).toBe(true);
    expect(apply('s.3', 3, shard(1))).toBe(true);
    expect([
      apply('h.a', 1, heartbeat('i')),
      apply('m.a', 2, member('i')),
      apply('s.3', 3, shard(1)),
    ]).toEqual([false, false, false]);
    expect(told).toEqual(['h.a', 'm.a', 's.3']);
  });

  test('never goes back to an older write', () => {
    const { view, apply } = start();
    apply('s.3', 5, shard(2));
    apply('s.3', 4, shard(1));
    expect(view.shards.get(3)).toMatchObject({ revision: 5, record: { epoch: 2 } });
  });

  test('ignores keys that are none of the cluster’s', () => {
    const { told, apply } = start();
    expect(apply('cfg', 1, {})).toBe(false);
    expect(apply('s.first', 2, shard(1))).toBe(false);
    expect(apply('x.1', 3, {})).toBe(false);
    expect(told).toEqual([]);
  });

  test('knows since when a heartbeat has not changed', () => {
    const { view, apply } = start();
    apply('h.a', 1, heartbeat('i'), 100);
    apply('h.a', 1, heartbeat('i'), 200);
    expect(view.heartbeats.get('a')!.seenMs).toBe(100);
    apply('h.a', 2, heartbeat('i'), 300);
    expect(view.heartbeats.get('a')!.seenMs).toBe(300);
  });

  test('remembers the highest epoch of each shard, also when its record is gone', () => {
    const { view, apply, highestEpochs } = start();
    apply('s.3', 1, shard(7));
    apply('s.3', 2, shard(4));
    apply('s.3', 3, undefined);
    expect(view.shards.get(3)!.record).toBeUndefined();
    expect([...highestEpochs]).toEqual([[3, 7]]);
  });

  test('forgets a node, and tells so once', () => {
    const { view, apply, told } = start();
    apply('h.a', 1, heartbeat('i'));
    apply('m.a', 2, member('i'));
    told.length = 0;
    view.forget('a');
    view.forget('a');
    expect(told).toEqual(['m.a']);
    expect([view.isUp('a'), view.heartbeats.size]).toEqual([false, 0]);
  });
});

describe('a node', () => {
  test.each([
    ['up', true, true],
    ['draining', false, true],
    ['left', false, false],
    ['dead', false, false],
  ])('that says %s is up: %s, to be watched: %s', (state, isUp, isAlive) => {
    const { view, apply } = start();
    apply('m.a', 1, member('i', state));
    expect([view.isUp('a'), view.isAlive('a')]).toEqual([isUp, isAlive]);
  });

  test('that nobody has heard of is neither', () => {
    const { view } = start();
    expect([view.isUp('a'), view.isAlive('a')]).toEqual([false, false]);
  });

  test('whose heartbeat carries the dead mark is neither, unless the mark is of an earlier run', () => {
    const { view, apply } = start();
    apply('h.a', 1, heartbeat('before', { isDead: true }));
    apply('m.a', 3, member('i'));
    expect([view.isUp('a'), view.isAlive('a')]).toEqual([true, true]);
    apply('h.a', 4, heartbeat('i', { isDead: true }));
    expect([view.isUp('a'), view.isAlive('a')]).toEqual([false, false]);
  });

  test('is neither when a later run than the one its member record names was declared dead', () => {
    const { view, apply } = start();
    apply('m.a', 1, member('i'));
    apply('h.a', 2, heartbeat('next'));
    expect([view.isUp('a'), view.isAlive('a')]).toEqual([true, true]);
    apply('h.a', 3, heartbeat('next', { isDead: true }));
    expect([view.isUp('a'), view.isAlive('a')]).toEqual([false, false]);
  });
});

describe('a run', () => {
  test('is gone when its heartbeat carries the dead mark', () => {
    const { view, apply } = start();
    apply('h.a', 1, heartbeat('i'));
    expect(view.isGone('a', 'i', 5)).toBe(false);
    apply('h.a', 2, heartbeat('i', { isDead: true }));
    expect(view.isGone('a', 'i', 5)).toBe(true);
  });

  test.each(['left', 'dead'])('is gone when its member record says %s', (state) => {
    const { view, apply } = start();
    apply('m.a', 1, member('i', 'draining'));
    expect(view.isGone('a', 'i', 5)).toBe(false);
    apply('m.a', 2, member('i', state));
    expect(view.isGone('a', 'i', 5)).toBe(true);
  });

  test.each(['h.a', 'm.a'])('is gone when another has written %s after the record that names it', (key) => {
    const { view, apply } = start();
    apply(key, 6, key === 'h.a' ? heartbeat('next') : member('next'));
    expect(view.isGone('a', 'i', 5)).toBe(true);
  });

  test.each(['h.a', 'm.a'])('is not gone for an older word of another run under %s', (key) => {
    const { view, apply } = start();
    apply(key, 4, key === 'h.a' ? heartbeat('before') : member('before', 'left'));
    expect(view.isGone('a', 'i', 5)).toBe(false);
  });

  test('is not gone because its name is unknown, or its records were deleted', () => {
    const { view, apply } = start();
    expect(view.isGone('a', 'i', 5)).toBe(false);
    apply('h.a', 6, undefined);
    apply('m.a', 7, undefined);
    expect(view.isGone('a', 'i', 5)).toBe(false);
  });
});

test.each([
  ...['s.64', 's.-1', 's.01', 's.0x1', 's.1e0', 's.', 's. 1', 's.1.5', 's.4294967296', 's.99999999999'],
  ...['m.', 'm.a b', 'm.ü', 'm.a.b', `m.${'x'.repeat(65)}`, 'h.a\r\n', 'h.'],
])('the key %j names no node and no shard of this cluster, and enters no map', (key) => {
  const { view, apply, told, highestEpochs } = start();
  const record = { s: shard(7), m: member('i'), h: heartbeat('i') }[key[0] as 's' | 'm' | 'h'];
  expect(apply(key, 1, record)).toBe(false);
  expect([view.shards.size, view.members.size, view.heartbeats.size, highestEpochs.size]).toEqual([
    0, 0, 0, 0,
  ]);
  expect(told).toEqual([]);
});
