/** A cluster that is provisioned serves once membership has come to rest; another one waits for an expiry. */
import type { Clock, Node } from '@clstr/core';
import { TIMINGS, createClient, createNode } from '@clstr/core';
import { provisionShards } from '@clstr/core/store';
import { silentLogger, systemRandom } from '@clstr/core/internal';
import { fakeClock } from '@clstr/testing';
import { auditEpochs } from '@clstr/testing/internal';
import type { FakeClock } from '@clstr/testing';
import {
  createMemoryBus,
  createMemoryStore,
  memoryMembership,
  memoryTransport,
} from '@clstr/transport-memory';
import type { MemoryStore, MemoryStoreOptions } from '@clstr/transport-memory';
import { describe, expect, test } from 'vitest';

const NUM_SHARDS = 16;
const SHAPE = { numShards: NUM_SHARDS, seed: '', placement: 'rendezvous' } as const;
const { expiryMs, stableMs, heartbeatMs, ackTimeoutMs } = TIMINGS.fast;
/** The least time in which an owner that reaches the store notices that its bucket is gone. */
const noticedMs = heartbeatMs + ackTimeoutMs;

function startWorld(options: MemoryStoreOptions = {}) {
  const clock = fakeClock();
  const store = createMemoryStore({ clock, maxHistory: 10_000, ...options });
  const transport = memoryTransport({ bus: createMemoryBus({ clock }) });
  const join = (id: string): Node => {
    const node = createNode({
      id,
      transport,
      clock,
      numShards: NUM_SHARDS,
      membership: memoryMembership({ store, member: id, clock }),
      handler: () => id,
    });
    node.start().catch(() => undefined);
    return node;
  };
  return { clock, store, transport, join };
}

function provision(store: MemoryStore, clock: Clock, changes: object = {}): Promise<number> {
  const options = {
    timing: TIMINGS.fast,
    clock,
    random: systemRandom,
    logger: silentLogger,
    isNew: true,
    afterEpoch: 0,
  };
  return provisionShards(store.connect(), SHAPE, { ...options, ...changes });
}

/** In steps of 10 ms. */
async function msUntil(clock: FakeClock, holds: () => boolean, limitMs = 10_000): Promise<number> {
  const startMs = clock.monoMs();
  while (!holds() && clock.monoMs() - startMs < limitMs) await clock.advance(10);
  return clock.monoMs() - startMs;
}

const served = (nodes: readonly Node[]): number =>
  nodes.flatMap((node) => node.shards().filter((shard) => node.owns(shard))).length;

function valueOf(store: MemoryStore, key: string): Record<string, unknown> {
  return JSON.parse(store.history.findLast((write) => write.key === key)!.value!) as Record<string, unknown>;
}

describe('a fresh cluster of three nodes', () => {
  test.each([
    ['provisioned', { provision: { numShards: NUM_SHARDS } }, stableMs, stableMs + 200],
    ['not provisioned', {}, noticedMs, stableMs + 2_000],
  ])('%s, serves every shard in time, from epoch 1', async (_, options, atLeastMs, atMostMs) => {
    const { clock, store, transport, join } = startWorld(options);
    const nodes = ['a', 'b', 'c'].map(join);
    const tookMs = await msUntil(clock, () => served(nodes) === NUM_SHARDS);
    expect(tookMs).toBeGreaterThanOrEqual(atLeastMs);
    expect(tookMs).toBeLessThanOrEqual(atMostMs);
    expect(Array.from({ length: NUM_SHARDS }, (_, shard) => valueOf(store, `s.${shard}`)['epoch'])).toEqual(
      new Array(NUM_SHARDS).fill(1),
    );
    const audit = auditEpochs(store.history, { maxMovesPerChange: 1 });
    expect(audit.problems).toEqual([]);
    const client = createClient({ transport, clock, numShards: NUM_SHARDS, routing: 'topology' });
    const answer = client.requestKey('key', 'Who', null);
    await clock.advance(10);
    expect(['a', 'b', 'c']).toContain(await answer);
  });
});

describe('provisionShards', () => {
  test('of a new cluster writes the configuration and every record, and nothing the second time', async () => {
    const { clock, store, join } = startWorld();
    expect(await provision(store, clock)).toBe(NUM_SHARDS);
    expect(valueOf(store, 'cfg')).toMatchObject(SHAPE);
    expect(valueOf(store, 's.3')).toMatchObject({ epoch: 0, owner: '', inc: '', state: 'released' });
    const writes = store.history.length;
    expect(await provision(store, clock, { isNew: false })).toBe(0);
    expect(store.history).toHaveLength(writes);
    const node = join('a');
    expect(await msUntil(clock, () => served([node]) === NUM_SHARDS)).toBeLessThanOrEqual(stableMs + 200);
  });

  test('waits for an expiry unless the cluster is said to be new', async () => {
    const { clock, store } = startWorld();
    const done = provision(store, clock, { isNew: false });
    await clock.advance(expiryMs - 1);
    expect(store.history.map(({ key }) => key)).toEqual(['cfg']);
    await clock.advance(100);
    expect(await done).toBe(NUM_SHARDS);
  });

  test('begins the wait again when the bucket is lost meanwhile', async () => {
    const { clock, store } = startWorld();
    const done = provision(store, clock, { isNew: false });
    await clock.advance(expiryMs - 1);
    store.deleteBucket();
    await clock.advance(expiryMs - 1);
    expect(store.history.map(({ key }) => key)).toEqual(['cfg', 'cfg']);
    await clock.advance(100);
    expect(await done).toBe(NUM_SHARDS);
  });

  test('leaves the records of a cluster that runs alone', async () => {
    const { clock, store, join } = startWorld();
    const node = join('a');
    await msUntil(clock, () => served([node]) === NUM_SHARDS);
    const writes = store.history.filter(({ key }) => key.startsWith('s.')).length;
    expect(await provision(store, clock)).toBe(0);
    expect(store.history.filter(({ key }) => key.startsWith('s.'))).toHaveLength(writes);
    expect(served([node])).toBe(NUM_SHARDS);
  });

  test('writes only what is missing, while others write too', async () => {
    const { clock, store } = startWorld();
    const other = store.connect();
    const value = JSON.stringify({ epoch: 7, owner: 'x', inc: 'y', state: 'owned', nonce: 'z' });
    await provision(store, clock);
    store.deleteBucket();
    await other.cas('cfg', 0, store.history.find(({ key }) => key === 'cfg')!.value, 1_000);
    await other.cas('s.4', 0, value, 1_000);
    const [one, two] = await Promise.all([provision(store, clock), provision(store, clock)]);
    // Equal bytes mean the same: both may count a record as theirs.
    expect(one + two).toBeGreaterThanOrEqual(NUM_SHARDS - 1);
    expect(valueOf(store, 's.4')).toMatchObject({ epoch: 7, owner: 'x' });
    const writes = store.history.filter(({ bucket, key }) => bucket === 2 && key.startsWith('s.'));
    expect(new Set(writes.map(({ key }) => key)).size).toBe(writes.length);
  });

  test('continues above the given epoch', async () => {
    const { clock, store, join } = startWorld();
    await provision(store, clock, { afterEpoch: 41 });
    const node = join('a');
    await msUntil(clock, () => served([node]) === NUM_SHARDS);
    expect(valueOf(store, 's.0')).toMatchObject({ epoch: 42, owner: 'a' });
  });

  test('refuses a cluster with another configuration, and says what differs', async () => {
    const { clock, store } = startWorld({ provision: { numShards: 8, seed: 's' } });
    await expect(provision(store, clock)).rejects.toMatchObject({
      code: 'CLUSTER_CONFIG_MISMATCH',
      message:
        'the cluster exists with another configuration: numShards is 8 there and 16 here, seed is "s" there and "" here',
      details: { numShards: { cluster: 8, here: 16 } },
    });
    expect(store.history).toHaveLength(9);
  });

  test('gives up when the store does not answer', async () => {
    const { clock, store } = startWorld({
      policy: { onOperation: ({ kind }) => ({ request: kind === 'cas' ? 'lost' : 0 }) },
    });
    const done = provision(store, clock);
    const failed = expect(done).rejects.toMatchObject({ code: 'TIMEOUT' });
    await clock.advance(70_000);
    await failed;
  });
});

test('nodes that differ from the provisioned configuration are refused', async () => {
  const { store, join } = startWorld({ provision: { numShards: 8 } });
  expect(store.history).toHaveLength(9);
  const node = join('a');
  await expect(node.start()).rejects.toMatchObject({ code: 'CLUSTER_CONFIG_MISMATCH' });
});

test.each([
  [{ numShards: 0 }, /provision: numShards must be/],
  [{ numShards: 2 ** 20 + 1 }, /numShards/],
  [{ seed: 5 }, /provision: seed/],
  [{ placement: 'best' }, /provision: placement must be 'rendezvous' or 'bounded', got "best"/],
  [{ shards: 5 }, /unknown option "shards"/],
])('createMemoryStore refuses to provision %o', (provision, message) => {
  expect(() => createMemoryStore({ provision } as unknown as MemoryStoreOptions)).toThrow(message);
});

test('a provisioned memory store has 1,024 shards, no seed and plain placement unless told otherwise', () => {
  const store = createMemoryStore({ provision: {}, maxHistory: 2_000 });
  expect(valueOf(store, 'cfg')).toMatchObject({ numShards: 1_024, seed: '', placement: 'rendezvous' });
  expect(store.history).toHaveLength(1_025);
  const bounded = createMemoryStore({ provision: { placement: 'bounded' }, maxHistory: 2_000 });
  expect(valueOf(bounded, 'cfg')).toMatchObject({ placement: 'bounded' });
});

describe('a bucket that was lost and is provisioned while an owner from before is cut off', () => {
  async function overlapsWith(
    isNew: boolean,
  ): Promise<{ overlaps: number; nodes: Node[]; store: MemoryStore }> {
    const { clock, store, join } = startWorld({ provision: { numShards: NUM_SHARDS } });
    const nodes = ['a', 'b'].map(join);
    await msUntil(clock, () => served(nodes) === NUM_SHARDS);
    await clock.advance(1_000);
    store.cut('b');
    store.deleteBucket();
    const done = provision(store, clock, { isNew });
    let overlaps = 0;
    for (let passedMs = 0; passedMs < 8_000; passedMs += 10) {
      await clock.advance(10);
      const owned = nodes.flatMap((node) => node.shards().filter((shard) => node.owns(shard)));
      overlaps += owned.length - new Set(owned).size;
    }
    await done;
    return { overlaps, nodes, store };
  }

  test('has one owner of each shard at a time, and epochs that rise', async () => {
    const { overlaps, nodes, store } = await overlapsWith(false);
    expect(overlaps).toBe(0);
    expect(served([nodes[0]!])).toBe(NUM_SHARDS);
    for (let shard = 0; shard < NUM_SHARDS; shard++) {
      const writes = store.history.filter(({ key }) => key === `s.${shard}`);
      const epochs = writes.map(({ value }) => JSON.parse(value!) as { epoch: number; state: string });
      const owned = epochs.filter(({ state }) => state === 'owned').map(({ epoch }) => epoch);
      expect(owned).toEqual([...new Set(owned)].sort((one, other) => one - other));
    }
  });

  test('has two when it is said to be new, which it is not', async () => {
    expect((await overlapsWith(true)).overlaps).toBeGreaterThan(0);
  });
});
