/** Bugs of notifies that were fixed, each under what went wrong. */
import type { FakeClock, TestCluster } from '@clstr/testing';
import { fakeClock, testCluster } from '@clstr/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NotifyFailure } from '../src/client-options.ts';

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

describe('notifies to nobody', () => {
  beforeEach(async () => {
    await cluster.nodes[0]!.close();
  });

  test('repeats counted again towards the tracked bytes, so that later notifies passed for delivered', async () => {
    const payload = new Uint8Array(1_000_000);
    for (let wave = 1; wave <= 4; wave++) {
      for (let i = 0; i < 10; i++) await cluster.client.notifyKey(`k${i}`, 'Lost', payload);
      await clock.advance(TIMEOUT_MS + 100);
      expect(failures).toHaveLength(wave * 10);
    }
    expect(new Set(failures.map(({ error }) => error.code))).toEqual(new Set(['NO_SUBSCRIBER']));
  });

  test('notifies that waited to be repeated passed for delivered when newer ones took their place', async () => {
    const count = 20_000;
    for (let i = 0; i < count; i++) await cluster.client.notifyShard(i % 8, 'Lost', i, { timeoutMs: 20 });
    await clock.advance(200);
    expect(failures).toHaveLength(count);
    expect(new Set(failures.map(({ error }) => error.code))).toEqual(new Set(['NO_SUBSCRIBER']));
  });
});

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
