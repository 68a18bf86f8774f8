/** Messages to nodes themselves: to all of them, and to any one. */
import { shardsForNode } from '@clstr/core';
import type { NodeHandlers, NodeResult } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import type { Stage } from './stage.ts';

const IDS = ['a', 'b', 'c'];

/** Three nodes, or those of `ids`, each with its share of the shards. */
async function startNodes(stage: Stage, nodeHandlers: NodeHandlers, ids: readonly string[] = IDS) {
  const started = ids.map((id) => {
    const shards = shardsForNode(id, IDS, stage.numShards);
    return stage.node(() => 'keyed', { id, shards, nodeHandlers });
  });
  return await Promise.all(started);
}

const short = (row: NodeResult): unknown => [row.nodeId, row.ok ? row.value : row.error.code];

const named: NodeHandlers = { Name: (_, { nodeId }) => nodeId };

export const nodes: Behaviours = {
  async 'gathers the answers of all nodes, one row each'(stage) {
    await startNodes(stage, { Ask: ({ payload, type }, { nodeId }) => [nodeId, type, payload] });
    const client = await stage.client();
    const rows = await client.gather('Ask', { a: 1 });
    expect(rows.map(short)).toEqual(IDS.map((id) => [id, [id, 'Ask', { a: 1 }]]));
  },

  async 'keeps a node that fails, or has no such handler, in its own row'(stage) {
    await startNodes(stage, named, ['a']);
    await startNodes(stage, { Other: () => 1 }, ['b']);
    await startNodes(stage, { Name: () => Promise.reject(new Error('broken')) }, ['c']);
    const client = await stage.client();
    expect((await client.gather('Name')).map(short)).toEqual([
      ['a', 'a'],
      ['b', 'UNKNOWN_TYPE'],
      ['c', 'INTERNAL'],
    ]);
  },

  async 'shows a node that has died as a row with an error'(stage) {
    const [, second] = await startNodes(stage, named);
    const client = await stage.client();
    await client.gather('Name');
    await second!.close();
    expect((await client.gather('Name')).map(short)).toEqual([
      ['a', 'a'],
      ['b', 'NO_SUBSCRIBER'],
      ['c', 'c'],
    ]);
  },

  async 'ends a gathering once enough nodes have answered'(stage) {
    await startNodes(stage, named, ['a']);
    await startNodes(stage, { Name: () => new Promise<never>(() => undefined) }, ['b']);
    const client = await stage.client();
    expect((await client.gather('Name', undefined, { count: 1 })).map(short)).toEqual([
      ['a', 'a'],
      ['b', 'ABORTED'],
    ]);
  },

  async 'fires the signals of nodes whose answers are not needed any more'(stage) {
    const [started, stopped] = [deferred(), deferred()];
    await startNodes(stage, { Name: () => started.promise }, ['a']);
    const hanging: NodeHandlers = {
      Name: (_, { signal }) => {
        signal.addEventListener('abort', () => stopped.resolve());
        started.resolve();
        return new Promise<never>(() => undefined);
      },
    };
    await startNodes(stage, hanging, ['b']);
    const client = await stage.client();
    await client.gather('Name', undefined, { count: 1 });
    await stopped.promise;
  },

  async 'ends a gathering at its deadline, with the answers that came before it'(stage) {
    const clock = stage.stopTime();
    await startNodes(stage, named, ['a']);
    const arrived = deferred();
    const hanging: NodeHandlers = {
      Name: () => {
        arrived.resolve();
        return new Promise<never>(() => undefined);
      },
    };
    await startNodes(stage, hanging, ['b']);
    const client = await stage.client();
    const rows = client.gather('Name', undefined, { timeoutMs: 100 });
    await arrived.promise;
    // A later message to the first node is answered after the one before it.
    expect(await client.any().request('Name')).toBe('a');
    await clock.advance(120);
    expect((await rows).map(short)).toEqual([
      ['a', 'a'],
      ['b', 'TIMEOUT'],
    ]);
  },

  async 'broadcasts to all nodes without waiting for handlers'(stage) {
    const seen = new Set<string>();
    const all = deferred();
    const handlers: NodeHandlers = {
      Clear: ({ isNotify, payload }, { nodeId }) => {
        seen.add(`${nodeId} ${String(isNotify)} ${String(payload)}`);
        if (seen.size === IDS.length) all.resolve();
        return new Promise<never>(() => undefined);
      },
    };
    await startNodes(stage, handlers);
    const client = await stage.client();
    const rows = await client.broadcast('Clear', 'cache');
    expect(rows.map(({ nodeId, ok }) => [nodeId, ok])).toEqual(IDS.map((id) => [id, true]));
    await all.promise;
    expect([...seen].sort()).toEqual(IDS.map((id) => `${id} true cache`));
  },

  async 'says so when there is no node at all'(stage) {
    const client = await stage.client();
    const none: unknown = expect.objectContaining({ code: 'NO_SUBSCRIBER', outcome: 'not-executed' });
    await expect(client.gather('Name')).rejects.toThrow(none);
    await expect(client.broadcast('Name')).rejects.toThrow(none);
    await expect(client.any().request('Name')).rejects.toThrow(none);
    await expect(client.any().notify('Name')).rejects.toThrow(none);
  },

  async 'calls each node in turn'(stage) {
    await startNodes(stage, named);
    const any = (await stage.client()).any();
    const answers: unknown[] = [];
    for (let i = 0; i < 6; i++) answers.push(await any.request('Name'));
    expect(answers).toEqual([...IDS, ...IDS]);
  },

  async 'sends calls of a node that is gone to another one, and leaves it out afterwards'(stage) {
    const [first] = await startNodes(stage, named);
    const any = (await stage.client()).any();
    expect(await any.request('Name')).toBe('a');
    await first!.close();
    const answers = await Promise.all(Array.from({ length: 12 }, () => any.request('Name')));
    expect(new Set(answers)).toEqual(new Set(['b', 'c']));
  },

  async 'sends calls that a draining node refuses to another one'(stage) {
    const gate = deferred();
    const started = deferred();
    const [first] = await startNodes(stage, {
      ...named,
      Wait: async () => {
        started.resolve();
        await gate.promise;
      },
    });
    const any = (await stage.client()).any();
    const waiting = any.request('Wait');
    await started.promise;
    const drained = first!.drain();
    const answers = await Promise.all(Array.from({ length: 6 }, () => any.request('Name')));
    expect(new Set(answers)).toEqual(new Set(['b', 'c']));
    gate.resolve();
    await waiting;
    await drained;
  },

  async 'never runs a message to a node in the handler of its shards, or in a node without such handlers'(
    stage,
  ) {
    await stage.node(() => 'keyed');
    const client = await stage.client();
    const refused: unknown = expect.objectContaining({ code: 'UNKNOWN_TYPE', outcome: 'not-executed' });
    await expect(client.any().request('Name')).rejects.toThrow(refused);
    expect((await client.gather('Name')).map((row) => (row.ok ? row.value : row.error.code))).toEqual([
      'UNKNOWN_TYPE',
    ]);
  },
};
