/** Lists of calls: one promise for all of them, and a row for each, whatever happens to the others. */
import { ActorError, shardsForNode } from '@clstr/core';
import type { CallResult, KeyedCall } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';

const echoes = (count: number): KeyedCall<number>[] =>
  Array.from({ length: count }, (_, i) => ({ key: `key-${i}`, type: 'Echo', payload: i }));

/** The value of a row, or the code of its error. */
const short = (row: CallResult): unknown => (row.ok ? row.value : row.error.code);

export const lists: Behaviours = {
  async 'answers a list of 10,000 calls in its order, each failure in its own row'(stage) {
    await stage.node(({ payload }) => {
      if ((payload as number) % 100 === 0) throw new ActorError('ROUND', `${String(payload)} is round`);
      return payload;
    });
    const client = await stage.client();
    const rows = await client.requestMany(echoes(10_000), { timeoutMs: 30_000 });
    expect(rows.map(short)).toEqual(
      Array.from({ length: 10_000 }, (_, i) => (i % 100 === 0 ? 'ACTOR_ERROR' : i)),
    );
    const [first] = rows;
    expect(first!.ok ? undefined : first!.error).toMatchObject({
      actorCode: 'ROUND',
      outcome: 'executed',
      message: '0 is round',
    });
  },

  async 'answers a list whose calls go to several nodes, or to none'(stage) {
    const ids = ['a', 'b', 'c'];
    // Nobody serves the shards of the third.
    for (const id of ids.slice(0, 2)) {
      await stage.node((_, { nodeId }) => nodeId, { id, shards: shardsForNode(id, ids, stage.numShards) });
    }
    const client = await stage.client();
    const owner = (key: string) =>
      ids.find((id) => shardsForNode(id, ids, stage.numShards).includes(stage.shardOf(key)));
    const calls = echoes(200);
    const expected = calls.map(({ key }) => (owner(key) === 'c' ? 'NO_SUBSCRIBER' : owner(key)));
    for (const round of ['before routes are learned', 'after']) {
      expect((await client.requestMany(calls)).map(short), round).toEqual(expected);
    }
  },

  async 'runs the calls of a key in their order'(stage) {
    const seen: unknown[] = [];
    await stage.node(({ payload }) => seen.push(payload));
    const client = await stage.client();
    const calls = Array.from({ length: 3_000 }, (_, i) => ({ key: 'k', type: 'Push', payload: i }));
    await client.requestMany(calls, { timeoutMs: 15_000 });
    expect(seen).toEqual(calls.map(({ payload }) => payload));
  },

  async 'gives a call that is larger than a message a row of its own'(stage) {
    await stage.node(({ payload }) => (payload as Uint8Array).length);
    const client = await stage.client();
    const sizes = [1, stage.subject.maxPayload + 1, 2];
    const calls = sizes.map((size) => ({ key: 'k', type: 'Size', payload: new Uint8Array(size) }));
    expect((await client.requestMany(calls)).map(short)).toEqual([1, 'PAYLOAD_TOO_LARGE', 2]);
  },

  async 'ends a list at its deadline, with the answers that came before it'(stage) {
    const clock = stage.stopTime();
    const allArrived = deferred();
    let arrived = 0;
    await stage.node(({ payload }) => {
      if (++arrived === 3) allArrived.resolve();
      return payload === 1 ? new Promise<never>(() => undefined) : payload;
    });
    const client = await stage.client();
    const rows = client.requestMany(echoes(3), { timeoutMs: 100 });
    await allArrived.promise;
    // The answers are on their way: a later call is answered after them.
    expect(await client.requestKey('key-0', 'Echo', 5)).toBe(5);
    await clock.advance(120);
    expect((await rows).map(short)).toEqual([0, 'TIMEOUT', 2]);
  },

  async 'fires the signals of the handlers of a list that is aborted'(stage) {
    const started = [deferred(), deferred()];
    const aborted = [deferred(), deferred()];
    await stage.node(({ payload }, { signal }) => {
      signal.addEventListener('abort', () => aborted[payload as number]!.resolve());
      started[payload as number]!.resolve();
      return new Promise<never>(() => undefined);
    });
    const client = await stage.client();
    const controller = new AbortController();
    const rows = client.requestMany(echoes(2), { signal: controller.signal });
    await Promise.all(started.map(({ promise }) => promise));
    controller.abort();
    expect((await rows).map(short)).toEqual(['ABORTED', 'ABORTED']);
    await Promise.all(aborted.map(({ promise }) => promise));
  },
};
