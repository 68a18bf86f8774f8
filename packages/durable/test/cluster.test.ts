import { defineActor, request } from '@clstr/actors';
import { isClstrError } from '@clstr/core';
import type { NodeInterceptor } from '@clstr/core';
import { durableState } from '@clstr/durable';
import { fakeClock, testCluster } from '@clstr/testing';
import { memoryStateStore } from '@clstr/transport-memory';
import { describe, expect, it } from 'vitest';

const Counter = defineActor('counter', {
  add: request<number, number>(),
  get: request<void, { count: number; nodeId: string }>({ readonly: true }),
});

const counter = Counter.implement({
  durable: durableState({ initial: () => ({ count: 0 }) }),
  handlers: {
    add: (state, n) => (state.count += n),
    get: ({ count }, _input, { nodeId }) => ({ count, nodeId }),
  },
});

const KEYS = Array.from({ length: 40 }, (_, index) => `key-${index}`);

/** Advances the clock until the work has ended. */
async function within<T>(clock: { advance(ms: number): Promise<unknown> }, work: Promise<T>): Promise<T> {
  const over = work.then(
    () => true,
    () => true,
  );
  while ((await Promise.race([over, clock.advance(10)])) !== true);
  return work;
}

describe('durable actors in a dynamic cluster', () => {
  it('have their state wherever they move', async () => {
    const clock = fakeClock();
    const cluster = await testCluster({ isDynamic: true, actors: [counter], numShards: 16, nodes: 2, clock });
    const all = <T>(call: (key: string) => Promise<T>): Promise<T[]> =>
      within(clock, Promise.all(KEYS.map(call)));
    await all((key) => cluster.ref(Counter, key).add(1));
    const before = await all((key) => cluster.ref(Counter, key).get());
    await cluster.join('node-3');
    await cluster.settled();
    await all((key) => cluster.ref(Counter, key).add(1));
    const after = await all((key) => cluster.ref(Counter, key).get());
    expect(after.map(({ count }) => count)).toEqual(KEYS.map(() => 2));
    expect(after.map(({ nodeId }) => nodeId)).not.toEqual(before.map(({ nodeId }) => nodeId));
    await cluster.close();
  });

  it('run keyed calls once on a node with interceptors too, whose own table of replies knows less', async () => {
    const clock = fakeClock();
    const node = { interceptors: [(request, _context, next) => next(request)] satisfies NodeInterceptor[] };
    const cluster = await testCluster({ actors: [counter], nodes: 1, clock, node });
    const pay = (): Promise<number> => cluster.ref(Counter, 'key').add(5, { idempotencyKey: 'pay-1' });
    expect(await within(clock, pay())).toBe(5);
    // By then a node has forgotten the calls of other handlers, and refuses their repeats.
    await clock.advance(300_000);
    expect(await within(clock, pay())).toBe(5);
    expect(await within(clock, cluster.ref(Counter, 'key').get())).toMatchObject({ count: 5 });
    await cluster.close();
  });

  it('refuse a turn that a former owner sent before it was replaced, however late it arrives', async () => {
    const clock = fakeClock();
    const slow = new Set<string>();
    const store = memoryStateStore({
      clock,
      policy: {
        onOperation: ({ kind, member }) => (kind === 'append' && slow.has(member) ? { request: 30_000 } : {}),
      },
    });
    const options = { isDynamic: true, actors: [counter], numShards: 4, nodes: 2, clock, store };
    const cluster = await testCluster(options);
    const ref = cluster.ref(Counter, 'key');
    await within(clock, ref.add(1));
    const former = cluster.nodeOf('key').id;
    slow.add(former);
    const late = ref.add(100, { timeoutMs: 90_000 }).catch((error: unknown) => error);
    await clock.advance(10);
    cluster.cut(former);
    await cluster.settled();
    expect(cluster.nodeOf('key').id).not.toBe(former);
    expect(await within(clock, ref.add(10))).toBe(11);
    await clock.advance(40_000);
    const error = await within(clock, late);
    expect(isClstrError(error) && error.outcome).toBe('unknown');
    expect((await within(clock, ref.get())).count).toBe(11);
    cluster.restore(former);
    await cluster.settled();
    expect((await within(clock, ref.get())).count).toBe(11);
    await cluster.close();
  });
});
