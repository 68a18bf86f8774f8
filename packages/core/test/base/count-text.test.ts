import { expect, test } from 'vitest';
import { counted } from '../../src/base/count-text.ts';

test('only one of a thing has no plural', () => {
  expect([0, 1, 2, 1_000].map((count) => counted(count, 'shard'))).toEqual([
    '0 shards',
    '1 shard',
    '2 shards',
    '1000 shards',
  ]);
});
