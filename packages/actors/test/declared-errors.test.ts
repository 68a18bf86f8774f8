import { ActorError, ClstrError } from '@clstr/core';
import { defineActor, isActorError, notify, request, type } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { testActor } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { actorNode, answerOf } from './actor-node.ts';

const Stock = defineActor('stock', {
  reserve: request({
    input: type<number>(),
    output: type<number>(),
    errors: { SOLD_OUT: z.object({ free: z.int() }), CLOSED: type<void>() },
  }),
  count: request({ errors: { SOLD_OUT: type<{ since: string }>() } }),
  note: notify<string>(),
});

/** Fails as the test says: `run` gets the `fail` of `reserve`, without its types. */
function stockThat(run: (fail: (code: string, details?: unknown) => unknown) => unknown): Actor {
  return Stock.implement({
    setup: () => null,
    handlers: {
      reserve: (_state, _input, ctx) =>
        run((code, details) => ctx.fail(code as never, details as never)) as never,
      count: (_state, _input, ctx) =>
        run((code, details) => ctx.fail(code as never, details as never)) as never,
      note: (_state, _text, ctx) => run((code, details) => ctx.fail(code as never, details as never)),
    },
  });
}

const thrown = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );

describe('an error that a method declares', () => {
  test('reaches the caller with its code and its details, as the executed call of an ActorError', async () => {
    const node = await actorNode([
      stockThat((fail) => {
        throw fail('SOLD_OUT', { free: 3, secret: 'left out by the validator' });
      }),
    ]);
    const error = await thrown(node.ref(Stock, 'k').reserve(5));
    expect(error).toMatchObject({ code: 'ACTOR_ERROR', actorCode: 'SOLD_OUT', outcome: 'executed' });
    expect(error).toMatchObject({ message: '"stock.reserve" failed with SOLD_OUT', details: { free: 3 } });
    expect((error as ActorError).details).toEqual({ free: 3 });
    expect(isActorError(error, Stock, 'SOLD_OUT')).toBe(true);
    expect(isActorError(error, Stock)).toBe(true);
    expect(isActorError(error, Stock, 'CLOSED')).toBe(false);
  });

  test('may have no details', async () => {
    const node = await actorNode([
      stockThat((fail) => {
        throw fail('CLOSED');
      }),
    ]);
    const error = await thrown(node.ref(Stock, 'k').reserve(5));
    expect(error).toMatchObject({ actorCode: 'CLOSED', details: undefined });
    expect(isActorError(error, Stock, 'CLOSED')).toBe(true);
  });

  test('reaches an actor that called this one', async () => {
    const Shop = defineActor('shop', { buy: request<void, number>() });
    const shop = Shop.implement({
      setup: () => null,
      handlers: {
        buy: async (_state, _input, ctx) => {
          try {
            return await ctx.ref(Stock, 'k').reserve(1);
          } catch (error) {
            if (isActorError(error, Stock, 'SOLD_OUT') && 'free' in error.details) return -error.details.free;
            throw error;
          }
        },
      },
    });
    const stock = stockThat((fail) => {
      throw fail('SOLD_OUT', { free: 2 });
    });
    const node = await actorNode([shop, stock]);
    expect(await node.ref(Shop, 'mine').buy()).toBe(-2);
  });

  test('leaves the state of an actor as it is, as every ActorError does', async () => {
    let setups = 0;
    const stock = Stock.implement({
      onError: 'restart',
      setup: () => ++setups,
      handlers: {
        reserve: (_state, _input, ctx) => {
          throw ctx.fail('CLOSED');
        },
        count: () => undefined,
        note: () => undefined,
      },
    });
    const { call } = testActor(Stock, stock);
    await thrown(call.reserve(1));
    await thrown(call.reserve(1));
    expect(setups).toBe(1);
  });

  test.each([
    ['details that do not fit', 'SOLD_OUT', { free: 'none' }, /the details of SOLD_OUT, .* free: /],
    ['details that are missing', 'SOLD_OUT', undefined, /the details of SOLD_OUT, .* is not valid/],
    ['details that are a list', 'CLOSED', [1], /must be an object or undefined/],
    ['details that are text', 'CLOSED', 'why', /must be an object or undefined/],
    ['details that are null', 'CLOSED', null, /must be an object or undefined/],
    ['a code that nobody declared', 'OVERDRAWN', {}, /^"stock.reserve" declares no error "OVERDRAWN"$/],
    ['a code that every object has', 'constructor', {}, /declares no error "constructor"/],
  ])('with %s is a bug of the handler: logged, and INTERNAL', async (_what, code, details, expected) => {
    const node = await actorNode([
      stockThat((fail) => {
        throw fail(code, details);
      }),
    ]);
    expect(await answerOf(node.ref(Stock, 'k').reserve(5))).toMatchObject({
      code: 'INTERNAL',
      outcome: 'executed',
      message: expect.stringMatching(/^the handler failed; node node-1 logged the error as /),
    });
    const [line] = node.nodeLines.filter(({ level }) => level === 'error');
    expect(line!.fields['err']).toBeInstanceOf(TypeError);
    expect((line!.fields['err'] as Error).message).toMatch(expected);
  });

  test('of another method, or in a notify, is not declared', async () => {
    const node = await actorNode([
      stockThat((fail) => {
        throw fail('CLOSED');
      }),
    ]);
    expect(await answerOf(node.ref(Stock, 'k').count())).toMatchObject({ code: 'INTERNAL' });
    await node.ref(Stock, 'k').note('x');
    await node.settled();
    const messages = node.nodeLines.flatMap(
      ({ fields }) => (fields['err'] as Error | undefined)?.message ?? [],
    );
    expect(messages).toEqual([
      '"stock.count" declares no error "CLOSED"',
      '"stock.note" declares no error "CLOSED"',
    ]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['is asynchronous', () => Promise.resolve({ value: {} })],
    ['is asynchronous and fails', () => Promise.reject(new Error('late'))],
  ])('whose validator %s is a bug of the handler, and recognised by nobody', async (_what, validate) => {
    const schema = { '~standard': { version: 1, vendor: 'test', validate } } as never;
    const Odd = defineActor('odd', { go: request({ errors: { ODD: schema } }) });
    const odd = Odd.implement({
      setup: () => null,
      handlers: {
        go: (_state, _input, ctx) => {
          throw ctx.fail('ODD' as never, {} as never);
        },
      },
    });
    const { call } = testActor(Odd, odd);
    expect(await thrown(call.go())).toBeInstanceOf(TypeError);
    expect(isActorError(new ActorError('ODD', ''), Odd)).toBe(false);
  });
});

describe('isActorError', () => {
  test('compares names and codes, not classes', () => {
    const foreign = Object.assign(new Error('from another copy'), {
      name: 'ActorError',
      code: 'ACTOR_ERROR',
      actorCode: 'SOLD_OUT',
      details: { free: 0 },
    });
    expect(isActorError(foreign, Stock, 'SOLD_OUT')).toBe(true);
  });

  test('takes the details of any method that declares the code', () => {
    expect(isActorError(new ActorError('SOLD_OUT', '', { since: 'May' }), Stock, 'SOLD_OUT')).toBe(true);
  });

  test.each([
    ['nothing', undefined],
    ['text', 'SOLD_OUT'],
    ['an object', { name: 'ActorError', code: 'ACTOR_ERROR', actorCode: 'CLOSED' }],
    ['another error', new Error('SOLD_OUT')],
    ['an error of core', new ClstrError('TIMEOUT', '')],
    ['an ACTOR_ERROR without a code of its own', new ClstrError('ACTOR_ERROR', '')],
    ['a code that nobody declared', new ActorError('OTHER', '', { free: 0 })],
    ['a code that every object has', new ActorError('toString', '')],
  ])('is false for %s', (_what, error) => {
    expect(isActorError(error, Stock)).toBe(false);
  });

  test('is false for details that do not fit the declared ones', () => {
    const Strict = defineActor('strict', {
      go: request({ errors: { SOLD_OUT: z.object({ free: z.int() }) } }),
    });
    for (const details of [undefined, {}, { free: 'none' }, { dropped: 'details of 20000 characters' }]) {
      expect(isActorError(new ActorError('SOLD_OUT', '', details), Strict, 'SOLD_OUT')).toBe(false);
    }
  });
});

describe('the declaration of errors', () => {
  const refusal = (message: RegExp): unknown =>
    expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

  test.each(['soldOut', 'Sold', 'SOLD-OUT', '', '_SOLD', '1ST', 'A'.repeat(65), 'SÖLD', 'A\n', '__proto__'])(
    'refuses the code %j',
    (code) => {
      const errors = { [code]: type<void>() };
      expect(() => defineActor('stock', { reserve: request({ errors }) } as never)).toThrow(
        refusal(/^actor stock: an error of method reserve must be a capital letter, then capitals/),
      );
    },
  );

  test.each(['TIMEOUT', 'ACTOR_ERROR', 'INTERNAL'])('refuses the code %s, which is one of core', (code) => {
    const errors = { [code]: type<void>() };
    expect(() => defineActor('stock', { reserve: request({ errors }) } as never)).toThrow(
      refusal(new RegExp(`not a code of clstr itself, got "${code}"$`)),
    );
  });

  test.each([null, 5, 'SOLD_OUT'])('refuses %j for errors', (errors) => {
    expect(() => request({ errors: errors as never })).toThrow(
      refusal(/^request: errors must be an object, got/),
    );
  });

  test.each([null, 5, {}, () => true])('refuses %j for a validator, naming the code', (schema) => {
    expect(() => request({ errors: { SOLD_OUT: schema as never } })).toThrow(
      refusal(/^request: errors\.SOLD_OUT must be a Standard Schema validator/),
    );
  });

  test('is kept apart from the object that was given', () => {
    const errors: Record<string, ReturnType<typeof type<void>>> = { CLOSED: type<void>() };
    const method = request({ errors });
    errors['LATER'] = type<void>();
    expect(Object.keys(method.errors!)).toEqual(['CLOSED']);
    expect(Object.isFrozen(method.errors)).toBe(true);
  });
});
