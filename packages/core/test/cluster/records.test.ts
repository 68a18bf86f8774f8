import { describe, expect, test } from 'vitest';
import {
  heartbeatKey,
  memberKey,
  readConfig,
  readHeartbeat,
  readMember,
  readShard,
  readShardIn,
  shardKey,
} from '../../src/cluster/records.ts';

const config = { id: 'c', numShards: 8, seed: '', hash: 'ff', placement: 'rendezvous', proto: 1 };
const heartbeat = { inc: 'i', beat: 0, leaseMs: 2_000, isDead: false, nonce: 'n' };
const member = { inc: 'i', state: 'up', nonce: 'n' };
const shard = { epoch: 1, owner: 'a', inc: 'i', state: 'owned', nonce: 'n' };

test('keys name what they hold', () => {
  expect([heartbeatKey('a'), memberKey('a'), shardKey(7)]).toEqual(['h.a', 'm.a', 's.7']);
});

describe.each([
  ['cfg', readConfig, config],
  ['h', readHeartbeat, heartbeat],
  ['m', readMember, member],
  ['s', readShard, shard],
] as const)('a record under %s', (_key, read, record) => {
  test('is read back, whatever else a later version has put into it', () => {
    expect(read(JSON.stringify(record))).toEqual(record);
    expect(read(JSON.stringify({ ...record, more: 1 }))).toMatchObject(record);
  });

  test.each(Object.keys(record))('without %s, or with something else there, is none', (name) => {
    const { [name as never]: _left, ...rest } = record as Record<string, unknown>;
    expect(read(JSON.stringify(rest))).toBeUndefined();
    expect(read(JSON.stringify({ ...rest, [name]: [] }))).toBeUndefined();
  });

  test.each([undefined, '', '{', '5', 'null', '[]', '"up"'])('that is %j is none', (value) => {
    expect(read(value)).toBeUndefined();
  });
});

test('optional fields of a configuration or a member are read, and absent from earlier builds', () => {
  const more = { prefix: 'shop', codec: 'json' };
  expect(readConfig(JSON.stringify({ ...config, ...more }))).toEqual({ ...config, ...more });
  expect(readConfig(JSON.stringify({ ...config, codec: 5 }))).toBeUndefined();
  const traits = { ...more, hosts: ['order'], types: 'ff' };
  expect(readMember(JSON.stringify({ ...member, traits }))).toEqual({ ...member, traits });
  expect(readMember(JSON.stringify({ ...member, traits: { hosts: 'order' } }))).toBeUndefined();
});

test.each([0.5, 1, 1_000])('a member may weigh %s', (weight) => {
  expect(readMember(JSON.stringify({ ...member, weight }))).toEqual({ ...member, weight });
});

test.each([0, -1, 1_001, '2', null])('a member that weighs %j is none', (weight) => {
  expect(readMember(JSON.stringify({ ...member, weight }))).toBeUndefined();
});

describe('a shard’s record', () => {
  const text = JSON.stringify({ ...shard, cluster: 'c' });

  test('counts as written in the bucket that it names, as does one that names none', () => {
    expect(readShardIn('c', text)).toEqual({ ...shard, cluster: 'c' });
    expect(readShardIn('c', JSON.stringify(shard))).toEqual(shard);
  });

  test('from an earlier bucket proves only that there was such an epoch', () => {
    const restored = { ...shard, owner: '', inc: '', state: 'restored' };
    expect(readShardIn('d', text)).toEqual({ ...restored, cluster: 'c' });
    expect(readShardIn('d', '{')).toBeUndefined();
  });

  test('with something else for its bucket is none', () => {
    expect(readShard(JSON.stringify({ ...shard, cluster: 5 }))).toBeUndefined();
  });
});

test.each([-1, 1.5, 2 ** 53])('an epoch of %s is none', (epoch) => {
  expect(readShard(JSON.stringify({ ...shard, epoch }))).toBeUndefined();
});

test.each([
  ['owned', readShard, shard],
  ['released', readShard, shard],
  ['restored', readShard, shard],
  ['up', readMember, member],
  ['draining', readMember, member],
  ['left', readMember, member],
  ['dead', readMember, member],
] as const)('the state %s is known, another is not', (state, read, record) => {
  expect(read(JSON.stringify({ ...record, state }))).toMatchObject({ state });
  expect(read(JSON.stringify({ ...record, state: `${state}?` }))).toBeUndefined();
});

/** A line break would be protocol in the subject of the run. */
const INJECTED = 'a 0\r\n\r\nPUB admin 0\r\n';

test.each([
  ['a heartbeat', readHeartbeat, { ...heartbeat, inc: INJECTED }],
  ['a member', readMember, { ...member, inc: INJECTED }],
  ['a shard, by its owner', readShard, { ...shard, owner: INJECTED }],
  ['a shard, by its run', readShard, { ...shard, inc: INJECTED }],
  ['a released shard', readShard, { ...shard, state: 'released', inc: INJECTED }],
  ['a shard that nobody owns', readShard, { ...shard, owner: '', inc: '' }],
  ['a restored shard, in half', readShard, { ...shard, state: 'restored', owner: '' }],
] as const)('a record that names what no node is called is none: %s', (_what, read, record) => {
  expect(read(JSON.stringify(record))).toBeUndefined();
});

test.each(['released', 'restored'])('a shard that is %s may name nobody', (state) => {
  expect(readShard(JSON.stringify({ ...shard, state, owner: '', inc: '' }))).toMatchObject({ state });
});
