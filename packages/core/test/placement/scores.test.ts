import { describe, expect, test } from 'vitest';
import { createPlacement } from '../../src/placement/placement.ts';
import type { Placement, PlacementOptions } from '../../src/placement/placement.ts';
import { quickHash } from './quick-hash.ts';

const refusal = (text: string): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(text) });

type Weights = Readonly<Record<string, number | undefined>>;
const WEIGHTS = { small: 1, medium: 2, large: 4, huge: 8 };
const IDS = Object.keys(WEIGHTS);

function placementOf(weights: Weights, options: PlacementOptions): Placement {
  const placement = createPlacement({ hash: quickHash, ...options });
  for (const [id, weight] of Object.entries(weights)) placement.addNode(id, weight);
  return placement;
}

function ownersOf(placement: Placement, numShards: number): (string | undefined)[] {
  return Array.from({ length: numShards }, (_, shard) => placement.ownerOf(shard));
}

describe('weights', () => {
  test('give each node its share of 16,384 shards, within 5 %', () => {
    const placement = placementOf(WEIGHTS, { numShards: 16_384 });
    for (const [id, weight] of Object.entries(WEIGHTS)) {
      const share = (16_384 * weight) / 15;
      expect(Math.abs(placement.shardsOf(id).length - share)).toBeLessThan(0.05 * share);
    }
  });

  test('with a bound, keep each node within ceil(1.1 × its share)', () => {
    for (const numShards of [64, 512, 4096]) {
      const placement = placementOf(WEIGHTS, { numShards, kind: 'bounded' });
      const loads = Object.entries(WEIGHTS).map(([id, weight]) => {
        const load = placement.shardsOf(id).length;
        expect(load).toBeLessThanOrEqual(Math.ceil((11 * numShards * weight) / 150));
        return load;
      });
      expect(loads.reduce((sum, load) => sum + load)).toBe(numShards);
    }
  });

  test('move shards to a joiner only, and only as its weight asks', () => {
    const { huge, ...others } = WEIGHTS;
    const placement = placementOf(others, { numShards: 4096 });
    const before = ownersOf(placement, 4096);
    placement.addNode('huge', huge);
    const gone = before.filter((owner, shard) => owner !== placement.ownerOf(shard));
    expect(gone).toHaveLength(placement.shardsOf('huge').length);
    expect(Math.abs(gone.length / 4096 - 8 / 15)).toBeLessThan(0.03);
  });

  test('of 1 change nothing, to the bit, whether others came and went with more or not', () => {
    const plain = placementOf({ a: undefined, b: undefined, c: undefined }, { numShards: 4096 });
    const ones = placementOf({ a: 1, b: 1, c: 1 }, { numShards: 4096 });
    expect(ownersOf(ones, 4096)).toEqual(ownersOf(plain, 4096));
    ones.addNode('heavy', 3);
    expect(ownersOf(ones, 4096)).not.toEqual(ownersOf(plain, 4096));
    ones.removeNode('heavy');
    expect(ownersOf(ones, 4096)).toEqual(ownersOf(plain, 4096));
  });

  test('that come first move nothing between the nodes that weigh 1', () => {
    const placement = placementOf({ a: 1, b: 1, c: 1 }, { numShards: 4096 });
    const before = ownersOf(placement, 4096);
    placement.addNode('half', 0.5);
    const after = ownersOf(placement, 4096);
    const moved = after.filter((owner, shard) => owner !== before[shard]);
    expect(new Set(moved)).toEqual(new Set(['half']));
    expect(Math.abs(moved.length / 4096 - 0.5 / 3.5)).toBeLessThan(0.02);
  });

  test('are relative: sixteen times as much for all is the same', () => {
    const scaled = Object.fromEntries(Object.entries(WEIGHTS).map(([id, weight]) => [id, weight * 16]));
    const one = placementOf(WEIGHTS, { numShards: 512, kind: 'bounded' });
    const other = placementOf(scaled, { numShards: 512, kind: 'bounded' });
    for (const id of IDS) expect(other.shardsOf(id)).toEqual(one.shardsOf(id));
  });

  test.each([
    ['the lowest', 0],
    ['the highest', 0xffff_ffff],
  ])('leave a score even of %s hash', (_, half) => {
    const hash = (): { high: number; low: number } => ({ high: half, low: half });
    const placement = placementOf({ a: 1, b: 2 }, { numShards: 1, hash });
    expect(placement.ownerOf(0)).toBe('b');
  });

  test.each([0, -1, NaN, Infinity, 1_001, '1', null])('refuse %s', (weight) => {
    expect(() => createPlacement({ numShards: 1 }).addNode('a', weight as number)).toThrow(
      refusal('weight must be a number above 0, at most 1000'),
    );
  });
});

test('createPlacement refuses a kind that it does not know', () => {
  expect(() => createPlacement({ numShards: 1, kind: 'even' as never })).toThrow(
    refusal('kind must be one of rendezvous, bounded, got "even"'),
  );
});
