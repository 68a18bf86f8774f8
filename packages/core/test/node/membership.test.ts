import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { ClstrError, asRefusal } from '../../src/base/errors.ts';
import type { Handler } from '../../src/node/handler.ts';
import type { Membership, NodeEvent, NodeOptions } from '../../src/index.ts';
import type { ClusterLocation } from '../../src/wire.ts';
import { createNode } from '../../src/node/node.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { Bucket, TestStore } from '../cluster/bucket.ts';
import { countingRandom, heartbeat, member, owned, timing } from '../cluster/fixtures.ts';
import { skewedClock } from '../cluster/skewed-clock.ts';
import { recordLog } from '@clstr/testing/internal';
import { recordMetrics } from '../recorded-metrics.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const NUM_SHARDS = 2;

function create(options: Partial<NodeOptions> = {}) {
  const clock = skewedClock();
  const transport = new ScriptedTransport();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  const logger = recordLog();
  const metrics = recordMetrics();
  const events: NodeEvent[] = [];
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
    logger,
    metrics,
    ...options,
  });
  node.onEvent((event) => events.push(event));
  const start = async (): Promise<void> => {
    const started = node.start();
    await clock.advance(0);
    await started;
  };
  const at = (part: object) =>
    transport.served.filter(({ address }) =>
      Object.entries(part).every(([name, value]) => (address as never)[name] === value),
    );
  return { clock, transport, bucket, store, logger, metrics, events, node, start, at, port: recordAnswers() };
}

/** A node that holds both shards in epoch 1. */
async function owning(options: Partial<NodeOptions> = {}) {
  const created = create(options);
  await created.start();
  await created.clock.advance(timing.expiryMs + timing.heartbeatMs);
  const inc = created.bucket.record('h.n1')!.inc as string;
  const shard = created.at({ shard: 1 })[0]!.receiver;
  const direct = created.at({ nodeId: 'n1' })[0]!.receiver;
  return { ...created, inc, shard, direct };
}

/** A handler that runs until it is told, or its signal fires. */
function openHandler() {
  const gate = deferred<unknown>();
  const signals: AbortSignal[] = [];
  const ownerLog: ({ epoch: number } | undefined)[] = [];
  const handler: Handler = (_request, context) => {
    signals.push(context.signal);
    ownerLog.push(context.lease);
    return gate.promise;
  };
  return { gate, signals, ownerLog, handler };
}

const typesOf = (events: readonly NodeEvent[]): string[] => events.map(({ type }) => type);

describe('a node whose transport leads to another cluster than its membership', () => {
  const create = (bus: ClusterLocation | undefined, bucket: ClusterLocation | undefined) => () =>
    createNode({
      transport: Object.assign(new ScriptedTransport(), { cluster: bus }),
      membership: {
        name: 'test',
        timing,
        placement: 'rendezvous',
        cluster: bucket,
        open: () => Promise.reject(new Error('not started')),
      },
      handler: () => undefined,
    });
  const refusal = (message: string): unknown =>
    expect.objectContaining({ code: 'CLUSTER_CONFIG_MISMATCH', message: expect.stringContaining(message) });

  test.each([
    [{ name: 'clstr', prefix: 'clstr' }, 'cluster "clstr", subject prefix "clstr"'],
    [{ name: undefined, prefix: 'staging' }, 'subject prefix "staging"'],
    [{ name: 'staging', prefix: 'prod' }, 'cluster "staging", subject prefix "prod"'],
    [{ name: 'prod', prefix: 'staging' }, 'cluster "prod", subject prefix "staging"'],
  ])('is refused, and both are named: %j', (bus, text) => {
    const membership = { name: 'prod', prefix: 'prod' };
    expect(create(bus, membership)).toThrow(
      refusal(`(${text}) than the membership (cluster "prod", subject prefix "prod")`),
    );
  });

  test('is not compared where one of them names no cluster', () => {
    const place = { name: 'prod', prefix: 'prod' };
    const same = { name: undefined, prefix: 'prod' };
    const pairs = [
      [undefined, place],
      [place, undefined],
      [place, place],
      [same, place],
    ] as const;
    for (const [bus, bucket] of pairs) expect(create(bus, bucket)).not.toThrow();
  });
});

describe('the options of a node', () => {
  const transport = new ScriptedTransport();
  const handler: Handler = () => undefined;
  const membership = { open: async () => undefined } as unknown as Membership;

  test.each([
    [{ membership, shards: [1] }, 'createNode: shards must be left out with membership'],
    [{}, 'createNode: shards must be a list of shard numbers'],
    [{ membership: {} }, 'createNode: membership must be'],
    [{ membership, weight: 0 }, 'createNode: weight must be a number above 0'],
    [{ shards: [1], weight: 2 }, 'createNode: weight must be left out without membership'],
    [{ membership, identity: 'shared' }, "createNode: identity must be 'checked' or 'exclusive'"],
    [{ membership, newBucket: 'now' }, "createNode: newBucket must be 'trust' or 'wait'"],
    [{ shards: [1], newBucket: 'wait' }, 'createNode: newBucket must be left out without membership'],
    [{ shards: [1], identity: 'checked' }, 'createNode: identity must be left out without membership'],
  ])('%o are refused', (options, message) => {
    expect(() => createNode({ transport, handler, ...options } as unknown as NodeOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(message) }),
    );
  });
});

describe('a node with a membership', () => {
  test('is serving once it is a member, owns nothing yet, and says so', async () => {
    const { node, start, events, transport } = create();
    expect([node.state, node.owns(1), node.shards()]).toEqual(['created', false, []]);
    await start();
    expect([node.state, node.owns(1), node.shards()]).toEqual(['serving', false, []]);
    expect(events).toEqual([{ type: 'joined', inc: expect.any(String) }]);
    expect(transport.served.map(({ address }) => Object.keys(address)[0])).toEqual(['nodeId', 'topology']);
  });

  test('reports the shards it acquires, to metrics too', async () => {
    const { node, events, metrics } = await owning();
    expect([node.shards(), node.owns(0), node.owns(1), node.owns(2)]).toEqual([[0, 1], true, true, false]);
    expect(events.slice(1)).toEqual([
      { type: 'acquired', shard: 0, epoch: 1 },
      { type: 'acquired', shard: 1, epoch: 1 },
    ]);
    expect(metrics.calls).toEqual(
      ['joined', 'acquired', 'acquired'].map((type) => ['nodeEvent', 'n1', type]),
    );
  });

  test('announces acquired shards once it serves them, in one message', async () => {
    const { transport, clock, events, inc, at } = await owning();
    expect(typesOf(events)).toEqual(['joined', 'acquired', 'acquired']);
    expect([at({ shard: 0 }).length, at({ shard: 1 }).length]).toEqual([1, 1]);
    await clock.advance(50);
    expect(transport.announced).toEqual([{ nodeId: 'n1', inc }]);
    await clock.advance(10 * timing.heartbeatMs);
    expect(transport.announced).toHaveLength(1);
  });

  test('gives its handler the epoch, and the topology to clients that ask', async () => {
    const { handler, ownerLog, gate } = openHandler();
    const { shard, direct, port, inc } = await owning({ handler });
    shard.onEntry(entryOf(), port);
    expect(ownerLog[0]).toMatchObject({ epoch: 1, isHeld: true, fencingToken: 1 });
    gate.resolve('done');
    direct.onEntry(entryOf({ type: 'clstr.topology' }), port);
    expect(JSON.parse(port.last!.value as string)).toMatchObject({
      clusterId: expect.any(String),
      owners: expect.arrayContaining([[0, 1, 'n1', inc]]),
    });
  });

  test('survives a listener that throws, and calls the others', async () => {
    const { node, start, logger, events } = create();
    const heard: string[] = [];
    const stop = node.onEvent(() => {
      throw new Error('boom');
    });
    node.onEvent(({ type }) => heard.push(type));
    await start();
    expect([typesOf(events), heard]).toEqual([['joined'], ['joined']]);
    expect(logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: 'a listener of the node threw' }),
    );
    stop();
  });

  test('does not call a listener after it was removed', async () => {
    const { node, start } = create();
    const heard: string[] = [];
    node.onEvent(({ type }) => heard.push(type))();
    await start();
    expect(heard).toEqual([]);
  });

  test('that cannot join rejects, and leaves the bus', async () => {
    const { node, bucket, clock, store } = create();
    bucket.put('cfg', { id: 'x', numShards: 99, seed: '', hash: '', placement: 'bounded', proto: 1 });
    const failed = node.start().catch((error: unknown) => error);
    await clock.advance(0);
    expect(await failed).toMatchObject({ code: 'CLUSTER_CONFIG_MISMATCH' });
    await node.close();
    expect([node.state, store.isClosed]).toEqual(['closed', true]);
  });

  test('that is closed while it joins rejects at once', async () => {
    const { node, bucket, clock } = create();
    bucket.put('h.n1', heartbeat('other'));
    const failed = node.start().catch((error: unknown) => error);
    await clock.advance(10);
    const closed = node.close();
    expect(await failed).toMatchObject({ code: 'TRANSPORT_CLOSED' });
    await clock.advance(1_000);
    await closed;
    expect(bucket.get('m.n1')).toBeUndefined();
  });
});

describe('a message', () => {
  test('on a subject of a shard that is not held is not answered: its owner answers there', async () => {
    const { shard, bucket, port } = await owning();
    bucket.put('s.1', owned(2, 'b', 'x'));
    shard.onEntry(entryOf(), port);
    expect(port.answers).toEqual([]);
  });

  test('on the direct address is refused with the owner, if that is known', async () => {
    const { direct, bucket, port, store } = await owning();
    store.effect = ({ key }) => (key === 's.1' ? 'lost' : undefined);
    bucket.put('s.1', owned(2, 'b', 'x'));
    direct.onEntry(entryOf(), port);
    expect(port.last!.error).toMatchObject({
      code: 'NOT_OWNER',
      outcome: 'not-executed',
      details: { epoch: 2, nodeId: 'b', inc: 'x' },
      message: 'node n1 does not own the shard of this message',
    });
    bucket.put('s.1', owned(3, 'b', 'x', 'released'));
    direct.onEntry(entryOf(), port);
    expect(port.last!.error).toMatchObject({ code: 'NOT_OWNER', details: undefined });
  });

  test('for a shard on its way in is refused as MOVED', async () => {
    const { transport, start, clock, at, port, node } = create();
    await start();
    transport.confirmsAtOnce = false;
    await clock.advance(timing.expiryMs + timing.heartbeatMs);
    const [served] = at({ shard: 1 });
    served!.receiver.onEntry(entryOf(), port);
    expect(port.last!.error).toMatchObject({
      code: 'MOVED',
      outcome: 'not-executed',
      message: 'the shard of this message is moving, to or from node n1',
    });
    served!.confirmed.resolve(undefined);
    await clock.advance(0);
    expect([node.owns(0), node.owns(1)]).toEqual([false, true]);
  });

  test('without a lease is not admitted, by either way, nor answered', async () => {
    const { shard, direct, port, clock, node, events } = await owning();
    clock.pause(timing.leaseMs);
    shard.onEntry(entryOf(), port);
    expect(port.answers).toEqual([]);
    direct.onEntry(entryOf(), port);
    expect(port.last!.error).toMatchObject({ code: 'NOT_OWNER' });
    expect([node.owns(1), node.shards(), typesOf(events).at(-1)]).toEqual([false, [0, 1], 'lapsed']);
  });

  test('whose handler runs when the lease ends fails as FENCED, unknown', async () => {
    const { handler, signals, gate } = openHandler();
    const { shard, port, clock, node } = await owning({ handler });
    shard.onEntry(entryOf(), port);
    clock.pause(timing.leaseMs);
    expect(node.owns(1)).toBe(false);
    expect(port.last!.error).toMatchObject({ code: 'FENCED', outcome: 'unknown' });
    expect(signals[0]!.aborted).toBe(true);
    gate.resolve('too late');
    await clock.advance(0);
    expect(port.answers).toHaveLength(1);
  });

  test.each([
    ['a reply', (gate: ReturnType<typeof openHandler>['gate']) => gate.resolve('done'), false],
    ['a failure', (gate: ReturnType<typeof openHandler>['gate']) => gate.reject(new Error('boom')), false],
    ['the end of a notify', (gate: ReturnType<typeof openHandler>['gate']) => gate.resolve('done'), true],
  ])(
    'whose handler ends after the lease was over, before the node noticed, leaves no %s',
    async (_what, end, isNotify) => {
      const { handler, gate } = openHandler();
      const { shard, port, clock, logger } = await owning({ handler });
      shard.onEntry(entryOf({ isNotify }), port);
      clock.pause(timing.leaseMs);
      end(gate);
      await Promise.resolve();
      await Promise.resolve();
      await clock.advance(0);
      if (!isNotify) expect(port.answers).toMatchObject([{ error: { code: 'FENCED', outcome: 'unknown' } }]);
      else
        expect(logger.lines).toContainEqual(
          expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ code: 'FENCED' }) }),
        );
    },
  );
});

describe('a hand-over', () => {
  /** Another node joins, which should own one shard or both. */
  async function handingOver(options: Partial<NodeOptions> = {}) {
    const created = await owning(options);
    const { bucket, clock, events } = created;
    for (const id of ['b', 'c', 'd', 'e', 'f']) {
      bucket.put(`h.${id}`, heartbeat('x'));
      bucket.put(`m.${id}`, member('x'));
    }
    events.length = 0;
    await clock.advance(timing.stableMs + 2);
    return created;
  }

  test('refuses new messages as MOVED, lets running ones finish, then leaves the subject, then releases', async () => {
    const { handler, gate } = openHandler();
    const created = await owning({ handler });
    const { direct, port, bucket, clock, at, events } = created;
    direct.onEntry(entryOf({ shard: 0 }), port);
    direct.onEntry(entryOf({ shard: 1 }), port);
    for (const id of ['b', 'c', 'd', 'e', 'f']) {
      bucket.put(`h.${id}`, heartbeat('x'));
      bucket.put(`m.${id}`, member('x'));
    }
    await clock.advance(timing.stableMs + 2);
    const shard = [0, 1].find((one) => !created.node.owns(one))!;
    direct.onEntry(entryOf({ shard }), port);
    expect(port.last!.error).toMatchObject({ code: 'MOVED', outcome: 'not-executed' });
    expect(at({ shard })[0]!.isClosed).toBe(false);
    expect(bucket.record(`s.${shard}`)).toMatchObject({ state: 'owned' });
    gate.resolve('done');
    await clock.advance(0);
    expect(port.answers.filter(({ value }) => value === '"done"')).toHaveLength(2);
    expect(at({ shard })[0]!.isClosed).toBe(true);
    expect(bucket.record(`s.${shard}`)).toMatchObject({ state: 'released' });
    expect(events).toContainEqual({ type: 'released', shard });
  });

  test('ends handlers that take longer than drainMs', async () => {
    const { handler, signals } = openHandler();
    const { direct, port, bucket, clock, node } = await owning({ handler });
    direct.onEntry(entryOf({ shard: 0 }), port);
    direct.onEntry(entryOf({ shard: 1 }), port);
    const end = node.drain({ graceMs: 700 });
    await clock.advance(699);
    expect(signals[0]!.aborted).toBe(false);
    await clock.advance(1);
    await end;
    expect(port.answers.map(({ error }) => error?.code)).toEqual(['ABORTED', 'ABORTED']);
    expect(bucket.record('s.1')).toMatchObject({ state: 'released' });
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('boom');
      },
    ],
    ['rejects', () => Promise.reject(new Error('boom'))],
  ])(
    'whose handler %s goes on all the same: what runs ends, and the subject is left',
    async (_what, handOver) => {
      const { handler, gate } = openHandler();
      const { direct, port, bucket, clock, node, at, logger } = await owning({
        handler: Object.assign(handler, { handOver }),
      });
      direct.onEntry(entryOf({ shard: 1 }), port);
      const end = node.drain({ graceMs: 700 });
      await clock.advance(10);
      expect(bucket.record('s.1')).toMatchObject({ state: 'owned' });
      gate.resolve('done');
      await clock.advance(10);
      await end;
      expect(port.last!.value).toBe('"done"');
      expect(at({ shard: 1 })[0]!.isClosed).toBe(true);
      expect(bucket.record('s.1')).toMatchObject({ state: 'released' });
      expect(logger.lines.map(({ message }) => message)).toContain('handing over shard 1 failed');
    },
  );

  test('tells the handler which shard, and why waiting messages are refused', async () => {
    const released: unknown[] = [];
    const handler: Handler = () => 'reply';
    const { node } = await handingOver({
      handler: Object.assign(handler, {
        handOver: async (...args: unknown[]) => {
          released.push(args);
        },
      }),
    });
    expect(released.length).toBe(2 - node.shards().length);
    expect(released[0]).toMatchObject([expect.any(Number), { code: 'MOVED' }, timing.drainMs]);
  });
});

describe('a drain', () => {
  test('is declared first, then hands over every shard, and closes', async () => {
    const { node, clock, bucket, events, store, transport } = await owning();
    events.length = 0;
    const end = node.drain();
    expect([node.state, node.owns(1)]).toEqual(['draining', false]);
    await clock.advance(100);
    await end;
    expect(
      bucket.writes.slice(-4).map(({ key, value }) => [key, (JSON.parse(value!) as { state: string }).state]),
    ).toEqual([
      ['m.n1', 'draining'],
      ['s.0', 'released'],
      ['s.1', 'released'],
      ['m.n1', 'left'],
    ]);
    expect(typesOf(events)).toEqual(['released', 'released']);
    expect([node.state, store.isClosed]).toEqual(['closed', true]);
    expect(transport.served.every(({ isClosed }) => isClosed)).toBe(true);
    expect(clock.timerCount).toBe(0);
  });

  test('closes a subscription that the bus gives late', async () => {
    const { node, transport, start, clock, at } = create();
    await start();
    transport.confirmsAtOnce = false;
    await clock.advance(timing.expiryMs + timing.heartbeatMs);
    const end = node.drain({ graceMs: 100 });
    await clock.advance(10_000);
    await end;
    for (const served of at({ shard: 1 })) served.confirmed.resolve(undefined);
    await clock.advance(0);
    expect(at({ shard: 1 }).map(({ isClosed }) => isClosed)).toEqual([true]);
  });
});

describe('a shard that is lost', () => {
  test('leaves its subject, and the handler drops it', async () => {
    const discarded: unknown[] = [];
    const { bucket, at, events, clock, node } = await owning({
      handler: Object.assign((() => 'reply') as Handler, {
        drop: (...args: unknown[]) => void discarded.push(args),
      }),
    });
    bucket.put('s.1', owned(2, 'b', 'x'));
    await clock.advance(0);
    expect(discarded).toMatchObject([[1, { code: 'MOVED' }]]);
    expect(at({ shard: 1 })[0]!.isClosed).toBe(true);
    expect(events.at(-1)).toEqual({ type: 'lost', shard: 1 });
    expect(node.shards()).toEqual([0]);
  });

  test('ends only its own handlers, FENCED', async () => {
    const { handler, gate } = openHandler();
    const { direct, port, bucket, clock } = await owning({ handler });
    direct.onEntry(entryOf({ shard: 0 }), port);
    direct.onEntry(entryOf({ shard: 1 }), port);
    bucket.put('s.1', owned(2, 'b', 'x'));
    gate.resolve('done');
    await clock.advance(0);
    expect(port.answers).toMatchObject([{ error: { code: 'FENCED' } }, { value: '"done"' }]);
  });

  test('survives a handler that cannot drop it', async () => {
    const { bucket, logger, node, clock } = await owning({
      handler: Object.assign((() => 'reply') as Handler, {
        drop: () => {
          throw new Error('boom');
        },
      }),
    });
    bucket.put('s.1', owned(2, 'b', 'x'));
    await clock.advance(0);
    expect(logger.lines.at(-1)).toMatchObject({ level: 'error', message: 'discarding shard 1 failed' });
    expect(node.shards()).toEqual([0]);
  });

  test('before the bus knew its subject leaves it as soon as it does', async () => {
    const { transport, start, clock, at, bucket } = create();
    await start();
    transport.confirmsAtOnce = false;
    await clock.advance(timing.expiryMs + timing.heartbeatMs);
    bucket.put('s.1', owned(2, 'b', 'x'));
    at({ shard: 1 })[0]!.confirmed.resolve(undefined);
    await clock.advance(0);
    expect(at({ shard: 1 })[0]!.isClosed).toBe(true);
  });
});

describe('a node that is fenced', () => {
  test('reports it, and serves again as a new run with an address of its own', async () => {
    const { bucket, inc, clock, node, events, at } = await owning();
    events.length = 0;
    bucket.put('h.n1', heartbeat(inc, { isDead: true }));
    await clock.advance(timing.heartbeatMs);
    expect(typesOf(events).slice(0, 3)).toEqual(['lost', 'lost', 'fenced']);
    expect(events[2]).toEqual({ type: 'fenced', inc, reason: 'another wrote its heartbeat record' });
    await clock.advance(3_000);
    expect(typesOf(events)).toEqual(['lost', 'lost', 'fenced', 'joined', 'acquired', 'acquired']);
    expect(node.state).toBe('serving');
    const [old, current] = at({ nodeId: 'n1' });
    expect([old!.isClosed, current!.isClosed]).toEqual([true, false]);
    expect(current!.address).not.toEqual(old!.address);
    expect(at({ topology: true })).toHaveLength(1);
  });

  test('is in the state fenced until it has joined again', async () => {
    const { bucket, inc, clock, node, store } = await owning();
    bucket.put('h.n1', heartbeat(inc, { isDead: true }));
    store.effect = ({ kind }) => (kind === 'cas' && node.state === 'fenced' ? 'lost' : undefined);
    await clock.advance(timing.heartbeatMs);
    expect([node.state, node.owns(0)]).toEqual(['fenced', false]);
    store.effect = () => undefined;
    await clock.advance(1_000);
    expect(node.state).toBe('serving');
  });
});

test('a subject that cannot be served is logged, and the others are', async () => {
  const { transport, start, clock, node, logger } = create();
  await start();
  const serve = transport.serve.bind(transport);
  transport.serve = (address, receiver, self) =>
    'shard' in address && address.shard === 0
      ? Promise.reject(new ClstrError('NO_PERMISSION', 'no'))
      : serve(address, receiver, self);
  await clock.advance(timing.expiryMs + timing.heartbeatMs);
  expect([node.owns(0), node.owns(1)]).toEqual([true, true]);
  expect(logger.lines).toContainEqual(
    expect.objectContaining({ level: 'error', message: 'a subject cannot be served' }),
  );
});

describe('a message type that the handler of a node does not know', () => {
  const unknown = Object.assign(
    () => {
      throw asRefusal(new ClstrError('UNKNOWN_TYPE', 'not here'));
    },
    { hosts: ['order'], types: ['order.get'] },
  ) satisfies Handler;
  const types = ['', 'another version'] as const;

  test.each(types)('is refused for good, unless another member is of %s', async (version) => {
    const { bucket, clock, shard, port } = await owning({ handler: unknown });
    const own = bucket.record('m.n1')!.traits as object;
    bucket.put('m.n2', { ...member('x'), traits: version === '' ? own : { ...own, types: version } });
    await clock.advance(0);
    shard.onEntry(entryOf({ shard: 1, type: 'order.refund' }), port);
    expect(port.last).toMatchObject({
      error: { code: 'UNKNOWN_TYPE', outcome: 'not-executed', retryable: version !== '' },
    });
  });
});
