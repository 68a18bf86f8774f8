import type { Node } from '@clstr/core';
import { TIMINGS } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { untilOwned } from '../src/until-owned.ts';
import { recordLog } from '@clstr/testing/internal';

const timing = TIMINGS.fast;

/** Waits for a node whose shards have no owner until a test says otherwise. */
function start() {
  const clock = fakeClock();
  const logger = recordLog();
  const node = { id: 'n1', state: 'serving', unowned: 3 };
  let isOver = false;
  void untilOwned(node as unknown as Node, { timing, clock, logger }).then(() => (isOver = true));
  return { clock, node, records: logger.lines, isOver: () => isOver };
}

describe('a start in a dynamic cluster', () => {
  test('ends when every shard has an owner, and logs nothing when that is soon', async () => {
    const { clock, node, records, isOver } = start();
    await clock.advance(timing.stableMs);
    expect(isOver()).toBe(false);
    node.unowned = 0;
    await clock.advance(20);
    expect([isOver(), records]).toEqual([true, []]);
  });

  test('logs once how many owners it waits for, and what avoids the wait', async () => {
    const { clock, records, isOver } = start();
    await clock.advance(2 * timing.stableMs + timing.expiryMs);
    expect(isOver()).toBe(false);
    expect(records.map(({ message }) => message)).toEqual([
      expect.stringMatching(/node n1 waits for the owners of 3 shards.*provisionCluster/),
    ]);
  });

  test('goes on without owners after two expiries, and logs that', async () => {
    const { clock, records, isOver } = start();
    await clock.advance(2 * (timing.expiryMs + timing.stableMs) + 20);
    expect(isOver()).toBe(true);
    expect(records.at(-1)!.message).toBe(
      'node n1 starts, but 3 shards without an owner cannot be called yet',
    );
  });

  test('does not wait for a node that ends', async () => {
    const { clock, node, isOver } = start();
    node.state = 'draining';
    await clock.advance(20);
    expect(isOver()).toBe(true);
  });
});
