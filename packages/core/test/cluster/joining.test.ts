import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { agreeOnConfig, claimNodeId } from '../../src/cluster/joining.ts';
import type { ClusterConfig } from '../../src/cluster/records.ts';
import { createStartLimit } from '../../src/cluster/refusal.ts';
import { recordLog } from '@clstr/testing/internal';
import { Bucket, FULL, TestStore } from './bucket.ts';
import { heartbeat, member, owned, timing } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

const own: ClusterConfig = {
  id: 'mine',
  numShards: 8,
  seed: 's',
  hash: 'ff',
  placement: 'rendezvous',
  proto: 1,
};

function start() {
  const clock = skewedClock();
  const bucket = new Bucket();
  const store = new TestStore(bucket, clock);
  const wanted = { isWanted: true };
  const logger = recordLog();
  const limit = createStartLimit(clock, timing, 'node a could not join its cluster');
  const options = {
    nodeId: 'a',
    isExclusive: false,
    store,
    timing,
    clock,
    logger,
    limit,
    isWanted: () => wanted.isWanted,
  };
  const instant = () => ({ monoMs: clock.monoMs(), wallMs: clock.wallMs() });
  const claim = (isExclusive = false) =>
    endOf(claimNodeId({ ...options, isExclusive }, JSON.stringify(heartbeat('new')), instant));
  return { clock, bucket, store, wanted, options, logger, claim };
}

async function endOf<T>(promise: Promise<T>): Promise<T | Error> {
  return promise.catch((error: unknown) => error as Error);
}

/** Whether the promise has ended, and with what. */
function watch<T>(promise: Promise<T>): { value: T | undefined } {
  const state: { value: T | undefined } = { value: undefined };
  void promise.then((value) => (state.value = value));
  return state;
}

describe('the configuration', () => {
  test('of an empty bucket is the node’s own', async () => {
    const { options, bucket } = start();
    expect(await agreeOnConfig(options, own)).toEqual({ config: own, revision: 1 });
    expect(bucket.record('cfg')).toEqual(own);
  });

  test('of an existing cluster is the cluster’s: only its id may differ', async () => {
    const { options, bucket } = start();
    bucket.put('cfg', { ...own, id: 'theirs' });
    expect(await agreeOnConfig(options, own)).toMatchObject({ config: { id: 'theirs' } });
    expect(bucket.writes).toHaveLength(1);
  });

  test('is that of the first writer, when two nodes start at the same time', async () => {
    const { options, bucket, store } = start();
    store.effect = ({ kind }) => {
      if (kind === 'cas') bucket.put('cfg', { ...own, id: 'theirs' });
      return undefined;
    };
    expect(await agreeOnConfig(options, own)).toMatchObject({ config: { id: 'theirs' } });
  });

  test('replaces a record that is not a configuration', async () => {
    const { options, bucket } = start();
    bucket.put('cfg', 'garbage');
    expect(await agreeOnConfig(options, own)).toEqual({ config: own, revision: 2 });
  });

  test.each(['prefix', 'codec'])('does not differ in %s where one side does not say it', async (name) => {
    const { options, bucket } = start();
    bucket.put('cfg', { ...own, [name]: undefined });
    expect(await agreeOnConfig(options, { ...own, [name]: 'mine' })).toMatchObject({ config: own });
    bucket.put('cfg', { ...own, [name]: 'theirs' });
    expect(await agreeOnConfig(options, own)).toMatchObject({ config: { ...own, [name]: 'theirs' } });
    await expect(agreeOnConfig(options, { ...own, [name]: 'mine' })).rejects.toThrow(
      `${name} is "theirs" there and "mine" here`,
    );
  });

  test.each([
    ['numShards', 16],
    ['seed', ''],
    ['hash', '00'],
    ['placement', 'bounded'],
    ['proto', 2],
  ])('that differs in %s is refused, and says how', async (name, value) => {
    const { options, bucket } = start();
    bucket.put('cfg', { ...own, id: 'theirs', [name]: value });
    const here = own[name as keyof ClusterConfig];
    await expect(agreeOnConfig(options, own)).rejects.toMatchObject({
      code: 'CLUSTER_CONFIG_MISMATCH',
      message: expect.stringContaining(
        `${name} is ${JSON.stringify(value)} there and ${JSON.stringify(here)} here`,
      ),
      details: { [name]: { cluster: value, here } },
    });
  });

  test('that differs in several settings names each', async () => {
    const { options, bucket } = start();
    bucket.put('cfg', { ...own, numShards: 16, seed: 'other' });
    await expect(agreeOnConfig(options, own)).rejects.toMatchObject({
      message: expect.stringMatching(/numShards is 16 there and 8 here, seed is "other" there and "s" here$/),
      details: { numShards: { cluster: 16, here: 8 }, seed: { cluster: 'other', here: 's' } },
    });
  });

  test('is asked for until the store answers', async () => {
    const { options, clock, store } = start();
    store.become(false);
    const agreed = watch(agreeOnConfig(options, own));
    await clock.advance(5_000);
    expect(agreed.value).toBeUndefined();
    store.become(true);
    await clock.advance(500);
    expect(agreed.value).toEqual({ config: own, revision: 1 });
  });

  test('is not asked for by a node that was closed', async () => {
    const { options, clock, store, wanted } = start();
    store.become(false);
    const agreed = endOf(agreeOnConfig(options, own));
    wanted.isWanted = false;
    await clock.advance(500);
    expect(await agreed).toMatchObject({ code: 'TRANSPORT_CLOSED' });
  });
});

describe('a name', () => {
  test('that no run holds is taken at once, and the lease counts from before the write', async () => {
    const { claim, clock, store, bucket } = start();
    const gate = deferred();
    store.effect = ({ kind }) => (kind === 'cas' ? { until: gate.promise } : undefined);
    const claimed = claim();
    await clock.advance(100);
    gate.resolve();
    expect(await claimed).toMatchObject({ entry: { revision: 1 }, from: { monoMs: 1_000_000 } });
    expect(bucket.record('h.a')).toMatchObject({ inc: 'new' });
  });

  test.each([
    ['was declared dead', heartbeat('old', { isDead: true }), undefined],
    ['has left', heartbeat('old'), member('old', 'left')],
    ['is dead by its member record', heartbeat('old'), member('old', 'dead')],
  ])('of a run that %s is taken at once', async (_why, beat, record) => {
    const { claim, bucket } = start();
    bucket.put('h.a', beat);
    if (record !== undefined) bucket.put('m.a', record);
    expect(await claim()).toMatchObject({ entry: { key: 'h.a' } });
  });

  test.each([
    ['says nothing', undefined],
    ['drains', member('old', 'draining')],
    ['follows another that has left', member('before', 'left')],
  ])(
    'of a run that %s is free once its heartbeat has been still for the whole expiry',
    async (_what, record) => {
      const { claim, bucket, clock } = start();
      bucket.put('h.a', heartbeat('old'));
      if (record !== undefined) bucket.put('m.a', record);
      const claimed = watch(claim());
      await clock.advance(timing.expiryMs - 1);
      expect(claimed.value).toBeUndefined();
      await clock.advance(timing.heartbeatMs / 3);
      expect(claimed.value).toMatchObject({ entry: { key: 'h.a' } });
    },
  );

  test('that is exclusive is taken at once, by a write over the newest heartbeat of the run before', async () => {
    const { claim, bucket, store, logger } = start();
    const stale = bucket.put('h.a', heartbeat('old'));
    bucket.put('h.a', heartbeat('old', { beat: 2 }));
    let reads = 0;
    store.effect = ({ kind, key }) =>
      kind === 'read' && key === 'h.a' && ++reads === 1 ? { told: [stale] } : undefined;
    expect(await claim(true)).toMatchObject({ entry: { key: 'h.a', revision: 3 } });
    expect(bucket.record('h.a')).toMatchObject({ inc: 'new' });
    expect(logger.lines).toEqual([]);
  });

  test('is watched for as long as the lease of its holder asks', async () => {
    const { claim, bucket, clock } = start();
    bucket.put('h.a', heartbeat('old', { leaseMs: 9_900 }));
    const claimed = watch(claim());
    await clock.advance(10_400);
    expect(claimed.value).toBeUndefined();
    await clock.advance(200);
    expect(claimed.value).toBeDefined();
  });

  test('of a run whose heartbeat goes on moving is in use', async () => {
    const { claim, bucket, clock } = start();
    bucket.put('h.a', heartbeat('old'));
    const claimed = claim();
    await clock.advance(1_000);
    bucket.put('h.a', heartbeat('old', { beat: 2 }));
    await clock.advance(timing.heartbeatMs);
    bucket.put('h.a', heartbeat('old', { beat: 3 }));
    await clock.advance(timing.heartbeatMs / 3);
    expect(await claimed).toMatchObject({
      code: 'NODE_ID_IN_USE',
      message: expect.stringContaining('the id "a"'),
    });
    expect(bucket.record('h.a')).toMatchObject({ inc: 'old', beat: 3 });
  });

  test('of a run that died is free after the expiry, whatever old answers come between the new ones', async () => {
    const { claim, bucket, store, clock } = start();
    const before = bucket.put('h.a', heartbeat('old'));
    bucket.put('h.a', heartbeat('old', { beat: 2 }));
    let reads = 0;
    store.effect = ({ kind, key }) =>
      kind === 'read' && key === 'h.a' && ++reads % 3 === 1 ? { told: [before] } : undefined;
    const claimed = watch(claim());
    // The wait begins with the newest that was read.
    await clock.advance(timing.heartbeatMs / 3 + timing.expiryMs - 1);
    expect(claimed.value).toBeUndefined();
    await clock.advance(timing.heartbeatMs);
    expect(claimed.value).toMatchObject({ entry: { key: 'h.a' } });
  });

  test('that another process took first is watched, and in use when that one lives', async () => {
    const { claim, bucket, clock, store } = start();
    let others = 0;
    store.effect = ({ kind }) => {
      if (kind === 'cas' && others++ === 0) bucket.put('h.a', heartbeat('other'));
      return undefined;
    };
    const claimed = claim();
    await clock.advance(500);
    bucket.put('h.a', heartbeat('other', { beat: 2 }));
    await clock.advance(500);
    bucket.put('h.a', heartbeat('other', { beat: 3 }));
    await clock.advance(timing.heartbeatMs / 3);
    expect(await claimed).toMatchObject({ code: 'NODE_ID_IN_USE' });
  });

  test('of a holder that is declared dead meanwhile is taken without further waiting', async () => {
    const { claim, bucket, clock } = start();
    bucket.put('h.a', heartbeat('old'));
    const claimed = watch(claim());
    await clock.advance(500);
    bucket.put('h.a', heartbeat('old', { isDead: true }));
    await clock.advance(timing.heartbeatMs / 3);
    expect(claimed.value).toMatchObject({ entry: { key: 'h.a' } });
  });

  test('without a heartbeat that still owns a shard may be in use: the node waits', async () => {
    const { claim, bucket, clock } = start();
    bucket.put('s.3', owned(1, 'a', 'old'));
    const claimed = watch(claim());
    await clock.advance(timing.expiryMs - 1);
    expect(claimed.value).toBeUndefined();
    await clock.advance(timing.heartbeatMs / 3);
    expect(claimed.value).toMatchObject({ entry: { key: 'h.a' } });
  });

  test.each([
    ['s.3', owned(1, 'a', 'old', 'released')],
    ['s.3', owned(1, 'b', 'old')],
    ['s.3', 'garbage'],
    ['m.b', member('old')],
  ])('without a heartbeat that is not named as an owner in %s %o is taken at once', async (key, record) => {
    const { claim, bucket } = start();
    bucket.put(key, record);
    expect(await claim()).toMatchObject({ entry: { key: 'h.a' } });
  });

  test('is not taken for a node that was closed meanwhile', async () => {
    const { claim, bucket, clock, wanted } = start();
    bucket.put('h.a', heartbeat('old'));
    const claimed = claim();
    await clock.advance(100);
    wanted.isWanted = false;
    await clock.advance(500);
    expect(await claimed).toMatchObject({ code: 'TRANSPORT_CLOSED' });
  });

  test('is given up when the node is closed while the write is under way', async () => {
    const { claim, clock, wanted, store } = start();
    store.effect = ({ kind }) => (kind === 'cas' ? 'lost' : undefined);
    const claimed = claim();
    await clock.advance(10);
    wanted.isWanted = false;
    await clock.advance(500);
    expect(await claimed).toMatchObject({ code: 'TRANSPORT_CLOSED' });
  });
});

describe('a store that refuses', () => {
  const refuseWrites = (store: TestStore, key: string): void => {
    store.effect = (operation) =>
      operation.kind === 'cas' && operation.key === key ? { refusal: FULL } : undefined;
  };

  test('a name ends the start after an expiry, with its reason', async () => {
    const { clock, store, claim } = start();
    refuseWrites(store, 'h.a');
    const claimed = watch(claim());
    await clock.advance(timing.expiryMs - timing.ackTimeoutMs);
    expect(claimed.value).toBeUndefined();
    await clock.advance(2 * timing.ackTimeoutMs);
    expect(claimed.value).toMatchObject({ code: 'STORE_REFUSED', cause: FULL });
  });

  test('the configuration ends the start too', async () => {
    const { clock, store, options } = start();
    refuseWrites(store, 'cfg');
    const agreed = watch(endOf(agreeOnConfig(options, own)));
    await clock.advance(timing.expiryMs + timing.ackTimeoutMs);
    expect(agreed.value).toMatchObject({ code: 'STORE_REFUSED', cause: FULL });
  });

  test('that makes room in time lets the start go on', async () => {
    const { clock, store, claim, bucket } = start();
    refuseWrites(store, 'h.a');
    const claimed = watch(claim());
    await clock.advance(timing.expiryMs / 2);
    store.effect = () => undefined;
    await clock.advance(timing.ackTimeoutMs);
    expect(claimed.value).toMatchObject({ entry: bucket.get('h.a') });
  });

  test.each(['read', 'list'])('a %s ends the start', async (kind) => {
    const { clock, store, claim } = start();
    store.effect = (operation) => (operation.kind === kind ? { refusal: FULL } : undefined);
    const claimed = watch(claim());
    await clock.advance(timing.expiryMs + timing.heartbeatMs);
    expect(claimed.value).toMatchObject({ code: 'STORE_REFUSED', cause: FULL });
  });
});

test('a store that never answers ends the start after 30 s', async () => {
  const { clock, store, claim } = start();
  store.effect = () => 'lost';
  const claimed = watch(claim());
  await clock.advance(30_000 - timing.ackTimeoutMs);
  expect(claimed.value).toBeUndefined();
  await clock.advance(2 * timing.ackTimeoutMs + timing.heartbeatMs);
  expect(claimed.value).toMatchObject({ code: 'TIMEOUT', outcome: 'not-executed' });
});

test('a name that another run may hold is waited for with one line in the log', async () => {
  const { clock, bucket, claim, logger } = start();
  bucket.put('h.a', heartbeat('old'));
  const claimed = claim();
  await clock.advance(timing.expiryMs + timing.heartbeatMs);
  expect(await claimed).toMatchObject({ entry: bucket.get('h.a') });
  expect(logger.lines).toMatchObject([
    {
      level: 'warn',
      fields: { nodeId: 'a', inc: 'old', waitMs: timing.expiryMs },
      message: 'node a waits for up to 2500 ms to join: another run with this id may still be alive',
    },
  ]);
});
