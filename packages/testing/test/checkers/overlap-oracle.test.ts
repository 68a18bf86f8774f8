import { describe, expect, test } from 'vitest';
import { createOverlapOracle } from '../../src/checkers/overlap-oracle.ts';
import type { OverlapOracle, ShardOwner } from '../../src/checkers/overlap-oracle.ts';
import { chance, seed } from './seeded.ts';
import type { Chance } from './seeded.ts';

console.log(`seed of the shards' lives: ${seed}`);

const owner = (inc: string, epoch: number, shard = 0): ShardOwner => ({ shard, nodeId: inc, inc, epoch });

describe('two owners', () => {
  test('are reported once, with the earlier owner, the later one and the time', () => {
    const oracle = createOverlapOracle();
    oracle.admitted(owner('a', 1), 5);
    oracle.admitted(owner('b', 2), 7);
    oracle.admitted(owner('b', 2), 8);
    oracle.admitted(owner('a', 1), 9);
    expect(oracle.overlaps).toEqual([{ kind: 'two-owners', at: 7, owners: [owner('a', 1), owner('b', 2)] }]);
    expect(oracle.admissions).toBe(4);
  });

  test('are none when one ended first, even at the same time, or on another shard', () => {
    const oracle = createOverlapOracle();
    oracle.admitted(owner('a', 1), 5);
    oracle.ended(owner('a', 1));
    oracle.admitted(owner('b', 2), 5);
    oracle.admitted(owner('c', 1, 1), 5);
    expect(oracle.overlaps).toEqual([]);
  });

  test('are none once the time of the first has ended, and are two if that time was extended', () => {
    const oracle = createOverlapOracle();
    oracle.admitted(owner('a', 1), 5, 10);
    oracle.admitted(owner('b', 2), 10);
    expect(oracle.overlaps).toEqual([]);
    oracle.admitted(owner('c', 1, 1), 5, 10);
    oracle.admitted(owner('c', 1, 1), 9, 20);
    oracle.admitted(owner('d', 2, 1), 10);
    expect(oracle.overlaps).toHaveLength(1);
  });
});

describe('two epochs', () => {
  test('are reported when a handler starts while one of another epoch runs', () => {
    const oracle = createOverlapOracle();
    oracle.handlerStarted(owner('a', 1), 'h1', 5);
    oracle.handlerStarted(owner('b', 2), 'h2', 6);
    expect(oracle.overlaps).toEqual([{ kind: 'two-epochs', at: 6, owners: [owner('a', 1), owner('b', 2)] }]);
    expect(oracle.handlers).toBe(2);
  });

  test.each<[string, (oracle: OverlapOracle) => void]>([
    ['the first ended', (oracle) => oracle.handlerEnded('h1')],
    ['its signal is aborted', (oracle) => oracle.handlerAborted('h1')],
    ['its process is paused', (oracle) => oracle.paused('a')],
  ])('are none when %s', (_, happens) => {
    const oracle = createOverlapOracle();
    oracle.handlerStarted(owner('a', 1), 'h1', 5);
    happens(oracle);
    oracle.handlerStarted(owner('b', 2), 'h2', 6);
    oracle.handlerStarted(owner('b', 2), 'h3', 6);
    expect(oracle.overlaps).toEqual([]);
  });

  test('are reported for a process that resumes and does not abort', () => {
    const oracle = createOverlapOracle();
    oracle.handlerStarted(owner('a', 1), 'h1', 5);
    oracle.paused('a');
    oracle.handlerStarted(owner('b', 2), 'h2', 6);
    oracle.resumed('a');
    oracle.handlerStarted(owner('b', 2), 'h3', 7);
    expect(oracle.overlaps).toHaveLength(1);
  });
});

/** What the oracle is told of one shard, in order. */
type Step = (oracle: OverlapOracle) => void;
type Life = readonly {
  readonly kind: 'admit' | 'end' | 'start' | 'finish';
  readonly epoch: number;
  readonly step: Step;
}[];

/** Owner after owner, handlers of each while it owns the shard; some are left to run, aborted. */
function lifeOf(shard: number, random: Chance): Life {
  const life: Life[number][] = [];
  let at = 0;
  for (let epoch = 1; epoch <= 2 + random.below(5); epoch++) {
    const one = owner(`run-${epoch}`, epoch, shard);
    const now = (at += random.below(3));
    life.push({ kind: 'admit', epoch, step: (oracle) => oracle.admitted(one, now) });
    const handlers = Array.from({ length: 1 + random.below(3) }, (_, index) => `${shard} ${epoch} ${index}`);
    for (const name of handlers)
      life.push({ kind: 'start', epoch, step: (oracle) => oracle.handlerStarted(one, name, now) });
    for (const name of handlers) {
      const isAborted = random.is(0.3);
      const step: Step = (oracle) => (isAborted ? oracle.handlerAborted(name) : oracle.handlerEnded(name));
      life.push({ kind: 'finish', epoch, step });
    }
    life.push({ kind: 'end', epoch, step: (oracle) => oracle.ended(one) });
  }
  return life;
}

/** Leaves out what ends an owner, or a handler, that is not the last. */
function spoilt(life: Life, kind: 'end' | 'finish', random: Chance): Life {
  const last = life.at(-1)!.epoch;
  const left = random.pick(life.filter((step) => step.kind === kind && step.epoch < last));
  return life.filter((step) => step !== left);
}

test('1,000 lives of shards are clean; 1,000 with an owner that stays, and 1,000 with a handler that stays, are not', () => {
  const random = chance(seed);
  const verdict = (life: Life): string[] => {
    const oracle = createOverlapOracle();
    for (const { step } of life) step(oracle);
    return [...new Set(oracle.overlaps.map(({ kind }) => kind))];
  };
  const counts = { clean: 0, 'two-owners': 0, 'two-epochs': 0 };
  for (let shard = 0; shard < 1_000; shard++) {
    const life = lifeOf(shard, random);
    if (verdict(life).length === 0) counts.clean++;
    if (verdict(spoilt(life, 'end', random)).join() === 'two-owners') counts['two-owners']++;
    if (verdict(spoilt(life, 'finish', random)).join() === 'two-epochs') counts['two-epochs']++;
  }
  expect(counts).toEqual({ clean: 1_000, 'two-owners': 1_000, 'two-epochs': 1_000 });
});
