import { createNode } from '@clstr/core';
import { actorHandler, defineActor, notify, request } from '@clstr/actors';
import { testCluster } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { actorNode, answerOf, watch } from './actor-node.ts';
import { Cell, cell } from './cell.ts';
import { contextOf, requestOf } from './handler-call.ts';

describe('actorHandler', () => {
  test('runs the first snippet of the design', async () => {
    const Counter = defineActor('counter', {
      add: request({ input: z.object({ by: z.number() }), output: z.number() }),
      get: request<void, number>({ readonly: true }),
      reset: notify<{ reason: string }>(),
    });
    const counter = Counter.implement({
      setup: async () => ({ value: 0 }),
      handlers: {
        add: (state, { by }) => (state.value += by),
        get: (state) => state.value,
        reset: (state, { reason }, ctx) => {
          ctx.log.info({ reason });
          state.value = 0;
        },
      },
    });
    const node = await actorNode([counter]);
    const ref = node.ref(Counter, 'user-123');
    expect(await ref.add({ by: 2 })).toBe(2);
    expect(await ref.add({ by: 3 })).toBe(5);
    await ref.reset({ reason: 'new day' });
    expect(await ref.get()).toBe(0);
    expect(node.lines).toEqual([
      {
        level: 'info',
        fields: { actor: 'counter', key: 'user-123', reason: 'new day' },
        message: undefined,
      },
    ]);
  });

  test.each(['constructor', '__proto__', 'then', 'toString', 'Write', 'setup', 'write.x', ''])(
    'answers UNKNOWN_TYPE, not executed, for the method %j',
    async (method) => {
      const script = cell();
      const node = await actorNode([script.actor]);
      expect(await answerOf(node.client.requestKey('k', `cell.${method}`))).toEqual({
        code: 'UNKNOWN_TYPE',
        outcome: 'not-executed',
        message: `no actor on this node has a method "cell.${method}"`,
      });
      expect(script.setups).toBe(0);
    },
  );

  test('answers UNKNOWN_TYPE for an actor that this node does not have', async () => {
    const node = await actorNode([cell().actor]);
    for (const type of ['other.write', 'cell', 'write', '__proto__.write', 'constructor']) {
      expect(await answerOf(node.client.requestKey('k', type))).toMatchObject({ code: 'UNKNOWN_TYPE' });
    }
  });

  test('answers MISSING_KEY_HEADER, not executed, for a message to a shard', async () => {
    const node = await actorNode([cell().actor]);
    expect(await answerOf(node.client.requestShard(0, 'cell.write', 'x'))).toEqual({
      code: 'MISSING_KEY_HEADER',
      outcome: 'not-executed',
      message: 'message "cell.write" has no key, which an actor needs',
    });
  });

  test('leaves keys of 10 kB to the client, which refuses them before they travel', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const answers = await Promise.all(
      ['k'.repeat(10_000), ''].map((key) => answerOf(node.ref(Cell, key).write('x'))),
    );
    expect(answers).toMatchObject([
      { code: 'INVALID_ENVELOPE', outcome: 'not-executed' },
      { code: 'KEY_REQUIRED', outcome: 'not-executed' },
    ]);
    expect(script.setups).toBe(0);
  });

  test('keeps keys apart that look like names of an object', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    for (const key of ['__proto__', 'constructor', 'toString', '__proto__ ']) {
      await node.ref(Cell, key).write(key);
      expect(script.state().written).toEqual([key]);
    }
    expect(node.active.get('cell')).toBe(4);
  });

  test('hosts several types of actors', async () => {
    const One = defineActor('one', { hi: request<void, string>() });
    const Two = defineActor('two', { hi: request<void, string>() });
    const node = await actorNode([
      One.implement({ setup: () => null, handlers: { hi: () => 'one' } }),
      Two.implement({ setup: () => null, handlers: { hi: () => 'two' } }),
    ]);
    expect([await node.ref(One, 'k').hi(), await node.ref(Two, 'k').hi()]).toEqual(['one', 'two']);
  });

  test('runs notifies, whose callers get no error', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    script.break('a', new Error('boom'));
    const ref = node.ref(Cell, 'k');
    await ref.tell('a');
    await ref.tell('b');
    await node.settled();
    expect(script.state().written).toEqual(['b']);
    expect(script.context('b').isNotify).toBe(true);
  });

  test('refuses messages after close as DRAINING, not executed', async () => {
    const script = cell();
    const handler = actorHandler([script.actor]);
    await handler(requestOf('k', { type: 'cell.write', payload: 'a' }), contextOf());
    await handler.close();
    expect(() => handler(requestOf('k', { type: 'cell.write' }), contextOf())).toThrow(
      expect.objectContaining({
        code: 'DRAINING',
        outcome: 'not-executed',
        message: 'node node-1 is shutting down',
      }),
    );
    expect(script.events.slice(-2)).toEqual(['+passivate', '-passivate']);
  });

  test('closes once, however often it is asked to', async () => {
    const script = cell();
    const handler = actorHandler([script.actor]);
    await handler(requestOf('k', { type: 'cell.write', payload: 'a' }), contextOf());
    await Promise.all([handler.close(), handler[Symbol.asyncDispose](), handler.close()]);
    expect(script.events.filter((event) => event === '+passivate')).toHaveLength(1);
  });

  test('closed without a node still runs what it has accepted', async () => {
    const script = cell();
    const handler = actorHandler([script.actor]);
    const gate = script.hold('setup');
    const calls = watch(
      ['a', 'b'].map(
        (payload) =>
          handler(requestOf('k', { type: 'cell.write', payload }), contextOf()) as Promise<unknown>,
      ),
    );
    const closing = handler.close();
    gate.resolve();
    await closing;
    expect(calls).toEqual([{ value: 'a' }, { value: 'b' }]);
    expect(script.events.slice(-1)).toEqual(['-passivate']);
  });

  test('closed without a node refuses what waits behind a setup that hangs, as DRAINING', async () => {
    const node = await actorNode([cell().actor]);
    const script = cell();
    const handler = actorHandler([script.actor], { clock: node.clock });
    script.hold('setup');
    const context = contextOf();
    const call = answerOf(
      handler(requestOf('k', { type: 'cell.write', payload: 'a' }), context) as Promise<unknown>,
    );
    const closing = handler.close();
    await node.clock.advance(2_000);
    await closing;
    expect(await call).toMatchObject({ code: 'DRAINING', outcome: 'not-executed' });
    expect(context.onAbort).toBeUndefined();
  });
});

describe('a drain under load', () => {
  test('answers every accepted message, refuses the rest as DRAINING, and passivates each live actor', async () => {
    const live = new Set<string>();
    const executed = new Set<string>();
    const passivated: string[] = [];
    let running = 0;
    const Slow = defineActor('slow', { work: request<string, string>() });
    const slow = Slow.implement({
      setup: (ctx) => void live.add(ctx.key),
      handlers: {
        work: async (_state, id) => {
          running++;
          await new Promise((resolve) => setImmediate(resolve));
          running--;
          executed.add(id);
          return id;
        },
      },
      passivate: async (_state, { key, reason }) => {
        await new Promise((resolve) => setImmediate(resolve));
        live.delete(key);
        passivated.push(`${key} ${reason}`);
      },
    });
    const handler = actorHandler([slow], { cacheSize: 500 });
    const cluster = await testCluster({ nodes: 1, handler });
    const ref = (i: number) => Slow.ref(cluster.client, `key-${i % 100}`);
    const calls: Promise<unknown>[] = [];
    const load = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const id = String(calls.length);
        calls.push(answerOf(ref(calls.length).work(id)));
      }
    };
    load(1_000);
    await calls[10];
    load(1_000);
    expect(cluster.nodes[0]!.inFlight).toBeGreaterThan(0);
    const draining = cluster.nodes[0]!.drain();
    load(500);
    await draining;
    load(10);
    const answers = (await Promise.all(calls)) as ({ value: string } | { code: string; outcome: string })[];
    const refused = answers.filter((answer) => 'code' in answer);
    answers.forEach((answer, i) => {
      if ('value' in answer) expect(answer.value).toBe(String(i));
      expect(executed.has(String(i))).toBe('value' in answer);
    });
    // The first batch had arrived, with a message for each key.
    expect(answers.slice(0, 100).every((answer) => 'value' in answer)).toBe(true);
    expect(refused.length).toBeGreaterThanOrEqual(500);
    for (const { code, outcome } of refused) {
      expect(['DRAINING', 'NO_SUBSCRIBER']).toContain(code);
      expect(outcome).toBe('not-executed');
    }
    expect(refused.some(({ code }) => code === 'DRAINING')).toBe(true);
    expect(running).toBe(0);
    expect(live.size).toBe(0);
    expect(new Set(passivated).size).toBe(passivated.length);
    expect(passivated).toHaveLength(100);
    await cluster.close();
  });

  test('leaves no timer behind', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    for (const key of ['a', 'b']) await node.ref(Cell, key).write('x');
    script.context('x').every(100, () => undefined);
    script.context('x').after(1e6, () => undefined);
    script.break('passivate', new Error('no database'));
    script.context('x').passivate();
    await node.settled();
    await node.drain();
    // What is left belongs to the client and the node: the next tick of their deadline wheels.
    await node.clock.advance(50);
    expect(node.clock.timerCount).toBe(0);
  });
});

test('a node closes the handler that it was given', async () => {
  const script = cell();
  const handler = actorHandler([script.actor]);
  const cluster = await testCluster({ nodes: 1, handler: () => 1 });
  const node = createNode({ transport: cluster.transport, shards: [], handler });
  await node.start();
  await handler(requestOf('k', { type: 'cell.write', payload: 'a' }), contextOf());
  await node.close();
  expect(script.events.slice(-1)).toEqual(['-passivate']);
  await cluster.close();
});
