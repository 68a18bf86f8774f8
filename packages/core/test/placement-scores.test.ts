import { describe, expect, test } from 'vitest';
import { createPlacement } from '../src/placement.ts';
import type { Placement, PlacementOptions } from '../src/placement.ts';
import { quickHash } from './quick-hash.ts';

const refusal = (text: string): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(text) });

const WEIGHTS = { small: 1, medium: 2, large: 4, huge: 8 };
const IDS = Object.keys(WEIGHTS);

function placementOf(ids: readonly string[], options: PlacementOptions): Placement {
  const placement = createPlacement({ hash: quickHash, ...options });
  for (const id of ids) placement.addNode(id);
  return placement;
}

describe('weights', () => {
  test('give each node its share of 16,384 shards, within 5 %', () => {
    const placement = placementOf(IDS, { numShards: 16_384, weights: WEIGHTS });
    for (const [id, weight] of Object.entries(WEIGHTS)) {
      const share = (16_384 * weight) / 15;
      expect(Math.abs(placement.shardsOf(id).length - share)).toBeLessThan(0.05 * share);
    }
  });

  test('with a bound, keep each node within ceil(1.1 × its share)', () => {
    for (const numShards of [64, 512, 4096]) {
      const placement = placementOf(IDS, { numShards, weights: WEIGHTS, kind: 'bounded' });
      const loads = Object.entries(WEIGHTS).map(([id, weight]) => {
        const load = placement.shardsOf(id).length;
        expect(load).toBeLessThanOrEqual(Math.ceil((11 * numShards * weight) / 150));
        return load;
      });
      expect(loads.reduce((sum, load) => sum + load)).toBe(numShards);
    }
  });

  test('move shards to a joiner only, and only as its weight asks', () => {
    const placement = placementOf(['small', 'medium', 'large'], { numShards: 4096, weights: WEIGHTS });
    const before = Array.from({ length: 4096 }, (_, shard) => placement.ownerOf(shard));
    placement.addNode('huge');
    const gone = before.filter((owner, shard) => owner !== placement.ownerOf(shard));
    expect(gone).toHaveLength(placement.shardsOf('huge').length);
    expect(Math.abs(gone.length / 4096 - 8 / 15)).toBeLessThan(0.03);
  });

  test('of 1 for all spread as evenly as none', () => {
    const placement = placementOf(IDS, { numShards: 16_384, weights: {} });
    for (const id of IDS) expect(Math.abs(placement.shardsOf(id).length - 4_096)).toBeLessThan(205);
  });

  test('are in proportion: sixteen times as much for all is the same', () => {
    const scaled = Object.fromEntries(Object.entries(WEIGHTS).map(([id, weight]) => [id, weight * 16]));
    const one = placementOf(IDS, { numShards: 512, weights: WEIGHTS, kind: 'bounded' });
    const other = placementOf(IDS, { numShards: 512, weights: scaled, kind: 'bounded' });
    for (const id of IDS) expect(other.shardsOf(id)).toEqual(one.shardsOf(id));
  });

  test('hold when the caller changes the object afterwards', () => {
    const weights: Record<string, number> = { small: 1, huge: 1_000 };
    const placement = createPlacement({ numShards: 256, hash: quickHash, weights });
    weights['small'] = 1_000;
    weights['huge'] = 1;
    placement.addNode('small');
    placement.addNode('huge');
    expect(placement.shardsOf('huge').length).toBeGreaterThan(240);
  });

  test.each([
    ['the lowest', 0],
    ['the highest', 0xffff_ffff],
  ])('leave a score even of %s hash', (_, half) => {
    const hash = (): { high: number; low: number } => ({ high: half, low: half });
    const placement = placementOf(['a', 'b'], { numShards: 1, hash, weights: { a: 1, b: 2 } });
    expect(placement.ownerOf(0)).toBe('b');
  });

  test.each([0, -1, NaN, Infinity, 1_001, '1', null])('refuse %s', (weight) => {
    expect(() => createPlacement({ numShards: 1, weights: { a: weight as number } })).toThrow(
      refusal('weights.a must be a number above 0, at most 1000'),
    );
  });

  test.each([null, 5, [1]])('refuse %j in place of the object', (weights) => {
    expect(() => createPlacement({ numShards: 1, weights: weights as never })).toThrow(
      refusal('weights must be an object'),
    );
  });
});

test('createPlacement refuses a kind that it does not know', () => {
  expect(() => createPlacement({ numShards: 1, kind: 'even' as never })).toThrow(
    refusal('kind must be one of rendezvous, bounded, got "even"'),
  );
});
