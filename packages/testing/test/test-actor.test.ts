import { defineActor, notify, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { ActorError, ClstrError } from '@clstr/core';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { deferred } from '../src/deferred.ts';
import { fakeClock } from '../src/fake-clock.ts';
import { fakeRef } from '../src/fake-ref.ts';
import { testActor } from '../src/test-actor.ts';
import type { TestActorOptions } from '../src/test-actor.ts';

const Counter = defineActor('counter', {
  add: request<{ by: number }, number>(),
  addLater: request<{ by: number; gate: number }, number>(),
  get: request<void, number>({ readonly: true }),
  reset: notify<{ reason: string }>(),
});

const Other = defineActor('other', {
  double: request<{ value: number }, number>(),
  tell: notify<string>(),
});

/** A counter over a map that outlives it, with gates for its slow additions. */
function createCounter() {
  const saved = new Map<string, number>();
  const gates = [deferred(), deferred()];
  const events: string[] = [];
  const actor = Counter.implement({
    setup: ({ key }) => {
      events.push(`setup ${key}`);
      return { value: saved.get(key) ?? 0 };
    },
    handlers: {
      add: (state, { by }) => (state.value += by),
      async addLater(state, { by, gate }) {
        events.push(`begin ${by}`);
        await gates[gate]!.promise;
        events.push(`end ${by}`);
        return (state.value += by);
      },
      get: (state) => state.value,
      reset: (state, { reason }, { log }) => {
        log.info({ reason }, 'reset');
        state.value = 0;
      },
    },
    passivate: (state, { key, reason }) => {
      events.push(`passivate ${key} ${reason}`);
      saved.set(key, state.value);
    },
    discard: (_state, { reason }) => events.push(`discard ${reason}`),
  });
  return { actor, saved, gates, events };
}

describe('a call', () => {
  test('runs the handler, typed by the contract', async () => {
    const t = testActor(Counter, createCounter().actor, { key: 'apples' });
    const sum = await t.call.add({ by: 2 });
    expectTypeOf(sum).toEqualTypeOf<number>();
    expect(sum).toBe(2);
    expect(await t.call.add({ by: 3 })).toBe(5);
    expect(t.state()).toEqual({ value: 5 });
    await t.call.reset({ reason: 'why not' });
    expect(await t.call.get()).toBe(0);
    expectTypeOf(t.call.add).parameter(0).toEqualTypeOf<{ by: number }>();
    expectTypeOf(t.call).not.toHaveProperty('subtract');
  });

  test('has no state before the first call', async () => {
    const { actor, events } = createCounter();
    const t = testActor(Counter, actor);
    expect(t.state()).toBeUndefined();
    expect(events).toEqual([]);
    await t.call.get();
    expect(t.state()).toEqual({ value: 0 });
    expect(events).toEqual(['setup test']);
  });

  test('gives the context of a node: key, headers, services, node id, time', async () => {
    const Probe = defineActor('probe', { look: request<void, unknown>(), told: notify() });
    const told = deferred<unknown>();
    const probe = Probe.implement({
      setup: () => null,
      handlers: {
        look(_state, _input, ctx) {
          const { key, headers, services, nodeId, isNotify, actor } = ctx;
          return { key, headers, services, nodeId, isNotify, actor, remainingMs: ctx.remainingMs() };
        },
        told: (_state, _input, { isNotify }) => told.resolve(isNotify),
      },
    });
    const t = testActor(Probe, probe, { key: 'k', services: { db: 'a database' } });
    const looked = await t.call.look(undefined, { headers: { from: 'me' }, timeoutMs: 700 });
    expect(looked).toEqual({
      key: 'k',
      headers: { from: 'me' },
      services: { db: 'a database' },
      nodeId: 'test-node',
      isNotify: false,
      actor: 'probe',
      remainingMs: 700,
    });
    await t.call.told();
    expect(await told.promise).toBe(true);
  });

  test('fails with the very error that the handler threw, and so does a notify', async () => {
    const Failing = defineActor('failing', { boom: request(), refuse: request(), drop: notify() });
    const boom = new TypeError('boom');
    const failing = Failing.implement({
      setup: () => null,
      handlers: {
        boom() {
          throw boom;
        },
        refuse: () => Promise.reject(new ActorError('NOT_TODAY', 'come back tomorrow')),
        drop() {
          throw boom;
        },
      },
    });
    const t = testActor(Failing, failing);
    await expect(t.call.boom()).rejects.toBe(boom);
    await expect(t.call.refuse()).rejects.toMatchObject({ actorCode: 'NOT_TODAY' });
    await expect(t.call.drop()).rejects.toBe(boom);
  });

  test('carries input and output as a bus would', async () => {
    const Echo = defineActor('echo', { echo: request<unknown, unknown>() });
    const seen: unknown[] = [];
    const echo = Echo.implement({
      setup: () => null,
      handlers: {
        echo(_state, input) {
          seen.push(input);
          return input === 'function' ? () => 1 : input;
        },
      },
    });
    const t = testActor(Echo, echo);
    const input = { at: new Date(0), none: undefined };
    expect(await t.call.echo(input)).toEqual({ at: '1970-01-01T00:00:00.000Z' });
    expect(seen[0]).not.toBe(input);
    expect(await t.call.echo(new Uint8Array([1, 2]))).toEqual(new Uint8Array([1, 2]));
    expect(await t.call.echo()).toBeUndefined();
    await expect(t.call.echo(() => 1)).rejects.toMatchObject({
      code: 'INVALID_ENVELOPE',
      message: 'the input of echo.echo has no JSON form',
    });
    await expect(t.call.echo('function')).rejects.toMatchObject({
      code: 'INVALID_ENVELOPE',
      message: 'the output of echo.echo has no JSON form',
    });
  });

  test('ends at its deadline, and fires the signal of a handler that runs', async () => {
    const Slow = defineActor('slow', { hang: request() });
    const signals: AbortSignal[] = [];
    const slow = Slow.implement({
      setup: () => null,
      handlers: {
        hang: (_state, _input, { signal }) => {
          signals.push(signal);
          return new Promise(() => undefined);
        },
      },
    });
    const t = testActor(Slow, slow);
    const running = expect(t.call.hang()).rejects.toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
    const behind = expect(t.call.hang(undefined, { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'ENVELOPE_EXPIRED',
      outcome: 'not-executed',
    });
    await t.clock.advance(1_000);
    await behind;
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await t.clock.advance(4_000);
    await running;
    expect(signals[0]!.reason).toMatchObject({ code: 'HANDLER_TIMEOUT' });
    expect(t.clock.timerCount).toBe(1); // the host's own, for idle actors
  });

  test('ends when its caller gives up', async () => {
    const { actor } = createCounter();
    const t = testActor(Counter, actor);
    const stop = new AbortController();
    const call = t.call.addLater({ by: 1, gate: 0 }, { signal: stop.signal });
    const waiting = t.call.add({ by: 1 }, { signal: stop.signal });
    stop.abort();
    await expect(call).rejects.toMatchObject({ code: 'ABORTED', outcome: 'unknown' });
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
    await expect(t.call.add({ by: 1 }, { signal: stop.signal })).rejects.toMatchObject({
      code: 'ABORTED',
      outcome: 'not-executed',
    });
  });
});

describe('by step', () => {
  test('one step delivers exactly one call to the actor', async () => {
    const t = testActor(Counter, createCounter().actor, { delivery: 'by-step' });
    const first = t.call.add({ by: 1 });
    const second = t.call.add({ by: 10 });
    expect(t.waiting).toBe(2);
    expect(t.state()).toBeUndefined();
    expect(await t.step()).toBe(true);
    expect(await first).toBe(1);
    expect(t.state()).toEqual({ value: 1 });
    expect(t.waiting).toBe(1);
    expect(await t.step()).toBe(true);
    expect(await second).toBe(11);
    expect(await t.step()).toBe(false);
  });

  test('shows what waits behind a handler that runs', async () => {
    const { actor, gates, events } = createCounter();
    const t = testActor(Counter, actor, { delivery: 'by-step' });
    const calls = [t.call.addLater({ by: 1, gate: 0 }), t.call.addLater({ by: 10, gate: 1 }), t.call.get()];
    await t.step();
    await t.step();
    await t.step();
    expect(events).toEqual(['setup test', 'begin 1']);
    gates[0]!.resolve();
    expect(await calls[0]).toBe(1);
    await t.step();
    expect(events).toEqual(['setup test', 'begin 1', 'end 1', 'begin 10']);
    gates[1]!.resolve();
    expect(await Promise.all(calls)).toEqual([1, 11, 11]);
  });

  test('run delivers all waiting calls, and those that arrive meanwhile', async () => {
    const { actor } = createCounter();
    const t = testActor(Counter, actor, { delivery: 'by-step' });
    const sums: number[] = [];
    const chain = t.call.add({ by: 1 }).then(async (sum) => {
      sums.push(sum, await t.call.add({ by: sum }));
    });
    await t.run();
    await chain;
    expect(sums).toEqual([1, 2]);
    expect(t.waiting).toBe(0);
  });

  test('a call that ended while it waited never reaches the actor', async () => {
    const { actor, events } = createCounter();
    const t = testActor(Counter, actor, { delivery: 'by-step' });
    const late = t.call.add({ by: 1 }, { timeoutMs: 10 });
    const failed = expect(late).rejects.toMatchObject({ code: 'TIMEOUT', outcome: 'not-executed' });
    await t.clock.advance(10);
    await failed;
    expect(t.waiting).toBe(0);
    expect(await t.step()).toBe(false);
    expect(events).toEqual([]);
  });
});

describe('other actors', () => {
  const Asking = defineActor('asking', {
    ask: request<{ of: string; value: number }, number>(),
    tell: request<{ of: string; text: string }, string>(),
  });
  const asking = Asking.implement({
    setup: () => null,
    handlers: {
      ask: (_state, { of, value }, ctx) => ctx.ref(Other, of).double({ value }, { timeoutMs: 1_000 }),
      async tell(_state, { of, text }, ctx) {
        await ctx.ref(Other, of).tell(text);
        return 'told';
      },
    },
  });

  test('answer as their fakes do, and every call is kept', async () => {
    const t = testActor(Asking, asking, {
      refs: [
        fakeRef(Other, {
          double: ({ value }, { key }) => {
            expectTypeOf(value).toEqualTypeOf<number>();
            return key === 'liar' ? 0 : 2 * value;
          },
        }),
      ],
    });
    expect(await t.call.ask({ of: 'honest', value: 4 })).toBe(8);
    expect(await t.call.ask({ of: 'liar', value: 4 })).toBe(0);
    expect(t.sent).toMatchObject([
      { actor: 'other', key: 'honest', method: 'double', input: { value: 4 }, isNotify: false },
      { actor: 'other', key: 'liar', options: { timeoutMs: 1_000, callChain: ['asking/test'] } },
    ]);
  });

  test('are found by the type of their messages, whatever it is', async () => {
    const Renamed = defineActor('renamed', {
      go: request<number, number>({ type: 'github.com/acme/app.Go' }),
      tell: notify({ type: 'github.com/acme/app.Tell' }),
    });
    const caller = Renamed.implement({
      setup: () => null,
      handlers: {
        async go(_state, value, ctx) {
          await ctx.ref(Renamed, ctx.key).tell();
          return ctx.ref(Renamed, 'other').go(value);
        },
        tell: (_state, _input, ctx) => ctx.log.info({}, 'told'),
      },
    });
    const t = testActor(Renamed, caller, { refs: [fakeRef(Renamed, { go: (value) => 2 * value })] });
    expect(await t.call.go(4)).toBe(8);
    expect(t.sent).toMatchObject([{ actor: 'renamed', key: 'other', method: 'go' }]);
    expect(t.logged).toMatchObject([{ message: 'told' }]);
  });

  test('are typed by their contract', () => {
    // @ts-expect-error -- a double is a number
    const wrong = fakeRef(Other, { double: () => 'two' });
    // @ts-expect-error -- no such method
    const unknown = fakeRef(Other, { triple: () => 3 });
    expect([wrong.actor, unknown.actor]).toEqual(['other', 'other']);
  });

  test('without a fake refuse a request, saying what is missing, and take a notify', async () => {
    const t = testActor(Asking, asking);
    await expect(t.call.ask({ of: 'x', value: 1 })).rejects.toMatchObject({
      code: 'NO_SUBSCRIBER',
      message: 'testActor has no fake for other.double: refs: [fakeRef(…, { double: … })]',
    });
    expect(await t.call.tell({ of: 'x', text: 'hello' })).toBe('told');
    expect(t.sent[1]).toMatchObject({ key: 'x', method: 'tell', input: 'hello', isNotify: true });
  });

  test('receive a notify if they have a fake for it, whose failure does not reach the actor', async () => {
    const heard: string[] = [];
    const tell = (text: string): void => {
      heard.push(text);
      throw new Error('deaf');
    };
    const t = testActor(Asking, asking, { refs: [fakeRef(Other, { tell })] });
    expect(await t.call.tell({ of: 'x', text: 'hello' })).toBe('told');
    expect(heard).toEqual(['hello']);
  });

  test.each([
    [new ActorError('POOR', 'no money'), { code: 'ACTOR_ERROR', actorCode: 'POOR' }],
    [new ClstrError('OVERLOADED', 'full'), { code: 'OVERLOADED' }],
    [new Error('oops'), { code: 'INTERNAL', message: 'the fake of other.double threw: Error: oops' }],
  ])('fail with %s as they would over a bus', async (error, expected) => {
    const double = (): never => {
      throw error;
    };
    const t = testActor(Asking, asking, { refs: [fakeRef(Other, { double })] });
    await expect(t.call.ask({ of: 'x', value: 1 })).rejects.toMatchObject(expected);
  });

  test('that never answer run into the time limit, or into the end of the call', async () => {
    const double = (): Promise<number> => new Promise(() => undefined);
    const t = testActor(Asking, asking, { refs: [fakeRef(Other, { double })] });
    const late = expect(t.call.ask({ of: 'x', value: 1 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    await t.clock.advance(1_000);
    await late;
    const stop = new AbortController();
    const aborted = t.call.ask({ of: 'x', value: 1 }, { signal: stop.signal });
    stop.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await t.call.tell({ of: 'x', text: 'free again' })).toBe('told');
  });

  test('a notify to itself comes back as a message of its own, in a later turn', async () => {
    const Self = defineActor('self', { start: request<void, string[]>(), next: notify<number>() });
    const order: string[] = [];
    const self = Self.implement({
      setup: () => null,
      handlers: {
        async start(_state, _input, ctx) {
          order.push('start');
          await ctx.ref(Self, ctx.key).next(1);
          order.push('started');
          return order;
        },
        next(_state, count, ctx) {
          order.push(`next ${count}`);
          if (count === 3) throw new Error('enough');
          void ctx.ref(Self, ctx.key).next(count + 1);
          order.push(`end of ${count}`);
        },
      },
    });
    const t = testActor(Self, self, { delivery: 'by-step' });
    const started = t.call.start();
    await t.step();
    await started;
    expect(order).toEqual(['start', 'started']);
    expect(t.waiting).toBe(1);
    await t.run();
    expect(order.slice(2)).toEqual(['next 1', 'end of 1', 'next 2', 'end of 2', 'next 3']);
    expect(t.logged).toMatchObject([{ level: 'error', message: 'the notify self.next to itself failed' }]);
    expect(t.sent).toEqual([]);
  });

  test('a request to itself is a cycle', async () => {
    const Loop = defineActor('loop', { go: request() });
    const loop = Loop.implement({
      setup: () => null,
      handlers: { go: (_state, _input, ctx) => ctx.ref(Loop, ctx.key).go() },
    });
    await expect(testActor(Loop, loop).call.go()).rejects.toMatchObject({ code: 'CALL_CYCLE' });
  });
});

describe('time', () => {
  const Ticking = defineActor('ticking', { start: request(), ticks: request<void, number>() });

  function createTicking() {
    const ends: string[] = [];
    const actor = Ticking.implement({
      setup: () => ({ ticks: 0 }),
      handlers: {
        start(state, _input, ctx) {
          ctx.every(1_000, () => {
            if (++state.ticks === 2) throw new Error('tick two');
          });
        },
        ticks: (state) => state.ticks,
      },
      passivate: (_state, { reason }) => ends.push(reason),
      idleMs: 10_000,
    });
    return { actor, ends };
  }

  test('moves by hand: timers fire, and a failing one is logged', async () => {
    const clock = fakeClock();
    const t = testActor(Ticking, createTicking().actor, { clock });
    expect(t.clock).toBe(clock);
    await t.call.start();
    await clock.advance(3_500);
    expect(await t.call.ticks()).toBe(3);
    expect(t.logged).toMatchObject([
      { level: 'error', fields: { err: new Error('tick two'), actor: 'ticking', key: 'test' } },
    ]);
  });

  test('makes an actor that has nothing to do passivate', async () => {
    const { actor, ends } = createTicking();
    const t = testActor(Ticking, actor);
    await t.call.ticks();
    await t.clock.advance(9_999);
    expect(ends).toEqual([]);
    await t.clock.advance(5_000);
    expect(ends).toEqual(['idle']);
    expect(t.state()).toBeUndefined();
  });
});

describe('passivate', () => {
  test.each(['idle', 'evicted', 'drain'] as const)('%s: saves, leaves, and starts anew', async (reason) => {
    const { actor, saved, events } = createCounter();
    const t = testActor(Counter, actor, { key: 'apples' });
    await t.call.add({ by: 5 });
    await t.passivate(reason);
    expect(events).toEqual(['setup apples', `passivate apples ${reason}`]);
    expect(saved).toEqual(new Map([['apples', 5]]));
    expect(t.state()).toBeUndefined();
    expect(await t.call.add({ by: 1 })).toBe(6);
    await t.passivate(reason);
    expect(events.slice(2)).toEqual(['setup apples', `passivate apples ${reason}`]);
  });

  test('is idle by default, and does nothing to an actor that is not in memory', async () => {
    const { actor, events } = createCounter();
    const t = testActor(Counter, actor);
    await t.passivate();
    await t.passivate('evicted');
    await t.passivate('drain');
    expect(events).toEqual([]);
    await t.call.get();
    await t.passivate();
    await t.passivate();
    expect(events).toEqual(['setup test', 'passivate test idle']);
  });

  test('idle waits for what the actor has to do', async () => {
    const { actor, gates, events, saved } = createCounter();
    const t = testActor(Counter, actor);
    const calls = [t.call.addLater({ by: 1, gate: 0 }), t.call.add({ by: 1 })];
    const passivated = t.passivate();
    calls.push(t.call.add({ by: 1 }));
    gates[0]!.resolve();
    await passivated;
    expect(await Promise.all(calls)).toEqual([1, 2, 3]);
    expect(events).toEqual(['setup test', 'begin 1', 'end 1', 'passivate test idle']);
    expect(saved.get('test')).toBe(3);
  });

  test('evicted takes an idle actor only', async () => {
    const { actor, gates } = createCounter();
    const t = testActor(Counter, actor);
    const call = t.call.addLater({ by: 1, gate: 0 });
    await expect(t.passivate('evicted')).rejects.toMatchObject({ code: 'OVERLOADED' });
    gates[0]!.resolve();
    expect(await call).toBe(1);
  });

  test('drain waits two seconds for what runs, then discards it', async () => {
    const { actor, gates, events } = createCounter();
    const t = testActor(Counter, actor);
    const call = t.call.addLater({ by: 1, gate: 0 });
    const drained = t.passivate('drain');
    await t.clock.advance(2_000);
    await drained;
    expect(events).toEqual(['setup test', 'begin 1', 'discard failed']);
    gates[0]!.resolve();
    expect(await call).toBe(1);
    expect(await t.call.get()).toBe(0);
  });

  test.each(['idle', 'evicted'] as const)(
    '%s: fails as passivate did, which keeps the actor',
    async (reason) => {
      const Sticky = defineActor('sticky', { add: request<void, number>() });
      let isBroken = true;
      const sticky = Sticky.implement({
        setup: () => ({ value: 0 }),
        handlers: { add: (state) => ++state.value },
        passivate() {
          if (isBroken) throw new Error('disk full');
        },
      });
      const t = testActor(Sticky, sticky);
      await t.call.add();
      await expect(t.passivate(reason)).rejects.toThrow('disk full');
      expect(await t.call.add()).toBe(2);
      isBroken = false;
      await t.clock.advance(100);
      await t.passivate(reason);
      expect(await t.call.add()).toBe(1);
    },
  );

  test('drain: fails as passivate did, and the actor is gone all the same', async () => {
    const Lost = defineActor('lost', { add: request<void, number>() });
    const lost = Lost.implement({
      setup: () => ({ value: 0 }),
      handlers: { add: (state) => ++state.value },
      passivate: () => Promise.reject(new Error('disk full')),
    });
    const t = testActor(Lost, lost);
    await t.call.add();
    await expect(t.passivate('drain')).rejects.toThrow('disk full');
    expect(await t.call.add()).toBe(1);
  });

  test('fails when passivate takes longer than its limit', async () => {
    const Stuck = defineActor('stuck', { add: request<void, number>() });
    const stuck = Stuck.implement({
      setup: () => ({ value: 0 }),
      handlers: { add: (state) => ++state.value },
      passivate: () => new Promise(() => undefined),
    });
    const t = testActor(Stuck, stuck);
    await t.call.add();
    const passivated = expect(t.passivate()).rejects.toMatchObject({ code: 'HANDLER_TIMEOUT' });
    await t.clock.advance(2_000);
    await passivated;
    expect(await t.call.add()).toBe(2);
  });

  test('of an actor whose setup fails ends without it', async () => {
    const Broken = defineActor('broken', { go: request() });
    const gate = deferred();
    const broken = Broken.implement({
      setup: async () => {
        await gate.promise;
        throw new Error('no database');
      },
      handlers: { go: () => undefined },
    });
    const t = testActor(Broken, broken);
    const call = t.call.go();
    const passivated = t.passivate();
    gate.resolve();
    await expect(call).rejects.toThrow('no database');
    await passivated;
    expect(t.state()).toBeUndefined();
  });
});

describe('restart', () => {
  test('loses what is in memory, and calls neither passivate nor discard', async () => {
    const { actor, events } = createCounter();
    const t = testActor(Counter, actor);
    await t.call.add({ by: 5 });
    await t.passivate();
    await t.call.add({ by: 1 });
    t.restart();
    expect(t.state()).toBeUndefined();
    expect(await t.call.get()).toBe(5);
    expect(events).toEqual(['setup test', 'passivate test idle', 'setup test', 'setup test']);
  });

  test('fails what had reached the actor, and keeps what waits for a step', async () => {
    const { actor, gates, events } = createCounter();
    const t = testActor(Counter, actor, { delivery: 'by-step' });
    const running = t.call.addLater({ by: 1, gate: 0 });
    const inMailbox = t.call.add({ by: 10 });
    await t.step();
    await t.step();
    const onTheBus = t.call.add({ by: 100 });
    t.restart();
    await expect(running).rejects.toMatchObject({ code: 'ABORTED', outcome: 'unknown' });
    await expect(inMailbox).rejects.toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
    gates[0]!.resolve();
    await t.step();
    expect(await onTheBus).toBe(100);
    expect(events).toEqual(['setup test', 'begin 1', 'setup test', 'end 1']);
    expect(t.state()).toEqual({ value: 100 });
  });

  test('stops the timers and the calls of the previous life', async () => {
    const Zombie = defineActor('zombie', { haunt: request() });
    const gate = deferred();
    const ended = deferred<unknown>();
    let ticks = 0;
    const zombie = Zombie.implement({
      setup: () => null,
      handlers: {
        async haunt(_state, _input, ctx) {
          ctx.every(100, () => ticks++);
          await gate.promise;
          await ctx.ref(Other, 'x').tell('boo').catch(ended.resolve);
        },
      },
    });
    const t = testActor(Zombie, zombie);
    const call = expect(t.call.haunt()).rejects.toMatchObject({ code: 'ABORTED' });
    t.restart();
    await call;
    gate.resolve();
    expect(await ended.promise).toMatchObject({ code: 'TRANSPORT_CLOSED' });
    await t.clock.advance(1_000);
    expect(ticks).toBe(0);
    expect(t.sent).toEqual([]);
  });
});

test('keeps what the actor logs', async () => {
  const t = testActor(Counter, createCounter().actor, { key: 'k' });
  await t.call.reset({ reason: 'test' });
  expect(t.logged).toEqual([
    { level: 'info', fields: { actor: 'counter', key: 'k', reason: 'test' }, message: 'reset' },
  ]);
});

test('restarts an actor whose policy it is to restart after a failure', async () => {
  const Fragile = defineActor('fragile', { add: request<void, number>(), fail: request() });
  const discarded: string[] = [];
  const fragile = Fragile.implement({
    setup: () => ({ value: 0 }),
    handlers: {
      add: (state) => ++state.value,
      fail() {
        throw new Error('broken');
      },
    },
    discard: (_state, { reason }) => discarded.push(reason),
    onError: 'restart',
  });
  const t = testActor(Fragile, fragile);
  expect(await t.call.add()).toBe(1);
  await expect(t.call.fail()).rejects.toThrow('broken');
  expect(t.state()).toBeUndefined();
  expect(discarded).toEqual(['failed']);
  expect(await t.call.add()).toBe(1);
});

test('refuses a call that finds the mailbox full', async () => {
  const Narrow = defineActor('narrow', { wait: request() });
  const gate = deferred();
  const narrow = Narrow.implement({
    setup: () => null,
    handlers: { wait: () => gate.promise },
    mailbox: 1,
  });
  const t = testActor(Narrow, narrow);
  const calls = [t.call.wait(), t.call.wait(), t.call.wait()];
  await expect(calls[2]).rejects.toMatchObject({ code: 'OVERLOADED', outcome: 'not-executed' });
  gate.resolve();
  await Promise.all(calls.slice(0, 2));
});

test.each([
  [{ kay: 'k' }, /unknown option "kay"/],
  [{ key: '' }, /key must be a non-empty string, got ""/],
  [{ key: 5 }, /key/],
  [{ delivery: 'never' }, /delivery must be 'at-once' or 'by-step', got "never"/],
])('refuses %o', (options, message) => {
  const { actor } = createCounter();
  expect(() => testActor(Counter, actor, options as TestActorOptions)).toThrow(message);
});

test('refuses an actor that does not implement the contract', () => {
  const other: Actor = Other.implement({
    setup: () => null,
    handlers: { double: (_state, { value }) => 2 * value, tell: () => undefined },
  });
  expect(() => testActor(Counter, other)).toThrow(
    'testActor: actor must be the implementation of "counter", got "other"',
  );
});
