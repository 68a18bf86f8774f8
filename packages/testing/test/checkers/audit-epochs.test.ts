import { describe, expect, test } from 'vitest';
import { auditEpochs } from '../../src/checkers/audit-epochs.ts';
import type { BucketWrite, EpochProblemKind } from '../../src/checkers/audit-epochs.ts';
import { chance, seed } from './seeded.ts';
import type { Chance } from './seeded.ts';

console.log(`seed of the buckets: ${seed}`);

interface ShardValue {
  epoch: number;
  owner: string;
  inc: string;
  state: string;
}

/** Revisions in order of the list. */
function stream(...writes: readonly [key: string, value: object | undefined][]): BucketWrite[] {
  return writes.map(([key, value], index) => ({
    revision: index + 1,
    key,
    value: value === undefined ? undefined : JSON.stringify({ ...value, nonce: `n${index}` }),
  }));
}

const owned = (inc: string, epoch: number): ShardValue => ({
  epoch,
  owner: `node-${inc}`,
  inc,
  state: 'owned',
});
const released = (inc: string, epoch: number): ShardValue => ({ ...owned(inc, epoch), state: 'released' });
const up = (inc: string): object => ({ inc, state: 'up' });
const kindsOf = (writes: readonly BucketWrite[], maxMovesPerChange?: number): EpochProblemKind[] =>
  auditEpochs(writes, { maxMovesPerChange }).problems.map(({ kind }) => kind);

describe('an audit', () => {
  test('accepts claims, releases, take-overs, adopted records and the records of other keys', () => {
    const audit = auditEpochs(
      stream(
        ['cfg', { id: 'x' }],
        ['h.node-a', { inc: 'a', beat: 1 }],
        ['m.node-a', up('a')],
        ['s.0', { epoch: 0, owner: '', inc: '', state: 'released' }],
        ['s.0', owned('a', 1)],
        ['s.0', owned('a', 1)],
        ['m.node-b', up('b')],
        ['s.0', released('a', 1)],
        ['s.0', owned('b', 2)],
        ['m.node-b', { inc: 'b', state: 'dead' }],
        ['s.0', owned('c', 7)],
        ['s.0', { ...owned('d', 7), state: 'restored' }],
        ['s.0', owned('d', 8)],
      ),
    );
    expect(audit).toMatchObject({ problems: [], shardWrites: 8, moves: 3, membershipChanges: 3 });
  });

  test.each<[string, BucketWrite[], EpochProblemKind[]]>([
    ['an epoch that falls', stream(['s.0', owned('a', 3)], ['s.0', owned('a', 2)]), ['epoch-regressed']],
    [
      'two owners of one epoch',
      stream(['s.0', owned('a', 3)], ['s.0', owned('b', 3)]),
      ['two-owners', 'epoch-not-raised'],
    ],
    [
      'a claim of the epoch of a release',
      stream(['s.0', released('a', 3)], ['s.0', owned('a', 3)], ['s.0', released('b', 3)]),
      ['two-owners'],
    ],
    [
      'an old owner that comes back',
      stream(['s.0', owned('a', 1)], ['s.0', owned('b', 2)], ['s.0', owned('a', 1)]),
      ['epoch-regressed'],
    ],
    [
      'a node that runs again under its old epoch',
      stream(['s.0', { ...owned('a', 1), inc: 'x' }], ['s.0', owned('a', 1)]),
      ['two-owners', 'epoch-not-raised'],
    ],
    ['a deleted record', stream(['s.0', owned('a', 1)], ['s.0', undefined]), ['malformed']],
    ['a record without an epoch', stream(['s.0', { owner: 'a', inc: 'a', state: 'owned' }]), ['malformed']],
    ['a record with an unknown state', stream(['s.0', { ...owned('a', 1), state: 'lent' }]), ['malformed']],
    ['another epoch of another shard', stream(['s.0', owned('a', 5)], ['s.1', owned('b', 1)]), []],
  ])('of %s', (_, writes, kinds) => {
    expect(kindsOf(writes)).toEqual(kinds);
  });

  test('ends at a revision that is out of order, and names what it found', () => {
    const writes = [
      ...stream(['s.0', owned('a', 3)], ['s.0', owned('a', 2)]),
      ...stream(['s.0', owned('z', 1)]),
    ];
    expect(auditEpochs(writes).problems).toEqual([
      { kind: 'epoch-regressed', revision: 2, key: 's.0', explanation: 'node-a#a wrote epoch 2 after 3' },
      { kind: 'out-of-order', revision: 1, key: 's.0', explanation: 'revision 1 follows 2' },
    ]);
  });

  test('counts moves against changes of membership, one of which may be late', () => {
    const move = (inc: string, epoch: number): [string, ShardValue] => ['s.0', owned(inc, epoch)];
    const joins = (...incs: string[]): [string, object][] => incs.map((inc) => [`m.${inc}`, up(inc)]);
    const explained = stream(...joins('a'), move('a', 1), ...joins('b', 'c'), move('b', 2), move('c', 3));
    expect(kindsOf(explained, 1)).toEqual([]);
    const repeated = stream(
      ...joins('a'),
      move('a', 1),
      ...joins('b'),
      ...joins('b'),
      move('b', 2),
      move('c', 3),
    );
    expect(kindsOf(repeated, 1)).toEqual(['too-many-moves']);
    expect(kindsOf(repeated)).toEqual([]);
    const late = stream(...joins('a', 'b'), move('a', 1), move('b', 2));
    expect(kindsOf(late, 1)).toEqual([]);
    const early = stream(...joins('a', 'b'), move('a', 1), move('b', 2), move('a', 3));
    expect(kindsOf(early, 1)).toEqual(['too-many-moves']);
    const saved = stream(
      ...joins('a'),
      move('a', 1),
      ...joins('b', 'c', 'd', 'e'),
      move('b', 2),
      move('c', 3),
      move('d', 4),
    );
    expect(kindsOf(saved, 1)).toEqual(['too-many-moves']);
  });
});

/** Some shards, each with owner after owner. */
function bucketOf(random: Chance): [string, ShardValue][] {
  const writes: [string, ShardValue][] = [];
  const epochs = new Map<string, ShardValue>();
  for (let left = 12 + random.below(30); left > 0; left--) {
    const key = `s.${random.below(3)}`;
    const last = epochs.get(key);
    const value =
      last !== undefined && random.is(0.3)
        ? { ...last, state: 'released' }
        : owned(random.pick(['a', 'b', 'c', 'd']), (last?.epoch ?? 0) + 1 + (random.is(0.1) ? 3 : 0));
    epochs.set(key, value);
    writes.push([key, value]);
  }
  return writes;
}

/** One write more, at a place where it is surely wrong. */
const MUTATIONS: Readonly<Record<'double owner' | 'epoch regression', (last: ShardValue) => ShardValue>> = {
  'double owner': (last) => owned('intruder', last.epoch),
  'epoch regression': (last) => owned('intruder', last.epoch - 1),
};

test('1,000 buckets are clean, and 1,000 with each kind of wrong write are not', () => {
  const random = chance(seed);
  const counts = { clean: 0, 'double owner': 0, 'epoch regression': 0 };
  for (let bucket = 0; bucket < 1_000; bucket++) {
    const writes = bucketOf(random);
    if (kindsOf(stream(...writes)).length === 0) counts.clean++;
    for (const [name, mutate] of Object.entries(MUTATIONS)) {
      const at = random.pick([...writes.keys()].filter((index) => writes[index]![1].state === 'owned'));
      const [key, last] = writes[at]!;
      const wrong: [string, ShardValue] = [key, mutate(last)];
      const { problems } = auditEpochs(stream(...writes.slice(0, at + 1), wrong, ...writes.slice(at + 1)));
      const expected = name === 'double owner' ? 'two-owners' : 'epoch-regressed';
      const isFound = problems.some(({ kind, revision }) => kind === expected && revision === at + 2);
      if (isFound) counts[name as keyof typeof MUTATIONS]++;
    }
  }
  expect(counts).toEqual({ clean: 1_000, 'double owner': 1_000, 'epoch regression': 1_000 });
});
