/** What a node shows of itself to health checks and gauges. */
import { describe, expect, test } from 'vitest';
import { silenceLimit } from '../../src/cluster/timing.ts';
import type { Membership, NodeOptions } from '../../src/index.ts';
import { createNode } from '../../src/node/node.ts';
import { Bucket, TestStore } from '../cluster/bucket.ts';
import { countingRandom, heartbeat, member, timing } from '../cluster/fixtures.ts';
import { skewedClock } from '../cluster/skewed-clock.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { ScriptedTransport } from '../scripted-transport.ts';
import { recordLog } from '@clstr/testing/internal';

const NUM_SHARDS = 4;
const { heartbeatMs, ackTimeoutMs, leaseMs, guardMs, expiryMs, stableMs } = timing;

function create(options: Partial<NodeOptions> = {}) {
  const clock = skewedClock();
  const transport = new ScriptedTransport();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  const membership: Membership = {
    name: 'test',
    timing,
    placement: 'rendezvous',
    open: async () => store,
  };
  const node = createNode({
    id: 'n1',
    transport,
    clock,
    random: countingRandom(),
    numShards: NUM_SHARDS,
    membership,
    handler: () => 'reply',
    logger: recordLog(),
    ...options,
  });
  const start = async (): Promise<void> => {
    const started = node.start();
    await clock.advance(0);
    await started;
  };
  return { clock, transport, bucket, store, node, start };
}

/** A node that holds all shards. */
async function owning(options: Partial<NodeOptions> = {}) {
  const created = create(options);
  await created.start();
  await created.clock.advance(expiryMs + heartbeatMs);
  return created;
}

describe('leaseMarginMs', () => {
  test('is 0 before the node is a member and after its end', async () => {
    const { node, start } = create();
    expect(node.leaseMarginMs).toBe(0);
    await start();
    expect(node.leaseMarginMs).toBe(leaseMs - guardMs);
    await node.close();
    expect(node.leaseMarginMs).toBe(0);
  });

  test('falls while no heartbeat is acknowledged, to 0 when the node lapses', async () => {
    const { node, store, clock } = await owning();
    await clock.advance(heartbeatMs);
    const fullMs = node.leaseMarginMs!;
    expect(fullMs).toBeGreaterThan(leaseMs - guardMs - 2 * heartbeatMs);
    store.effect = () => 'lost';
    await clock.advance(fullMs - 1);
    expect([node.state, node.leaseMarginMs]).toEqual(['serving', 1]);
    await clock.advance(2);
    expect([node.state, node.leaseMarginMs]).toEqual(['lapsed', 0]);
  });
});

describe('storeTrouble', () => {
  test('says that the connection is lost, and nothing once the store answers again', async () => {
    const { node, store, clock } = await owning();
    expect(node.storeTrouble).toBeUndefined();
    store.become(false);
    expect(node.storeTrouble).toBe('node n1 is not connected to the membership store');
    store.become(true);
    await clock.advance(heartbeatMs + ackTimeoutMs);
    expect(node.storeTrouble).toBeUndefined();
    await node.close();
    store.become(false);
    expect(node.storeTrouble).toBeUndefined();
  });

  test('says that a connected store is silent, before the lease is over', async () => {
    const { node, store, clock } = await owning();
    store.effect = () => 'lost';
    await clock.advance(2 * heartbeatMs + ackTimeoutMs);
    expect(node.state).toBe('serving');
    expect(node.storeTrouble).toMatch(/^the membership store does not answer: it was asked to /);
  });
});

describe('wanted', () => {
  test('is what the placement gives the node: all when it is alone, fewer beside others', async () => {
    const { node, bucket, clock } = await owning();
    expect([node.wanted, node.shards().length]).toEqual([NUM_SHARDS, NUM_SHARDS]);
    for (const id of ['b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      bucket.put(`h.${id}`, heartbeat('x'));
      bucket.put(`m.${id}`, member('x'));
    }
    await clock.advance(0);
    expect(node.wanted).toBeLessThan(NUM_SHARDS);
    expect(node.shards()).toHaveLength(NUM_SHARDS);
    await clock.advance(stableMs + heartbeatMs);
    expect(node.shards()).toHaveLength(node.wanted);
  });
});

test('reach is doubted before the node is unreachable', async () => {
  const { node, transport, clock } = await owning();
  expect(node.reach).toBe('reached');
  transport.answersProbes = false;
  await clock.advance(silenceLimit(timing) / 2 + 2 * heartbeatMs);
  expect([node.state, node.reach]).toEqual(['serving', 'doubted']);
  await clock.advance(leaseMs);
  expect([node.state, node.reach]).toEqual(['unreachable', 'lost']);
});

test('waiting counts the messages that a layer keeps waiting, and inFlight all of them', async () => {
  const { node, transport, clock } = create({
    membership: undefined,
    shards: [1],
    handler: (_request, context) => {
      if (node.inFlight > 1) context.onAbort = () => undefined;
      return new Promise(() => undefined);
    },
  });
  const started = node.start();
  await clock.advance(0);
  await started;
  const { receiver } = transport.served.find(({ address }) => 'shard' in address)!;
  const port = recordAnswers();
  for (const ttlMs of [500, 500, 500]) receiver.onEntry(entryOf({ ttlMs }), port);
  expect([node.inFlight, node.waiting]).toEqual([3, 2]);
  await node.close();
  expect([node.inFlight, node.waiting]).toEqual([0, 0]);
});

test('a node of a static cluster has its list, no lease and no store', async () => {
  const { node, start } = create({ membership: undefined, shards: [1, 3] });
  await start();
  expect([node.wanted, node.leaseMarginMs, node.storeTrouble, node.reach]).toEqual([
    2,
    undefined,
    undefined,
    'reached',
  ]);
});
