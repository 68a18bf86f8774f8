/** Messages without a reply: handed over quickly, repeated while refused, and never lost in silence. */
import type { NotifyFailure } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { observeRefusals } from './observed-transport.ts';
import type { Stage } from './stage.ts';

const SEVERAL = 8;

export const notifies: Behaviours = {
  async 'resolves before the handler has ended'(stage) {
    const gate = deferred();
    const handled = deferred<unknown>();
    await stage.node(async ({ key, payload, isNotify }) => {
      await gate.promise;
      handled.resolve([key, payload, isNotify]);
    });
    const client = await stage.client();
    expect(await client.notifyKey('k', 'Touch', { n: 1 })).toBeUndefined();
    gate.resolve();
    expect(await handled.promise).toEqual(['k', { n: 1 }, true]);
  },

  async 'repeats a refused notify until it is accepted, and runs it once'(stage) {
    const { client, gate, started, refused, seen, failed } = await busyNode(stage, 5_000);
    const busy = client.requestShard(0, 'Busy');
    await started.promise;
    await client.notifyShard(0, 'Touch', 'payload');
    await refused.promise;
    gate.resolve();
    await busy;
    expect(await seen.promise).toBe('payload');
    await client.requestShard(0, 'Barrier');
    expect([seen.count, failed.length]).toEqual([1, 0]);
  },

  async 'calls onNotifyFailed for a notify that was refused until its deadline'(stage) {
    const { client, gate, started, refused, seen, failed, untilFailed } = await busyNode(stage, 500);
    const busy = client.requestShard(0, 'Busy', null, { timeoutMs: 5_000 });
    await started.promise;
    // The last refusal of one may still be on its way at its deadline: that one counts as delivered.
    const types = Array.from({ length: SEVERAL }, (_, i) => `Touch${i}`);
    await Promise.all(types.map((type) => client.notifyShard(0, type, 'payload')));
    const failure = await untilFailed.promise;
    expect(failure).toMatchObject({ shard: 0, key: undefined });
    expect(types).toContain(failure.type);
    expect(failure.error).toMatchObject({ code: 'OVERLOADED', outcome: 'not-executed' });
    expect(refused.count).toBeGreaterThanOrEqual(SEVERAL);
    gate.resolve();
    await busy;
    await client.requestShard(0, 'Barrier');
    for (const { type } of failed) expect(seen.types).not.toContain(type);
  },

  async 'resolves for a notify that nobody serves, and calls onNotifyFailed at its deadline'(stage) {
    const failed = deferred<NotifyFailure>();
    const client = await stage.client({ onNotifyFailed: failed.resolve });
    // The last refusal of one may still be on its way at its deadline: that one counts as delivered.
    for (const timeoutMs of [100, 500, 5_000]) await client.notifyKey('k', 'Touch', null, { timeoutMs });
    const failure = await failed.promise;
    expect(failure).toMatchObject({ key: 'k', shard: stage.shardOf('k'), type: 'Touch' });
    expect(failure.error).toMatchObject({ code: 'NO_SUBSCRIBER', outcome: 'not-executed' });
  },

  async 'delivers a notify to a node that starts serving before its deadline'(stage) {
    const client = await stage.client();
    const handled = deferred<unknown>();
    const sent = client.notifyKey('k', 'Touch', 'early');
    await stage.node(({ payload }) => {
      handled.resolve(payload);
    });
    await sent;
    expect(await handled.promise).toBe('early');
  },

  async 'neither repeats a notify whose handler failed nor reports it'(stage) {
    const failed: NotifyFailure[] = [];
    let handled = 0;
    await stage.node(({ isNotify }) => {
      handled++;
      if (isNotify) throw new Error('after the work was done');
    });
    const client = await stage.client({
      onNotifyFailed: (failure) => failed.push(failure),
    });
    await client.notifyKey('k', 'Touch');
    await client.requestKey('k', 'Barrier');
    await client.requestKey('k', 'Barrier');
    expect([handled, failed]).toEqual([3, []]);
  },
};

/** A node with room for one message, whose `Busy` handler ends when the gate opens. */
async function busyNode(stage: Stage, timeoutMs: number) {
  const gate = deferred();
  const started = deferred();
  const refused = { ...deferred(), count: 0 };
  const seen = { ...deferred<unknown>(), count: 0, types: [] as string[] };
  const failed: NotifyFailure[] = [];
  const untilFailed = deferred<NotifyFailure>();
  const transport = observeRefusals(await stage.transport(), () => {
    refused.count++;
    refused.resolve();
  });
  await stage.node(
    ({ type, payload }) => {
      if (type === 'Busy') {
        started.resolve();
        return gate.promise;
      }
      if (type.startsWith('Touch')) {
        seen.count++;
        seen.types.push(type);
        seen.resolve(payload);
      }
      return undefined;
    },
    { transport, maxInFlight: 1 },
  );
  const client = await stage.client({
    timeoutMs,
    onNotifyFailed(failure) {
      failed.push(failure);
      untilFailed.resolve(failure);
    },
  });
  return { client, gate, started, refused, seen, failed, untilFailed };
}
