import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash64 } from '../../src/placement/hash64.ts';
import { createPlacement, shardsForNode } from '../../src/placement/placement.ts';
import type { Placement, PlacementOptions } from '../../src/placement/placement.ts';
import { goVectors } from '../vectors.ts';

const refusal = (text: string): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(text) });

const nodeIds = (count: number): string[] => Array.from({ length: count }, (_, i) => `node-${i}`);

function placementOf(ids: readonly string[], options: PlacementOptions): Placement {
  const placement = createPlacement(options);
  for (const id of ids) placement.addNode(id);
  return placement;
}

function ownersOf(placement: Placement, numShards: number): (string | undefined)[] {
  return Array.from({ length: numShards }, (_, shard) => placement.ownerOf(shard));
}

describe('shardsForNode', () => {
  test('equals all 84 vectors of the Go implementation', { timeout: 30_000 }, () => {
    const vectors = goVectors().shardsForNode;
    expect(vectors).toHaveLength(84);
    for (const { nodeIds: ids, numShards, seed, owners } of vectors) {
      const placed = Object.fromEntries(
        Object.keys(owners).map((id) => [id, shardsForNode(id, ids, numShards, seed)]),
      );
      expect(placed).toEqual(owners);
    }
  });

  test('gives every shard to exactly one node, whatever the order of the ids', () => {
    const ids = fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 5 }), { minLength: 1, maxLength: 6 });
    const cases = ids.chain((list) =>
      fc.record({ list: fc.constant(list), shuffled: fc.shuffledSubarray(list, { minLength: list.length }) }),
    );
    fc.assert(
      fc.property(cases, fc.string(), ({ list, shuffled }, seed) => {
        const numShards = 32;
        const all = list.map((id) => shardsForNode(id, list, numShards, seed));
        expect(all.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: numShards }, (_, i) => i));
        expect(list.map((id) => shardsForNode(id, shuffled, numShards, seed))).toEqual(all);
        for (const shards of all) expect(shards).toEqual([...shards].sort((a, b) => a - b));
      }),
      { numRuns: 50 },
    );
  });

  test('counts an id given twice once', () => {
    expect(shardsForNode('a', ['a', 'b', 'a'], 64)).toEqual(shardsForNode('a', ['a', 'b'], 64));
  });

  test('refuses a node that is not among the ids', () => {
    expect(() => shardsForNode('c', ['a', 'b'], 16)).toThrow(refusal('node "c" is not among the 2 nodeIds'));
    expect(() => shardsForNode('c', [], 16)).toThrow(refusal('not among the 0 nodeIds'));
  });

  test.each([undefined, null, 'node-1', { 0: 'node-1' }])('refuses %j in place of the ids', (ids) => {
    expect(() => shardsForNode('node-1', ids as never, 16)).toThrow(refusal('nodeIds must be a list'));
  });

  test.each([undefined, null, 5, {}])('refuses the node id %j', (id) => {
    expect(() => shardsForNode(id as string, [id as string, 'b'], 16)).toThrow(
      refusal('nodeId must be a string'),
    );
  });

  test.each([0, -1, 1.5, NaN, 2 ** 32, '16'])('refuses %s shards', (numShards) => {
    expect(() => shardsForNode('a', ['a'], numShards as number)).toThrow(refusal('numShards must be'));
  });

  test('refuses a seed that is not a string', () => {
    expect(() => shardsForNode('a', ['a'], 16, 5 as never)).toThrow(refusal('seed must be a string'));
  });
});

describe('createPlacement', () => {
  test(
    'one node joining 100 with 4,096 shards computes 4,096 hashes and moves shards to the joiner only',
    { timeout: 30_000 },
    () => {
      let hashes = 0;
      const hash: typeof hash64 = (text) => {
        hashes++;
        return hash64(text);
      };
      const placement = placementOf(nodeIds(100), { numShards: 4096, hash });
      expect(hashes).toBe(100 * 4096);
      const before = ownersOf(placement, 4096);
      hashes = 0;
      placement.addNode('joiner');
      expect(hashes).toBe(4096);
      const after = ownersOf(placement, 4096);
      const moved = after.filter((owner, shard) => owner !== before[shard]);
      expect(new Set(moved)).toEqual(new Set(['joiner']));
      // A fair share of 4096 / 101 is 40.6; the hash is fixed, so this number is too.
      expect(moved.length).toBe(placement.shardsOf('joiner').length);
      expect(moved.length).toBeGreaterThan(20);
      expect(moved.length).toBeLessThan(70);

      hashes = 0;
      placement.removeNode('joiner');
      expect(hashes).toBe(0);
      expect(ownersOf(placement, 4096)).toEqual(before);
    },
  );

  test('a node that leaves gives its shards away and moves no other', () => {
    const placement = placementOf(nodeIds(5), { numShards: 256 });
    const before = ownersOf(placement, 256);
    placement.removeNode('node-2');
    const after = ownersOf(placement, 256);
    expect(after).not.toContain('node-2');
    for (const [shard, owner] of before.entries()) {
      if (owner !== 'node-2') expect(after[shard]).toBe(owner);
    }
    expect(after).toEqual(
      ownersOf(placementOf(['node-4', 'node-0', 'node-3', 'node-1'], { numShards: 256 }), 256),
    );
  });

  test('any history of joins and leaves ends where the members alone would put the shards', () => {
    const steps = fc.array(fc.record({ id: fc.constantFrom(...nodeIds(6)), joins: fc.boolean() }), {
      maxLength: 25,
    });
    // A hash of few values makes equal scores the rule.
    const coarse: typeof hash64 = (text) => ({ high: hash64(text).high % 2, low: hash64(text).low % 2 });
    fc.assert(
      fc.property(steps, fc.constantFrom(hash64, coarse), (history, hash) => {
        const options = { numShards: 24, seed: 's', hash };
        const placement = createPlacement(options);
        const members = new Set<string>();
        for (const { id, joins } of history) {
          if (joins) placement.addNode(id);
          else placement.removeNode(id);
          if (joins) members.add(id);
          else members.delete(id);
        }
        expect(ownersOf(placement, 24)).toEqual(ownersOf(placementOf([...members], options), 24));
      }),
    );
  });

  test('adding a member again, and removing a stranger, change nothing and compute nothing', () => {
    let hashes = 0;
    const hash: typeof hash64 = (text) => {
      hashes++;
      return hash64(text);
    };
    const placement = placementOf(['a', 'b'], { numShards: 64, hash });
    const before = ownersOf(placement, 64);
    hashes = 0;
    placement.addNode('a');
    placement.removeNode('stranger');
    expect(hashes).toBe(0);
    expect(ownersOf(placement, 64)).toEqual(before);
  });

  test('without nodes nobody owns anything', () => {
    const placement = createPlacement({ numShards: 4 });
    expect(ownersOf(placement, 4)).toEqual([undefined, undefined, undefined, undefined]);
    expect(placement.shardsOf('a')).toEqual([]);
    placement.addNode('a');
    expect(placement.shardsOf('a')).toEqual([0, 1, 2, 3]);
    placement.removeNode('a');
    expect(placement.ownerOf(0)).toBeUndefined();
  });

  test('knows no owner of a shard that does not exist', () => {
    const placement = placementOf(['a'], { numShards: 4 });
    expect([placement.ownerOf(-1), placement.ownerOf(4), placement.ownerOf(0.5)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test.each([
    { why: 'plain letters', ids: ['b', 'a', 'c'], smallest: 'a' },
    { why: 'a prefix before what it begins', ids: ['node-10', 'node-1'], smallest: 'node-1' },
    { why: 'upper case before lower case', ids: ['a', 'B'], smallest: 'B' },
    // In UTF-16 the astral U+1F986 (d83e dd86) comes before the BMP's U+FF21, in UTF-8 after it.
    { why: 'a BMP character before an astral one', ids: ['🦆', 'Ａ'], smallest: 'Ａ' },
    { why: 'the same behind a common prefix', ids: ['n🦆', 'nＡ'], smallest: 'nＡ' },
    { why: 'two astral characters by code point', ids: ['🦆', '😀'], smallest: '😀' },
    { why: 'the empty id before all', ids: ['a', ''], smallest: '' },
  ])('equal scores go to the id that is smallest bytewise: $why', ({ ids, smallest }) => {
    const hash = (): { high: number; low: number } => ({ high: 7, low: 7 });
    const bytewise = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(bytewise[0]).toBe(smallest);
    for (const order of [ids, [...ids].reverse()]) {
      const placement = placementOf(order, { numShards: 3, hash });
      expect(ownersOf(placement, 3)).toEqual([smallest, smallest, smallest]);
      placement.removeNode(smallest);
      expect(placement.ownerOf(0)).toBe(bytewise[1]);
    }
  });

  test.each([
    { why: 'the high half decides', a: { high: 2, low: 0 }, b: { high: 1, low: 9 } },
    { why: 'the low half decides between equal high halves', a: { high: 1, low: 9 }, b: { high: 1, low: 8 } },
    { why: 'both halves are unsigned', a: { high: 0xffff_ffff, low: 0 }, b: { high: 0x7fff_ffff, low: 0 } },
  ])('the higher score wins: $why', ({ a, b }) => {
    const hash = (text: string): { high: number; low: number } => (text.endsWith('\0a') ? a : b);
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      expect(placementOf(order, { numShards: 1, hash }).ownerOf(0)).toBe('a');
    }
  });

  test('hashes the seed, the shard and the node id, a zero byte between them', () => {
    const texts: string[] = [];
    const hash: typeof hash64 = (text) => {
      texts.push(text);
      return hash64(text);
    };
    placementOf(['n'], { numShards: 2, hash });
    placementOf(['n'], { numShards: 1, seed: 's', hash });
    expect(texts).toEqual(['shard:0\0n', 'shard:1\0n', 's\0shard:0\0n']);
  });

  test.each([0, 1.5, NaN, 2 ** 32, undefined])('refuses %s shards', (numShards) => {
    expect(() => createPlacement({ numShards: numShards as number })).toThrow(refusal('numShards must be'));
  });

  test('refuses a seed or a node id that is not a string', () => {
    expect(() => createPlacement({ numShards: 1, seed: 5 as never })).toThrow(refusal('seed must be'));
    expect(() => {
      createPlacement({ numShards: 1 }).addNode(5 as never);
    }).toThrow(refusal('nodeId must be a string'));
  });
});
