/** What a node does about messages that do not reach it. */
import { counted } from '../../src/base/count-text.ts';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import type { Membership, NodeEvent, NodeOptions } from '../../src/index.ts';
import { TIMINGS, silenceLimit } from '../../src/cluster/timing.ts';
import { createNode } from '../../src/node/node.ts';
import { Bucket, TestStore } from '../cluster/bucket.ts';
import { countingRandom, timing } from '../cluster/fixtures.ts';
import { skewedClock } from '../cluster/skewed-clock.ts';
import { recordLog } from '@clstr/testing/internal';
import { ScriptedTransport } from '../scripted-transport.ts';

const NUM_SHARDS = 4;
const { heartbeatMs, leaseMs, expiryMs } = timing;
const LIMIT_MS = silenceLimit(timing) + 3 * heartbeatMs;
const MOVED_MS = 10 * heartbeatMs;

function cluster() {
  const clock = skewedClock();
  const bucket = new Bucket();
  const random = countingRandom();
  const create = (id: string, options: Partial<NodeOptions> = {}) => {
    const transport = new ScriptedTransport();
    const store = new TestStore(bucket, clock);
    const logger = recordLog();
    const events: NodeEvent[] = [];
    const membership: Membership = {
      name: 'test',
      timing,
      placement: 'rendezvous',
      open: async () => store,
    };
    const node = createNode({
      id,
      transport,
      clock,
      random,
      numShards: NUM_SHARDS,
      membership,
      logger,
      handler: () => 'reply',
      ...options,
    });
    node.onEvent((event) => events.push(event));
    const said = (text: string): number =>
      logger.lines.filter(({ message }) => message?.includes(text)).length;
    return { transport, store, logger, events, node, said };
  };
  const join = async (...ids: string[]) => {
    const nodes = ids.map((id) => create(id));
    const started = Promise.all(nodes.map(({ node }) => node.start()));
    await clock.advance(0);
    await started;
    await clock.advance(expiryMs + 3 * leaseMs);
    return nodes;
  };
  const stateOf = (id: string): unknown => {
    const { state, isInDoubt } = bucket.record(`m.${id}`)!;
    return isInDoubt === undefined ? state : `${String(state)} in doubt`;
  };
  return { clock, bucket, create, join, stateOf };
}

const typesOf = (events: readonly NodeEvent[]): string[] => events.map(({ type }) => type);

describe('a member that messages do not reach', () => {
  test('reports it, and gives its shards to one that they reach', async () => {
    const { join, clock, stateOf } = cluster();
    const [a, b] = await join('a', 'b');
    const held = a!.node.shards().length;
    expect([held > 0, held + b!.node.shards().length]).toEqual([true, NUM_SHARDS]);
    a!.transport.answersProbes = false;
    await clock.advance(LIMIT_MS + MOVED_MS);
    expect([a!.node.state, b!.node.state, stateOf('a')]).toEqual([
      'unreachable',
      'serving',
      'draining in doubt',
    ]);
    expect([a!.node.shards(), b!.node.shards().length]).toEqual([[], NUM_SHARDS]);
    expect(typesOf(a!.events).filter((type) => type === 'unreachable' || type === 'released')).toEqual([
      'unreachable',
      ...Array.from({ length: held }, () => 'released'),
    ]);
    expect([a!.said('node a cannot be reached'), a!.said(`gives its ${counted(held, 'shard')}`)]).toEqual([
      1, 1,
    ]);
  });

  test('takes shards again once it was reached for a lease', async () => {
    const { join, clock, stateOf } = cluster();
    const [a, b] = await join('a', 'b');
    const before = a!.node.shards();
    a!.transport.answersProbes = false;
    await clock.advance(LIMIT_MS + MOVED_MS);
    a!.transport.answersProbes = true;
    await clock.advance(leaseMs / 2);
    expect([a!.node.state, a!.node.shards()]).toEqual(['unreachable', []]);
    await clock.advance(leaseMs / 2 + MOVED_MS + 3 * leaseMs);
    expect([a!.node.state, stateOf('a'), a!.node.shards()]).toEqual(['serving', 'up', before]);
    expect([typesOf(a!.events).filter((type) => type === 'reachable').length, b!.events.length > 0]).toEqual([
      1,
      true,
    ]);
    expect(a!.said('node a is reached again')).toBe(1);
  });

  test('is in doubt before, which only the members see', async () => {
    const { join, clock, stateOf } = cluster();
    const [a] = await join('a', 'b');
    a!.transport.answersProbes = false;
    await clock.advance(silenceLimit(timing) / 2 + 2 * heartbeatMs);
    expect([a!.node.state, stateOf('a')]).toEqual(['serving', 'up in doubt']);
    a!.transport.answersProbes = true;
    await clock.advance(2 * heartbeatMs);
    expect(stateOf('a')).toBe('up');
  });

  test('keeps its shards when it is alone, and reports that it is not reached', async () => {
    const { join, clock, stateOf } = cluster();
    const [a] = await join('a');
    a!.transport.answersProbes = false;
    await clock.advance(10 * leaseMs);
    expect([a!.node.state, a!.node.shards().length, stateOf('a')]).toEqual([
      'unreachable',
      NUM_SHARDS,
      'up in doubt',
    ]);
    a!.transport.answersProbes = true;
    await clock.advance(2 * heartbeatMs);
    expect([a!.node.state, a!.node.shards().length, stateOf('a')]).toEqual(['serving', NUM_SHARDS, 'up']);
  });

  test('keeps its shards when no member is reached: nothing moves when the bus fails for all', async () => {
    const { join, clock } = cluster();
    const nodes = await join('a', 'b', 'c');
    const before = nodes.map(({ node }) => node.shards());
    for (const { transport } of nodes) transport.answersProbes = false;
    await clock.advance(10 * leaseMs);
    expect(nodes.map(({ node }) => node.state)).toEqual(['unreachable', 'unreachable', 'unreachable']);
    for (const { transport } of nodes) transport.answersProbes = true;
    await clock.advance(2 * heartbeatMs);
    expect(nodes.map(({ node }) => node.state)).toEqual(['serving', 'serving', 'serving']);
    expect(nodes.map(({ node }) => node.shards())).toEqual(before);
  });

  test('takes its shards back when the others are gone', async () => {
    const { join, clock } = cluster();
    const [a, b] = await join('a', 'b');
    a!.transport.answersProbes = false;
    await clock.advance(LIMIT_MS + MOVED_MS);
    const closed = b!.node.close();
    await clock.advance(leaseMs);
    await closed;
    a!.transport.answersProbes = true;
    await clock.advance(leaseMs);
    expect([a!.node.state, a!.node.shards().length]).toEqual(['serving', NUM_SHARDS]);
  });

  test('does not wait for a bus that does not confirm its shards', async () => {
    const { create, join, clock } = cluster();
    const [, b] = await join('a', 'b');
    const late = create('c');
    const started = late.node.start();
    await clock.advance(0);
    await started;
    late.transport.confirmsAtOnce = false;
    await clock.advance(3 * leaseMs);
    late.transport.answersProbes = false;
    await clock.advance(LIMIT_MS + MOVED_MS + leaseMs);
    expect([late.node.state, late.node.shards()]).toEqual(['unreachable', []]);
    expect(b!.node.shards().length).toBeGreaterThan(0);
    for (const { address, confirmed } of late.transport.served)
      if ('shard' in address) confirmed.resolve(undefined);
    await clock.advance(0);
    const open = late.transport.served.filter(({ address, isClosed }) => 'shard' in address && !isClosed);
    expect(open).toEqual([]);
  });

  test('gives up all when the bus refuses one of its shards, and another node is there', async () => {
    const { join, clock } = cluster();
    const [a, b] = await join('a', 'b');
    const shard = a!.node.shards()[0]!;
    const { transport } = a!;
    const serve = transport.serve.bind(transport);
    const limit = new ClstrError('SUBSCRIPTION_LIMIT', 'maximum subscriptions exceeded');
    transport.serve = async (address, ...rest) => {
      if ('shard' in address) throw limit;
      return await serve(address, ...rest);
    };
    const served = transport.served.find(({ address }) => 'shard' in address && address.shard === shard)!;
    served.isClosed = true;
    served.ended.resolve(limit);
    await clock.advance(LIMIT_MS + 2 * heartbeatMs);
    expect([a!.node.state, a!.node.shards(), b!.node.shards().length]).toEqual([
      'unreachable',
      [],
      NUM_SHARDS,
    ]);
    expect(a!.said('maximum subscriptions exceeded')).toBe(1);
    expect(a!.said('a subject cannot be served')).toBeGreaterThan(0);
  });

  test('serves its direct address again when the bus has ended it', async () => {
    const { join, clock } = cluster();
    const [a] = await join('a');
    const served = a!.transport.served.find(({ address }) => 'nodeId' in address)!;
    served.isClosed = true;
    served.ended.resolve(new ClstrError('NO_PERMISSION', 'taken away'));
    await clock.advance(10 * leaseMs);
    expect(a!.node.state).toBe('serving');
    expect(a!.transport.served.filter(({ address }) => 'nodeId' in address)).toHaveLength(2);
  });
});

describe('the state of a member', () => {
  test('is lapsed while its lease is over, and serving after it', async () => {
    const { join, clock } = cluster();
    const [a] = await join('a');
    a!.store.effect = () => 'lost';
    await clock.advance(leaseMs);
    expect(a!.node.state).toBe('lapsed');
    a!.store.effect = () => undefined;
    await clock.advance(leaseMs);
    expect(a!.node.state).toBe('serving');
  });
});

describe('start', () => {
  test('of a member fails, and leaves the cluster, when its own address cannot be served', async () => {
    const { create, bucket, clock } = cluster();
    const { node, transport } = create('a');
    transport.serve = async () => {
      throw new ClstrError('SUBSCRIPTION_LIMIT', 'maximum subscriptions exceeded');
    };
    const failed = node.start().catch((error: unknown) => error);
    await clock.advance(leaseMs);
    expect(await failed).toMatchObject({ code: 'SUBSCRIPTION_LIMIT' });
    expect(bucket.record('m.a')).toMatchObject({ state: 'left' });
  });

  test('of a member fails when no message reaches its own address', async () => {
    const { create, clock } = cluster();
    const { node, transport } = create('a');
    transport.answersProbes = false;
    const failed = node.start().catch((error: unknown) => error);
    await clock.advance(3 * leaseMs);
    expect(await failed).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('node a') });
  });

  test('of a node of a static cluster fails when one of its shards is not reached', async () => {
    const { create } = cluster();
    const { node, transport } = create('a', { membership: undefined, shards: [1, 2, 3] });
    const serve = transport.serve.bind(transport);
    transport.serve = async (address, ...rest) => {
      const served = serve(address, ...rest);
      if ('shard' in address && address.shard === 2) transport.served.at(-1)!.isClosed = true;
      return await served;
    };
    await expect(node.start()).rejects.toMatchObject({
      code: 'NO_SUBSCRIBER',
      message: expect.stringMatching(/^node a cannot be reached for 1 of its 3 shards \(the first is 2\)/),
    });
    await node.close();
    expect(node.state).toBe('closed');
  });
});

test('a node of a static cluster reports that it is not reached any more, and that it is again', async () => {
  const { create, clock } = cluster();
  const { node, transport, events, said } = create('a', { membership: undefined, shards: [1, 2, 3] });
  await node.start();
  const lostMs = silenceLimit(TIMINGS.default) + 3 * TIMINGS.default.heartbeatMs;
  transport.answersProbes = false;
  await clock.advance(lostMs);
  expect([node.state, node.owns(1), said('node a cannot be reached')]).toEqual(['unreachable', true, 1]);
  transport.answersProbes = true;
  await clock.advance(2 * TIMINGS.default.heartbeatMs);
  expect([node.state, typesOf(events)]).toEqual(['serving', ['unreachable', 'reachable']]);
});
