/** Clients, nodes and transports that leave: what was accepted ends, what comes later is refused by name. */
import type { ConnectionEvent } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { expectError, expectFailure } from '../failure.ts';
import { sendRaw } from './raw-entry.ts';
import type { Stage } from './stage.ts';

export const endings: Behaviours = {
  async 'ends the pending calls of a closed client as ABORTED, unknown, and leaves its transport open'(
    stage,
  ) {
    const { started } = await hangingNode(stage);
    const transport = await stage.transport();
    const [leaves, stays] = [await stage.client({ transport }), await stage.client({ transport })];
    const answer = expectFailure(leaves.requestKey('k', 'Hang'), 'ABORTED', 'unknown');
    await started.promise;
    await leaves.close();
    await answer;
    expect(await stays.requestKey('k', 'Echo', 1)).toBe(1);
  },

  async 'does not send calls made in the turn in which their client is closed'(stage) {
    const { types } = await hangingNode(stage);
    const [leaves, stays] = [await stage.client(), await stage.client()];
    const answer = expectFailure(leaves.requestKey('k', 'Unsent'), 'ABORTED', 'not-executed');
    await leaves.close();
    await answer;
    await stays.requestKey('k', 'Echo');
    expect(types).toEqual(['Echo']);
  },

  async 'refuses calls of a closed client as TRANSPORT_CLOSED, not executed'(stage) {
    await hangingNode(stage);
    const client = await stage.client();
    const scoped = client.key('k');
    await client.close();
    await client.close();
    for (const call of [client.requestKey('k', 'Echo'), client.notifyKey('k', 'Echo'), scoped.nodeInfo()]) {
      await expectFailure(call, 'TRANSPORT_CLOSED', 'not-executed');
    }
  },

  async 'ends the pending calls of a closed transport as TRANSPORT_CLOSED, unknown'(stage) {
    const { started } = await hangingNode(stage);
    const transport = await stage.transport();
    const client = await stage.client({ transport });
    const answer = expectFailure(client.requestKey('k', 'Hang'), 'TRANSPORT_CLOSED', 'unknown');
    await started.promise;
    await transport.close();
    await answer;
  },

  async 'refuses calls on a closed transport as TRANSPORT_CLOSED, not executed'(stage) {
    await hangingNode(stage);
    const transport = await stage.transport();
    const client = await stage.client({ transport });
    expect(await client.requestKey('k', 'Echo', 1)).toBe(1);
    await transport.close();
    await expectFailure(client.requestKey('k', 'Echo'), 'TRANSPORT_CLOSED', 'not-executed');
    await expectFailure(client.notifyKey('k', 'Echo'), 'TRANSPORT_CLOSED', 'not-executed');
    await expectFailure(stage.client({ transport }), 'TRANSPORT_CLOSED', 'not-executed');
    const node = stage.node(() => 1, { transport });
    await expectFailure(node, 'TRANSPORT_CLOSED', 'not-executed');
  },

  async 'delivers a notify that was handed over before the transport closed'(stage) {
    const handled = deferred<unknown>();
    await stage.node(({ payload }) => {
      handled.resolve(payload);
    });
    const transport = await stage.transport();
    const client = await stage.client({ transport });
    await client.notifyKey('k', 'Last', 'words');
    await transport.close();
    expect(await handled.promise).toBe('words');
  },

  async 'reports that it is connected, and to each listener once that it has closed'(stage) {
    const transport = await stage.transport();
    const [heard, removed]: [ConnectionEvent[], ConnectionEvent[]] = [[], []];
    transport.onConnection((event) => heard.push(event));
    transport.onConnection((event) => removed.push(event))();
    expect(transport.state).toBe('connected');
    await transport.close();
    await transport.close();
    expect(transport.state).toBe('closed');
    expect(heard.map(({ state }) => state)).toEqual(['closed']);
    expect(removed).toEqual([]);
  },

  async 'answers the running calls of a closing node as ABORTED, unknown, and fires their signals'(stage) {
    const { node, started } = await hangingNode(stage);
    const client = await stage.client();
    const answer = expectFailure(client.requestKey('k', 'Hang'), 'ABORTED', 'unknown');
    const signal = await started.promise;
    await node.close();
    await answer;
    expect(signal.aborted).toBe(true);
    expect([node.state, node.inFlight]).toEqual(['closed', 0]);
  },

  async 'answers everything it has accepted before it has drained'(stage) {
    const { node, started, gate } = await hangingNode(stage);
    const client = await stage.client();
    const answer = client.requestKey('k', 'Hang');
    await started.promise;
    const drained = node.drain();
    let isDrained = false;
    void drained.then(() => (isDrained = true));
    await sendRaw(await stage.link(), { shard: 0 }); // a round trip, in which a drain that did not wait would end
    expect([isDrained, node.state]).toEqual([false, 'draining']);
    gate.resolve('accepted before');
    expect(await answer).toBe('accepted before');
    await drained;
    expect(node.state).toBe('closed');
  },

  async 'drops no message that arrives while it drains: each is answered, or refused as not executed'(stage) {
    const { node, started, gate } = await hangingNode(stage);
    const [knows, stranger] = [await stage.client(), await stage.client()];
    for (let shard = 0; shard < stage.numShards; shard++) await knows.requestShard(shard, 'Echo');
    const answer = knows.requestKey('k', 'Hang');
    await started.promise;
    const drained = node.drain();
    const late = [knows, stranger].flatMap((client) =>
      Array.from({ length: 100 }, (_, i) => client.requestShard(i % stage.numShards, 'Echo', i)),
    );
    for (const [i, end] of (await Promise.allSettled(late)).entries()) {
      if (end.status === 'fulfilled') expect(end.value).toBe(i % 100);
      else expect(end.reason).toMatchObject({ outcome: 'not-executed', retryable: true });
    }
    gate.resolve('done');
    expect(await answer).toBe('done');
    await drained;
  },

  async 'answers DRAINING on its direct address while it drains, without calling the handler'(stage) {
    const { node, started, gate, types } = await hangingNode(stage);
    const client = await stage.client();
    const link = await stage.link();
    const { from } = await sendRaw(link, { shard: 3, type: 'Echo' });
    const answer = client.requestShard(3, 'Hang');
    await started.promise;
    const drained = node.drain();
    const { error } = await sendRaw(link, { shard: 3, type: 'Late' }, from);
    expectError(error, 'DRAINING', 'not-executed');
    expect(error?.retryable).toBe(true);
    gate.resolve('done');
    await Promise.all([answer, drained]);
    expect(types).toEqual(['Echo', 'Hang']);
  },

  async 'ends a drain after its grace time: calls that still run are ABORTED, unknown'(stage) {
    const clock = stage.stopTime();
    const { node, started } = await hangingNode(stage);
    const client = await stage.client();
    const answer = expectFailure(client.requestKey('k', 'Hang'), 'ABORTED', 'unknown');
    const signal = await started.promise;
    const drained = node.drain({ graceMs: 300 });
    await clock.advance(299);
    expect(signal.aborted).toBe(false);
    await clock.advance(1);
    await Promise.all([answer, drained]);
    expect(signal.aborted).toBe(true);
  },
};

/** A node that echoes, except that `Hang` waits for the gate. */
async function hangingNode(stage: Stage) {
  const types: string[] = [];
  const started = deferred<AbortSignal>();
  const gate = deferred<string>();
  const node = await stage.node(({ type, payload }, { signal }) => {
    types.push(type);
    if (type !== 'Hang') return payload;
    started.resolve(signal);
    return gate.promise;
  });
  return { node, types, started, gate };
}
