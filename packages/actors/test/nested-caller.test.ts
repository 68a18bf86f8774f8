import { isClstrError } from '@clstr/core';
import { MAX_CALL_DEPTH } from '@clstr/core/handler';
import type { CallOptions, ClientCall, ClstrError } from '@clstr/core';
import { defineActor, notify, request } from '@clstr/actors';
import type { ActorContext } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { actorNode, answerOf, watch } from './actor-node.ts';
import type { ActorNode, ActorNodeOptions } from './actor-node.ts';

/** What an actor of this type does is what the test says for its key. */
const Relay = defineActor('relay', {
  go: request<string | undefined, unknown>(),
  look: request<void, unknown>({ readonly: true }),
  tell: notify<string | undefined>(),
});

type Step = (ctx: ActorContext, input: string | undefined) => unknown;

async function relays(
  steps: Record<string, Step>,
  options: ActorNodeOptions = {},
): Promise<ActorNode & { calls: ClientCall[] }> {
  const calls: ClientCall[] = [];
  const run = (_state: unknown, input: string | undefined | void, ctx: ActorContext): unknown =>
    steps[ctx.key]!(ctx, input as string | undefined);
  const relay = Relay.implement({ setup: () => null, handlers: { go: run, look: run, tell: run } });
  const node = await actorNode([relay], {
    ...options,
    caller: {
      interceptors: [
        (call, next) => {
          calls.push(call);
          return next(call);
        },
      ],
      ...options.caller,
    },
  });
  return Object.assign(node, { calls });
}

const goTo =
  (key: string, input?: string, options?: CallOptions): Step =>
  (ctx) =>
    ctx.ref(Relay, key).go(input, options);

describe('ctx.ref()', () => {
  test('calls another actor and gives its answer', async () => {
    const node = await relays({ a: goTo('b', 'hello'), b: (_ctx, input) => `${input} from b` });
    expect(await node.ref(Relay, 'a').go()).toBe('hello from b');
  });

  test('marks the calls of idempotent methods, as every ref does', async () => {
    const node = await relays({ a: (ctx) => ctx.ref(Relay, 'b').look(), b: goTo('c'), c: () => 'seen' });
    expect(await node.ref(Relay, 'a').go()).toBe('seen');
    const marks = node.calls.map(({ key, options }) => [key, options.idempotent]);
    expect(marks).toEqual([
      ['a', undefined],
      ['b', true],
      ['c', undefined],
    ]);
  });

  test('waits without holding the actor that it calls', async () => {
    const gate = deferred<string>();
    const node = await relays({ a: goTo('b'), b: goTo('c'), c: () => gate.promise });
    const answers = watch([node.ref(Relay, 'a').go()]);
    await node.settled();
    gate.resolve('done');
    await node.settled();
    expect(answers).toEqual([{ value: 'done' }]);
  });

  test('passes on the time that is left', async () => {
    const gate = deferred();
    const node = await relays({
      a: async (ctx) => {
        await gate.promise;
        return ctx.ref(Relay, 'b').go();
      },
      b: (ctx) => ctx.remainingMs(),
    });
    const call = node.ref(Relay, 'a').go(undefined, { timeoutMs: 1_000 });
    await node.clock.advance(300);
    gate.resolve();
    expect(await call).toBe(700);
  });

  test.each([
    [200, 200],
    [5_000, 1_000],
  ])('lets a call ask for %i ms of its own, and gives it %i', async (timeoutMs, granted) => {
    const node = await relays({ a: goTo('b', undefined, { timeoutMs }), b: (ctx) => ctx.remainingMs() });
    expect(await node.ref(Relay, 'a').go(undefined, { timeoutMs: 1_000 })).toBe(granted);
  });

  test.each([-5, 0, 2.5, NaN])('leaves it to the client to refuse a timeoutMs of %s', async (timeoutMs) => {
    const node = await relays({ a: goTo('b', undefined, { timeoutMs }), b: () => 1 });
    await expect(node.ref(Relay, 'a').go()).rejects.toMatchObject({
      code: 'HANDLER_ERROR',
      details: { code: 'INVALID_OPTION' },
    });
  });

  test('makes no call when no time is left, and says that nothing ran', async () => {
    const errors: unknown[] = [];
    const node = await relays({
      a: async (ctx) => {
        await new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve()));
        const ref = ctx.ref(Relay, 'b');
        for (const call of [ref.go(), ref.tell()]) errors.push(await call.catch((error: unknown) => error));
      },
      b: () => 1,
    });
    const call = answerOf(node.ref(Relay, 'a').go(undefined, { timeoutMs: 100 }));
    await node.clock.advance(150);
    await call;
    expect(errors).toMatchObject([
      { code: 'TIMEOUT', outcome: 'not-executed' },
      { code: 'TIMEOUT', outcome: 'not-executed' },
    ]);
    expect(node.calls).toHaveLength(1);
  });

  test('passes on the trace and no other header; headers of the call itself win', async () => {
    const headersOf: Step = (ctx) => ({ ...ctx.headers });
    const node = await relays({
      a: goTo('c'),
      b: goTo('c', undefined, { headers: { tracestate: 'own', x: 'y' } }),
      c: headersOf,
    });
    const headers = { traceparent: '00-1-2-01', tracestate: 'vendor=1', tenant: 'acme' };
    expect(await node.ref(Relay, 'a').go(undefined, { headers })).toEqual({
      traceparent: '00-1-2-01',
      tracestate: 'vendor=1',
    });
    expect(await node.ref(Relay, 'b').go(undefined, { headers })).toEqual({
      traceparent: '00-1-2-01',
      tracestate: 'own',
      x: 'y',
    });
  });

  test('gives up the nested call when the caller of the outer one does', async () => {
    const signals: AbortSignal[] = [];
    const node = await relays({
      a: goTo('b'),
      b: (ctx) => {
        signals.push(ctx.signal);
        return new Promise(() => undefined);
      },
    });
    const abort = new AbortController();
    const call = answerOf(node.ref(Relay, 'a').go(undefined, { signal: abort.signal }));
    await node.settled();
    expect(signals[0]!.aborted).toBe(false);
    abort.abort();
    await node.settled();
    expect(await call).toMatchObject({ code: 'ABORTED' });
    expect(signals[0]!.aborted).toBe(true);
  });

  test('gives up the nested call alone when its own signal fires', async () => {
    const abort = new AbortController();
    const node = await relays({
      a: async (ctx) => {
        const error: unknown = await ctx
          .ref(Relay, 'b')
          .go(undefined, { signal: abort.signal })
          .catch((reason: unknown) => reason);
        return isClstrError(error, 'ABORTED');
      },
      b: () => new Promise(() => undefined),
    });
    const answers = watch([node.ref(Relay, 'a').go()]);
    await node.settled();
    abort.abort();
    await node.settled();
    expect(answers).toEqual([{ value: true }]);
  });

  test('needs a client, and says so', async () => {
    const node = await relays({ a: goTo('b'), b: () => 1 }, { client: undefined });
    await expect(node.ref(Relay, 'a').go()).rejects.toMatchObject({
      code: 'HANDLER_ERROR',
      details: {
        code: 'INVALID_OPTION',
        message: 'actorHandler has no client, which ctx.ref needs to reach other actors',
      },
    });
  });

  test('works in setup, timers and passivate, with time of their own', async () => {
    const seen: unknown[] = [];
    const Owner = defineActor('owner', { go: request() });
    const owner = Owner.implement({
      setup: async (ctx) => {
        seen.push(await ctx.ref(Relay, 'b').go('setup'));
        ctx.after(10, async (timer) => void seen.push(await timer.ref(Relay, 'b').go('timer')));
      },
      handlers: { go: () => undefined },
      passivate: async (_state, ctx) => void seen.push(await ctx.ref(Relay, 'b').go('passivate')),
    });
    const relay = Relay.implement({
      setup: () => null,
      handlers: {
        go: (_state, input, ctx) => `${input} ${ctx.remainingMs()}`,
        look: () => undefined,
        tell: () => undefined,
      },
    });
    const node = await actorNode([owner, relay]);
    await node.ref(Owner, 'o').go();
    await node.clock.advance(10);
    await node.clock.advance(80_000);
    expect(seen).toEqual(['setup 300000', 'timer 300000', 'passivate 2000']);
  });
});

const cycleOf = async (call: Promise<unknown>): Promise<ClstrError> => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: 'CALL_CYCLE', outcome: 'executed', retryable: false });
  return error as ClstrError;
};

describe('a passivate in a drain', () => {
  test('is refused its calls at once: by then the actors of its node take no more', async () => {
    const ends: unknown[] = [];
    const Owner = defineActor('owner', { go: request() });
    const owner = Owner.implement({
      setup: () => null,
      handlers: { go: () => undefined },
      passivate: async (_state, ctx) => void ends.push(await answerOf(ctx.ref(Relay, 'b').go())),
    });
    const relay = Relay.implement({
      setup: () => null,
      handlers: { go: () => 'went', look: () => undefined, tell: () => undefined },
    });
    const node = await actorNode([owner, relay]);
    await node.ref(Owner, 'a').go();
    await node.node.drain();
    expect(ends).toMatchObject([{ code: 'NO_SUBSCRIBER', outcome: 'not-executed' }]);
    expect(node.clock.monoMs()).toBe(0);
  });
});

describe('a cycle of requests', () => {
  test('of an actor with itself fails at once, naming the chain', async () => {
    const node = await relays({ a: goTo('a') });
    const { message, details } = await cycleOf(node.ref(Relay, 'a').go());
    expect(message).toBe('the call would wait for itself: relay/a → relay/a');
    expect(details).toEqual({ chain: ['relay/a', 'relay/a'] });
    expect(node.calls).toHaveLength(1);
  });

  test('a → b → a fails at once and reaches the outermost caller with the chain', async () => {
    const node = await relays({ a: goTo('b'), b: goTo('a') });
    const { message, details } = await cycleOf(node.ref(Relay, 'a').go());
    expect(message).toBe('the call would wait for itself: relay/a → relay/b → relay/a');
    expect(details).toEqual({ chain: ['relay/a', 'relay/b', 'relay/a'] });
  });

  test('that closes further in is found too, and the actors are free again', async () => {
    const steps = { a: goTo('b'), b: goTo('c'), c: goTo('b') };
    const node = await relays(steps);
    const { details } = await cycleOf(node.ref(Relay, 'a').go());
    expect(details).toEqual({ chain: ['relay/a', 'relay/b', 'relay/c', 'relay/b'] });
    (steps as Record<string, Step>)['c'] = () => 'free';
    expect(await node.ref(Relay, 'a').go()).toBe('free');
  });

  test('is found whatever the type of its messages', async () => {
    const Renamed = defineActor('renamed', { go: request<void, void>({ type: 'github.com/acme/app.Go' }) });
    const renamed = Renamed.implement({
      setup: () => null,
      handlers: { go: (_state, _input, ctx) => ctx.ref(Renamed, ctx.key).go() },
    });
    const node = await actorNode([renamed]);
    const { details } = await cycleOf(node.ref(Renamed, 'a').go());
    expect(details).toEqual({ chain: ['renamed/a', 'renamed/a'] });
  });

  test('does not exist between two actors of different types with one key', async () => {
    const Other = defineActor('other', { go: request<void, string>() });
    const relay = Relay.implement({
      setup: () => null,
      handlers: {
        go: (_state, _input, ctx) => ctx.ref(Other, ctx.key).go(),
        look: () => 1,
        tell: () => undefined,
      },
    });
    const other = Other.implement({ setup: () => null, handlers: { go: () => 'other' } });
    const node = await actorNode([relay, other]);
    expect(await node.ref(Relay, 'k').go()).toBe('other');
  });

  test('is found between readonly requests as well', async () => {
    const node = await relays({ a: (ctx) => ctx.ref(Relay, 'a').look() });
    await cycleOf(node.ref(Relay, 'a').look());
  });

  test('is found through a setup, which runs for the message that needs it', async () => {
    const Lazy = defineActor('lazy', { go: request<void, unknown>() });
    const lazy = Lazy.implement({
      setup: (ctx) => ctx.ref(Relay, 'a').go(),
      handlers: { go: () => 'never' },
    });
    const relay = Relay.implement({
      setup: () => null,
      handlers: {
        go: (_state, _input, ctx) => ctx.ref(Lazy, 'l').go(),
        look: () => undefined,
        tell: () => undefined,
      },
    });
    const node = await actorNode([relay, lazy]);
    const { details } = await cycleOf(node.ref(Relay, 'a').go());
    expect(details).toEqual({ chain: ['relay/a', 'lazy/l', 'relay/a'] });
  });

  test('can be caught by the handler that made it', async () => {
    const node = await relays({
      a: goTo('b'),
      b: (ctx) =>
        ctx
          .ref(Relay, 'a')
          .go()
          .catch((error: unknown) => isClstrError(error, 'CALL_CYCLE')),
    });
    expect(await node.ref(Relay, 'a').go()).toBe(true);
  });
});

describe('notifies', () => {
  test('may cycle, an actor with itself and two with each other', async () => {
    let left = 6;
    const bounce =
      (to: string): Step =>
      async (ctx) => {
        if (left-- > 0) await ctx.ref(Relay, to).tell();
      };
    const node = await relays({ a: bounce('b'), b: bounce('a'), c: bounce('c') });
    await node.ref(Relay, 'a').tell();
    await node.settled();
    expect(left).toBe(-1);
    left = 3;
    await node.ref(Relay, 'c').tell();
    await node.settled();
    expect(left).toBe(-1);
  });

  test('begin a chain of their own: what they call may call back', async () => {
    const done = deferred<unknown>();
    const node = await relays({
      a: async (ctx, input) => (input === undefined ? ctx.ref(Relay, 'b').tell('x') : `a got ${input}`),
      b: async (ctx) => done.resolve(await ctx.ref(Relay, 'a').go('called back')),
    });
    await node.ref(Relay, 'a').go();
    expect(await done.promise).toBe('a got called back');
  });

  test('pass on the trace and the time that is left', async () => {
    const seen: unknown[] = [];
    const node = await relays({
      a: (ctx) => ctx.ref(Relay, 'b').tell(),
      b: (ctx) => void seen.push(ctx.remainingMs(), { ...ctx.headers }, ctx.isNotify),
    });
    await node.ref(Relay, 'a').go(undefined, { timeoutMs: 700, headers: { traceparent: 't', other: 'o' } });
    await node.settled();
    expect(seen).toEqual([700, { traceparent: 't' }, true]);
  });
});

describe('a chain of calls', () => {
  const ladder = (depth: number): Record<string, Step> =>
    Object.fromEntries(
      Array.from({ length: depth }, (_, i) => [
        `n${i + 1}`,
        i + 1 === depth ? () => 'bottom' : goTo(`n${i + 2}`),
      ]),
    );

  test(`may be ${MAX_CALL_DEPTH} actors deep`, async () => {
    const node = await relays(ladder(MAX_CALL_DEPTH));
    expect(await node.ref(Relay, 'n1').go()).toBe('bottom');
  });

  test('fails as CALL_CYCLE one deeper, naming the chain', async () => {
    const node = await relays(ladder(MAX_CALL_DEPTH + 1));
    const { message, details } = await cycleOf(node.ref(Relay, 'n1').go());
    expect(message).toMatch(/^calls are nested 32 deep: relay\/n1 → relay\/n2 → .* → relay\/n33$/);
    expect((details as { chain: string[] }).chain).toHaveLength(MAX_CALL_DEPTH + 1);
  });

  test('of keys so long that no header can hold it fails as INVALID_ENVELOPE before it travels', async () => {
    const keys = Array.from({ length: 31 }, (_, i) => `${i}-`.padEnd(1_000, '\u0001'));
    const steps = Object.fromEntries(
      keys.map((key, i): [string, Step] => [key, i === 30 ? () => 'bottom' : goTo(keys[i + 1]!)]),
    );
    const node = await relays(steps);
    await expect(node.ref(Relay, keys[0]!).go()).rejects.toMatchObject({ code: 'HANDLER_ERROR' });
    expect(node.calls.length).toBeGreaterThan(5);
    expect(node.calls.length).toBeLessThan(20);
  });

  test('of long keys that a header can hold goes through', async () => {
    const keys = Array.from({ length: 31 }, (_, i) => `${i}-`.padEnd(1_000, 'x'));
    const steps = Object.fromEntries(
      keys.map((key, i): [string, Step] => [key, i === 30 ? () => 'bottom' : goTo(keys[i + 1]!)]),
    );
    const node = await relays(steps);
    expect(await node.ref(Relay, keys[0]!).go()).toBe('bottom');
  });
});
