import { describe, expect, test } from 'vitest';
import { Bucket, TestStore } from './bucket.ts';
import { createLedger } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

function start() {
  const told: string[] = [];
  const highestEpochs = new Map<number, number>();
  const clock = skewedClock();
  const store = new TestStore(new Bucket(), clock);
  const ledger = createLedger(
    { store, clock, highestEpochs },
    { onMember: (id) => told.push(id), onShard: (shard) => told.push(`s.${shard}`) },
  );
  const learn = (key: string, revision: number, record: object | undefined): void =>
    ledger.learn({ key, revision, value: record && JSON.stringify(record) });
  return { ledger, told, learn, highestEpochs, clock, store };
}

const heartbeat = (inc: string, more: object = {}) => ({
  inc,
  beat: 1,
  leaseMs: 2_000,
  isDead: false,
  nonce: 'n',
  ...more,
});
const member = (inc: string, state = 'up') => ({ inc, state, nonce: 'n' });
const shard = (epoch: number, more: object = {}) => ({
  epoch,
  owner: 'a',
  inc: 'i',
  state: 'owned',
  nonce: 'n',
  ...more,
});

describe('the ledger', () => {
  test('reports news once', () => {
    const { told, learn } = start();
    for (let times = 0; times < 2; times++) {
      learn('h.a', 1, heartbeat('i'));
      learn('m.b', 2, member('i'));
      learn('s.3', 3, shard(1));
    }
    expect(told).toEqual(['a', 'b', 's.3']);
  });

  test('never goes back to an older write', () => {
    const { ledger, learn } = start();
    learn('s.3', 5, shard(2));
    learn('s.3', 4, shard(1));
    expect(ledger.shards.get(3)).toMatchObject({ revision: 5, record: { epoch: 2 } });
  });

  test('ignores keys that are none of the cluster’s', () => {
    const { told, learn } = start();
    learn('cfg', 1, {});
    learn('s.first', 2, shard(1));
    learn('x.1', 3, {});
    expect(told).toEqual([]);
  });

  test('knows since when a heartbeat has not changed', async () => {
    const { ledger, learn, clock } = start();
    const startMs = clock.monoMs();
    learn('h.a', 1, heartbeat('i'));
    await clock.advance(100);
    learn('h.a', 1, heartbeat('i'));
    expect(ledger.heartbeats.get('a')!.seenMs).toBe(startMs);
    learn('h.a', 2, heartbeat('i'));
    expect(ledger.heartbeats.get('a')!.seenMs).toBe(startMs + 100);
  });

  test('remembers the highest epoch of each shard, also when its record is gone', () => {
    const { ledger, learn, highestEpochs } = start();
    learn('s.3', 1, shard(7));
    learn('s.3', 2, shard(4));
    learn('s.3', 3, undefined);
    expect(ledger.shards.get(3)!.record).toBeUndefined();
    expect([...highestEpochs]).toEqual([[3, 7]]);
  });

  test('forgets a node, and reports that once', () => {
    const { ledger, learn, told } = start();
    learn('h.a', 1, heartbeat('i'));
    learn('m.a', 2, member('i'));
    told.length = 0;
    ledger.forget('a');
    ledger.forget('a');
    expect(told).toEqual(['a']);
    expect([ledger.isUp('a'), ledger.heartbeats.size]).toEqual([false, 0]);
  });
});

describe('the shards that no live run owns', () => {
  test('are told with the reason, once a full list is known', () => {
    const { ledger, learn } = start();
    expect(ledger.topology().unowned).toBeUndefined();
    ledger.learnAll([]);
    const others = Array.from({ length: 64 - 4 }, (_, i) => i + 4);
    learn('s.0', 1, shard(4, { owner: 'a', inc: 'i' }));
    learn('s.1', 2, shard(4, { owner: 'b', inc: 'i', state: 'released' }));
    learn('s.2', 3, shard(4, { owner: '', inc: '', state: 'restored' }));
    const before = ledger.topology();
    expect(before.unowned).toEqual([
      ['released', 'b', [1]],
      ['restored', '', [2]],
      ['new', '', [3, ...others]],
    ]);
    learn('h.a', 4, heartbeat('i'));
    learn('h.a', 5, heartbeat('i'));
    const alive = ledger.topology();
    learn('h.a', 6, heartbeat('i'));
    expect(ledger.topology()).toBe(alive);
    learn('h.a', 7, heartbeat('i', { isDead: true }));
    expect(ledger.topology().unowned![0]).toEqual(['gone', 'a', [0]]);
  });
});

describe('a write', () => {
  const isWanted = (): boolean => true;

  test('is known before its result is, and has a nonce of its own', async () => {
    const { ledger, told, store } = start();
    const { epoch, owner, inc, state } = { epoch: 1, owner: 'a', inc: 'i', state: 'owned' } as const;
    const written = ledger.write('s.3', 0, { epoch, owner, inc, state }, isWanted);
    expect(await written).toMatchObject({ kind: 'acked' });
    expect(told).toEqual(['s.3']);
    await ledger.write('s.3', 1, { epoch, owner, inc, state }, isWanted);
    expect(new Set(store.sent('s.3').map(({ value }) => value)).size).toBe(2);
  });

  test('that is lost reveals the write that won', async () => {
    const { ledger, store } = start();
    const theirs = JSON.stringify(shard(4, { owner: 'b' }));
    await store.cas('s.3', 0, theirs, 1);
    const written = ledger.write('s.3', 0, { epoch: 1, owner: 'a', inc: 'i', state: 'owned' }, isWanted);
    expect(await written).toMatchObject({ kind: 'lost' });
    expect(ledger.ownerOf(3)).toMatchObject({ epoch: 4, address: { nodeId: 'b' } });
  });

  test('is not learned once the incarnation has ended', async () => {
    const { ledger, told } = start();
    const written = ledger.write('m.a', 0, { inc: 'i', state: 'up' }, isWanted);
    ledger.end();
    await written;
    expect(told).toEqual([]);
  });
});

describe('a node', () => {
  test.each([
    ['up', true, true],
    ['draining', false, true],
    ['left', false, false],
    ['dead', false, false],
  ])('that says %s is up: %s, to be watched: %s', (state, isUp, isAlive) => {
    const { ledger, learn } = start();
    learn('m.a', 1, member('i', state));
    expect([ledger.isUp('a'), ledger.isAlive('a')]).toEqual([isUp, isAlive]);
  });

  test('that is unknown is neither', () => {
    const { ledger } = start();
    expect([ledger.isUp('a'), ledger.isAlive('a')]).toEqual([false, false]);
  });

  test('whose heartbeat carries the dead mark is neither, unless the mark is of an earlier run', () => {
    const { ledger, learn } = start();
    learn('h.a', 1, heartbeat('before', { isDead: true }));
    learn('m.a', 3, member('i'));
    expect([ledger.isUp('a'), ledger.isAlive('a')]).toEqual([true, true]);
    learn('h.a', 4, heartbeat('i', { isDead: true }));
    expect([ledger.isUp('a'), ledger.isAlive('a')]).toEqual([false, false]);
  });

  test('is neither when a later run than the one its member record names was declared dead', () => {
    const { ledger, learn } = start();
    learn('m.a', 1, member('i'));
    learn('h.a', 2, heartbeat('next'));
    expect([ledger.isUp('a'), ledger.isAlive('a')]).toEqual([true, true]);
    learn('h.a', 3, heartbeat('next', { isDead: true }));
    expect([ledger.isUp('a'), ledger.isAlive('a')]).toEqual([false, false]);
  });
});

describe('a run', () => {
  test('is gone when its heartbeat carries the dead mark', () => {
    const { ledger, learn } = start();
    learn('h.a', 1, heartbeat('i'));
    expect(ledger.isGone('a', 'i', 5)).toBe(false);
    learn('h.a', 2, heartbeat('i', { isDead: true }));
    expect(ledger.isGone('a', 'i', 5)).toBe(true);
  });

  test.each(['left', 'dead'])('is gone when its member record says %s', (state) => {
    const { ledger, learn } = start();
    learn('m.a', 1, member('i', 'draining'));
    expect(ledger.isGone('a', 'i', 5)).toBe(false);
    learn('m.a', 2, member('i', state));
    expect(ledger.isGone('a', 'i', 5)).toBe(true);
  });

  test.each(['h.a', 'm.a'])('is gone when another has written %s after the record that names it', (key) => {
    const { ledger, learn } = start();
    learn(key, 6, key === 'h.a' ? heartbeat('next') : member('next'));
    expect(ledger.isGone('a', 'i', 5)).toBe(true);
  });

  test.each(['h.a', 'm.a'])('is not gone for an older word of another run under %s', (key) => {
    const { ledger, learn } = start();
    learn(key, 4, key === 'h.a' ? heartbeat('before') : member('before', 'left'));
    expect(ledger.isGone('a', 'i', 5)).toBe(false);
  });

  test('is not gone because its name is unknown, or its records were deleted', () => {
    const { ledger, learn } = start();
    expect(ledger.isGone('a', 'i', 5)).toBe(false);
    learn('h.a', 6, undefined);
    learn('m.a', 7, undefined);
    expect(ledger.isGone('a', 'i', 5)).toBe(false);
  });
});

test.each([
  's.64',
  's.-1',
  's.01',
  's.0x1',
  's.1e0',
  's.',
  's. 1',
  's.1.5',
  's.4294967296',
  's.99999999999',
  'm.',
  'm.a b',
  'm.ü',
  'm.a.b',
  `m.${'x'.repeat(65)}`,
  'h.a\r\n',
  'h.',
])('the key %j names no node and no shard of this cluster, and enters no map', (key) => {
  const { ledger, learn, told, highestEpochs } = start();
  const record = { s: shard(7), m: member('i'), h: heartbeat('i') }[key[0] as 's' | 'm' | 'h'];
  learn(key, 1, record);
  expect([ledger.shards.size, ledger.members.size, ledger.heartbeats.size, highestEpochs.size]).toEqual([
    0, 0, 0, 0,
  ]);
  expect(told).toEqual([]);
});
