import { AsyncLocalStorage } from 'node:async_hooks';
import { ActorError } from '@clstr/core';
import { defineActor, notify, request } from '@clstr/actors';
import type { Actor, Middleware } from '@clstr/actors';
import { withMiddleware } from '../src/middleware.ts';
import { deferred, testActor } from '@clstr/testing';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { actorNode, answerOf, watch } from './actor-node.ts';

const Counter = defineActor('counter', {
  add: request({ input: z.coerce.number(), output: z.int() }),
  reset: notify<{ reason: string }>(),
});
const ran: unknown[] = [];

function counterWith(...use: Middleware[]): Actor<{ value: number }> {
  ran.length = 0;
  return Counter.implement({
    use,
    setup: () => ({ value: 0 }),
    handlers: {
      add: (state, by) => {
        ran.push(`add ${by}`);
        return (state.value += by);
      },
      reset: (state) => void (state.value = 0),
    },
  });
}

test('runs around the handler of each message, the first outermost', async () => {
  const around =
    (name: string): Middleware =>
    (_context, next) => {
      ran.push(`${name} before`);
      const result = next();
      ran.push(`${name} after`);
      return result;
    };
  const { call } = testActor(Counter, counterWith(around('outer'), around('inner')));
  expect(await call.add(2)).toBe(2);
  expect(ran).toEqual(['outer before', 'inner before', 'add 2', 'inner after', 'outer after']);
});

test('sees actor, key, method, validated input, headers and services, and logs with actor and key', async () => {
  const seen: unknown[] = [];
  const counter = counterWith(({ actor, key, method, input, headers, isNotify, services, log }, next) => {
    seen.push({ actor, key, method, input, tenant: headers['tenant'], isNotify, services });
    log.info('seen');
    return next();
  });
  const services = { db: 'postgres' };
  const node = await actorNode([counter], { services });
  await node.ref(Counter, 'k').add('7', { headers: { tenant: 'acme' } });
  await node.ref(Counter, 'k').reset({ reason: 'new day' });
  await node.settled();
  const one = { actor: 'counter', key: 'k', services };
  expect(seen).toEqual([
    { ...one, method: 'add', input: 7, tenant: 'acme', isNotify: false },
    { ...one, method: 'reset', input: { reason: 'new day' }, tenant: undefined, isNotify: true },
  ]);
  expect(node.lines[0]).toEqual({ level: 'info', fields: { actor: 'counter', key: 'k' }, message: 'seen' });
});

test('does not run for an input that is not valid', async () => {
  const { call } = testActor(
    Counter,
    counterWith((_context, next) => {
      ran.push('middleware');
      return next();
    }),
  );
  expect(await answerOf(call.add('many'))).toMatchObject({ code: 'VALIDATION_FAILED' });
  expect(ran).toEqual([]);
});

test('may change the result, which is then validated, and may answer without the handler', async () => {
  const { call } = testActor(
    Counter,
    counterWith(async ({ input }, next) => (input === 0 ? 1_000 : ((await next()) as number) / 2)),
  );
  expect(await call.add(0)).toBe(1_000);
  expect(await call.add(4)).toBe(2);
  expect(await answerOf(call.add(1))).toMatchObject({ code: 'VALIDATION_FAILED', outcome: 'executed' });
  expect(ran).toEqual(['add 4', 'add 1']);
});

test('may throw instead of calling the handler', async () => {
  const node = await actorNode([
    counterWith(({ headers }, next) => {
      if (headers['tenant'] === undefined) throw new ActorError('NO_TENANT', 'a tenant is needed');
      return next();
    }),
  ]);
  const ref = node.ref(Counter, 'k');
  await expect(ref.add(1)).rejects.toMatchObject({ actorCode: 'NO_TENANT', outcome: 'executed' });
  expect(await ref.add(1, { headers: { tenant: 'acme' } })).toBe(1);
  expect(ran).toEqual(['add 1']);
});

test('belongs to the turn of its message: the next one waits for it', async () => {
  const gates = [deferred(), deferred()];
  const node = await actorNode([
    counterWith(async ({ input }, next) => {
      ran.push(`before ${String(input)}`);
      const result = next();
      await gates.shift()?.promise;
      return result;
    }),
  ]);
  const [first, second] = [...gates];
  const answers = watch([1, 2].map((by) => node.ref(Counter, 'k').add(by)));
  await node.settled();
  expect(ran).toEqual(['before 1', 'add 1']);
  first!.resolve();
  await node.settled();
  expect(answers[0]).toEqual({ value: 1 });
  expect(ran).toEqual(['before 1', 'add 1', 'before 2', 'add 2']);
  second!.resolve();
  await node.settled();
  expect(answers[1]).toEqual({ value: 3 });
});

test('counts as the handler when it fails: the state is dropped if the actor says so', async () => {
  let setups = 0;
  const Frail = defineActor('frail', { go: request<boolean, number>() });
  const frail = Frail.implement({
    onError: 'restart',
    use: [
      ({ input }, next) => {
        if (input === true) throw new Error('boom');
        return next();
      },
    ],
    setup: () => ++setups,
    handlers: { go: (state) => state },
  });
  const node = await actorNode([frail]);
  expect(await node.ref(Frail, 'k').go(false)).toBe(1);
  expect(await answerOf(node.ref(Frail, 'k').go(true))).toMatchObject({ code: 'INTERNAL' });
  expect(await node.ref(Frail, 'k').go(false)).toBe(2);
});

test('may put values into an AsyncLocalStorage for its handler, and for no other', async () => {
  const tenants = new AsyncLocalStorage<string | undefined>();
  const Who = defineActor('who', { ami: request<void, string>() });
  const who = Who.implement({
    use: [({ headers }, next) => tenants.run(headers['tenant'], next)],
    setup: () => null,
    handlers: { ami: async () => (await Promise.resolve(), tenants.getStore() ?? 'nobody') },
  });
  const node = await actorNode([who]);
  const ref = node.ref(Who, 'k');
  const answers = [ref.ami(undefined, { headers: { tenant: 'a' } }), ref.ami()];
  expect(await Promise.all(answers)).toEqual(['a', 'nobody']);
});

test('does not run around setup, timers and the end, nor around what the test kit does', async () => {
  const actor = Counter.implement({
    use: [
      ({ method }, next) => {
        ran.push(method);
        return next();
      },
    ],
    setup: (ctx) => {
      ctx.every(10, () => undefined);
      return { value: 0 };
    },
    handlers: { add: (state, by) => state.value + by, reset: () => undefined },
    passivate: () => undefined,
  });
  ran.length = 0;
  const tested = testActor(Counter, actor);
  const { call, clock } = tested;
  await call.add(1);
  await clock.advance(25);
  await tested.passivate('idle');
  await call.add(1);
  await tested.passivate('evicted');
  expect(ran).toEqual(['add', 'add']);
});

test('costs nothing where there is none: the handler stays what it is', () => {
  const handler = (): number => 5;
  expect(withMiddleware([], 'go', handler)).toBe(handler);
});

test.each([null, 5, {}, [5], [() => 1, null]])('is refused when use is %j', (use) => {
  const implement = (): unknown =>
    Counter.implement({
      use: use as never,
      setup: () => null,
      handlers: { add: () => 1, reset: () => undefined },
    });
  expect(implement).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/^actor counter: use must be a list of functions, got/),
    }),
  );
});
