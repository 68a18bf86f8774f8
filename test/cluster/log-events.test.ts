/** Each change of the connection to the store, of a lease and of a shard is one line in the log, no more and no less. */
import { createNode } from '@clstr/core';
import type { Node, NodeEvent } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import {
  createMemoryBus,
  createMemoryStore,
  memoryMembership,
  memoryTransport,
} from '@clstr/transport-memory';
import { expect, test } from 'vitest';

const NUM_SHARDS = 16;

test('a node logs what happens to it once each, as its events tell it', async () => {
  const clock = fakeClock();
  const store = createMemoryStore({ clock, provision: { numShards: NUM_SHARDS } });
  const transport = memoryTransport({ bus: createMemoryBus({ clock }) });
  const logger = recordLog();
  const events: NodeEvent[] = [];
  const join = async (id: string): Promise<Node> => {
    const own = id === 'two' ? { logger } : {};
    const membership = memoryMembership({ store, member: id, clock });
    const handler = (): string => id;
    const node = createNode({ id, transport, clock, membership, numShards: NUM_SHARDS, handler, ...own });
    if (id === 'two') node.onEvent((event) => events.push(event));
    const started = node.start();
    await clock.advance(1_000);
    await started;
    return node;
  };
  const one = await join('one');
  const two = await join('two');
  await clock.advance(2_000);
  store.cut('two');
  await clock.advance(6_000);
  expect(two.state).toBe('lapsed');
  store.restore('two');
  await clock.advance(6_000);
  const left = two.drain();
  await clock.advance(3_000);
  await left;
  await one.close();

  const lines = logger.lines.map(({ fields: { event, shard, change } }) =>
    shard === undefined ? String(event) : `${String(event)} ${String(change)} ${Number(shard)}`,
  );
  const told = events.map((event) =>
    'shard' in event ? `node.shard_changed ${event.type} ${event.shard}` : `node.${event.type}`,
  );
  expect(new Set(events.map(({ type }) => type))).toEqual(
    new Set(['joined', 'acquired', 'lapsed', 'fenced', 'lost', 'released']),
  );
  expect(lines.filter((line) => told.includes(line)).sort()).toEqual(told.sort());
  const others = lines.filter((line) => !told.includes(line));
  expect(others.sort()).toEqual(['node.closed', 'store.back', 'store.lost']);
});
