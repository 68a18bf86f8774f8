import { defineActor, request } from '@clstr/actors';
import { isClstrError } from '@clstr/core';
import type { ClstrError } from '@clstr/core';
import { durableState, eventSourced } from '@clstr/durable';
import { fakeClock, testActor } from '@clstr/testing';
import type { OperationEffect } from '@clstr/transport-memory/internal';
import { memoryStateStore } from '@clstr/transport-memory';
import { describe, expect, it } from 'vitest';

const Counter = defineActor('counter', {
  add: request<number, number>(),
  get: request<void, number>({ readonly: true }),
});

const kinds = {
  durableState: Counter.implement({
    durable: durableState({ initial: () => ({ count: 0 }) }),
    handlers: { add: (state, n) => (state.count += n), get: ({ count }) => count },
  }),
  eventSourced: Counter.implement({
    durable: eventSourced({
      initial: () => ({ count: 0 }),
      events: { added: ({ count }, n: number) => ({ count: count + n }) },
      snapshotEvery: 3,
    }),
    handlers: { add: (_state, n, ctx) => ctx.emit('added', n).count, get: ({ count }) => count },
  }),
};

describe.each(Object.entries(kinds))('two owners of one key of %s', (_name, counter) => {
  it('end with one history: what the earlier one did later is refused, and it begins anew', async () => {
    const store = memoryStateStore();
    const earlier = testActor(Counter, counter, { store });
    const later = testActor(Counter, counter, { store });
    expect(await earlier.call.add(1)).toBe(1);
    expect(await later.call.add(10)).toBe(11);
    await expect(earlier.call.add(100)).rejects.toSatisfy(
      (error) =>
        isClstrError(error, 'FENCED') && error.outcome === 'unknown' && error.details?.['stored'] === false,
    );
    expect(await later.call.add(10)).toBe(21);
    expect(await earlier.call.get()).toBe(21);
  });

  it('cannot both read: the first read of an owner is stored', async () => {
    const store = memoryStateStore();
    const earlier = testActor(Counter, counter, { store });
    const later = testActor(Counter, counter, { store });
    await earlier.call.add(1);
    expect(await later.call.get()).toBe(1);
    await expect(earlier.call.add(100)).rejects.toSatisfy((error) => isClstrError(error, 'FENCED'));
    expect(await later.call.get()).toBe(1);
  });
});

/** A store on a fake clock; `fate` decides each append. */
function worldWith(fate: (append: number) => OperationEffect) {
  const clock = fakeClock();
  let appends = 0;
  const store = memoryStateStore({
    clock,
    policy: { onOperation: ({ kind }) => (kind === 'append' ? fate(++appends) : {}) },
  });
  return { store, clock };
}

describe.each(Object.entries(kinds))('a write of %s whose answer does not come', (_name, counter) => {
  it('is found in the store, and counts once', async () => {
    const world = worldWith((append) => (append === 2 ? { answer: 'lost' } : {}));
    const actor = testActor(Counter, counter, world);
    expect(await actor.call.add(1)).toBe(1);
    const second = actor.call.add(1, { timeoutMs: 60_000 });
    await world.clock.advance(3_000);
    expect(await second).toBe(2);
    actor.restart();
    expect(await actor.call.get()).toBe(2);
  });

  it('is repeated if it never arrived', async () => {
    const world = worldWith((append) => (append === 2 ? { request: 'lost' } : {}));
    const actor = testActor(Counter, counter, world);
    await actor.call.add(1);
    const second = actor.call.add(1, { timeoutMs: 60_000 });
    await world.clock.advance(3_000);
    expect(await second).toBe(2);
    expect(await actor.call.get()).toBe(2);
  });

  it('counts once if it arrives after its repetition', async () => {
    const world = worldWith((append) => (append === 2 ? { request: 4_000 } : {}));
    const actor = testActor(Counter, counter, world);
    await actor.call.add(1);
    const second = actor.call.add(1, { timeoutMs: 60_000 });
    await world.clock.advance(10_000);
    expect(await second).toBe(2);
    expect(await actor.call.add(1)).toBe(3);
    actor.restart();
    expect(await actor.call.get()).toBe(3);
  });

  it('ends as UNAVAILABLE, outcome unknown, when the store stays away; turns behind it are not stored', async () => {
    let isAway = false;
    const world = worldWith(() => (isAway ? { request: 'lost' } : {}));
    const actor = testActor(Counter, counter, world);
    await actor.call.add(1);
    isAway = true;
    const options = { timeoutMs: 60_000 };
    const calls = [
      actor.call.add(1, options),
      actor.call.add(1, options),
      actor.call.get(undefined, options),
    ];
    const ended = Promise.allSettled(calls);
    await world.clock.advance(20_000);
    for (const result of await ended) {
      expect(result.status).toBe('rejected');
      const { code, outcome } = (result as PromiseRejectedResult).reason as ClstrError;
      expect([code, outcome]).toEqual(['UNAVAILABLE', 'unknown']);
    }
    isAway = false;
    expect(await actor.call.get()).toBe(1);
  });

  it('cannot take effect once the next activation has read, however late it arrives', async () => {
    let isAway = false;
    const world = worldWith((append) =>
      append === 2 ? { request: 30_000 } : isAway ? { request: 'lost' } : {},
    );
    const actor = testActor(Counter, counter, world);
    await actor.call.add(1);
    isAway = true;
    const lost = actor.call.add(1, { timeoutMs: 60_000 }).catch((error: unknown) => error);
    await world.clock.advance(20_000);
    expect(isClstrError(await lost, 'UNAVAILABLE')).toBe(true);
    isAway = false;
    // The node knows that it lost sight of a write, so that its next read is one that is stored.
    expect(await actor.call.get()).toBe(1);
    await world.clock.advance(30_000);
    expect(await actor.call.get()).toBe(1);
    expect(await actor.call.add(5)).toBe(6);
  });
});
