/** Bugs of notifies that were fixed, each under what went wrong. */
import type { FakeClock, TestCluster } from '@clstr/testing';
import { deferred, fakeClock, testCluster } from '@clstr/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NotifyFailure } from '../src/client/options.ts';

const TIMEOUT_MS = 300;

let clock: FakeClock;
let cluster: TestCluster;
let failures: NotifyFailure[];
let handled: unknown[];

beforeEach(async () => {
  clock = fakeClock();
  failures = [];
  handled = [];
  cluster = await testCluster({
    nodes: 1,
    numShards: 8,
    clock,
    maxPayload: 2_000_000,
    handler: ({ payload }) => {
      handled.push(payload);
      return 'done';
    },
    client: { timeoutMs: TIMEOUT_MS, maxPending: 5, onNotifyFailed: (failure) => failures.push(failure) },
  });
});

afterEach(async () => {
  await cluster.close();
});

test('repeats of notifies counted again towards the tracked bytes, so that later notifies passed for delivered', async () => {
  await cluster.nodes[0]!.close();
  const payload = new Uint8Array(1_000_000);
  for (let wave = 1; wave <= 4; wave++) {
    for (let i = 0; i < 10; i++) await cluster.client.notifyKey(`k${i}`, 'Lost', payload);
    await clock.advance(TIMEOUT_MS + 100);
    expect(failures).toHaveLength(wave * 10);
  }
  expect(new Set(failures.map(({ error }) => error.code))).toEqual(new Set(['NO_SUBSCRIBER']));
});

test('notifies that waited to be repeated passed for delivered when newer ones took their place', async () => {
  const [count, tracked] = [20_000, 16_384];
  const allFailed = deferred();
  let failed = 0;
  // Timers that only wait to be fired: so many are too much for a clock that sorts them.
  const timers = new Set<() => void>();
  let nowMs = 0;
  await using lonely = await testCluster({
    nodes: 1,
    numShards: 8,
    clock: {
      monoMs: () => nowMs,
      wallMs: () => nowMs,
      timer(fn) {
        timers.add(fn);
        return () => timers.delete(fn);
      },
      macrotask: (fn) => clock.macrotask(fn),
    },
    handler: () => 1,
    client: {
      onNotifyFailed({ error }) {
        if (error.code === 'NO_SUBSCRIBER' && ++failed === count) allFailed.resolve();
      },
    },
  });
  await lonely.nodes[0]!.close();
  for (let i = 0; i < count; i++) await lonely.client.notifyShard(i % 8, 'Lost', i);
  expect(failed).toBe(count - tracked);
  nowMs = 10_000;
  for (const fire of timers) {
    timers.delete(fire);
    fire();
  }
  await allFailed.promise;
}, 20_000);

describe('delivered notifies', () => {
  test('were reported as failed when their signal fired later', async () => {
    const controller = new AbortController();
    await cluster.client.notifyKey('k', 'Kept', 'kept', { signal: controller.signal });
    await clock.advance(0);
    expect(handled).toEqual(['kept']);
    controller.abort();
    await clock.advance(TIMEOUT_MS + 100);
    expect(failures).toEqual([]);
  });

  test('were reported as failed when the transport closed', async () => {
    await cluster.client.notifyKey('k', 'Kept', 'kept');
    await clock.advance(0);
    expect(handled).toEqual(['kept']);
    await cluster.transport.close();
    await clock.advance(TIMEOUT_MS + 100);
    expect(failures).toEqual([]);
  });

  test('occupied maxPending until their deadline', async () => {
    for (let i = 0; i < 20; i++) await cluster.client.notifyKey('k', 'Kept', i);
    expect(await cluster.client.requestKey('k', 'Next')).toBe('done');
    expect(handled).toHaveLength(21);
  });
});
