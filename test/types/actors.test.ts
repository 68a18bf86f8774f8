/**
 * What the types of actors promise and refuse. `tsc` is the judge: it fails when an `@ts-expect-error` finds no error,
 * or anything else finds one. What is behind an arrow is compiled and never run.
 */
import type { Client } from '@clstr/core';
import { actorHandler, defineActor, isActorError, needs, notify, request, type } from '@clstr/actors';
import type {
  Actor,
  ActorContext,
  CannotTravel,
  InputOf,
  Middleware,
  OutputOf,
  Ref,
  RequestMethod,
  Travelling,
} from '@clstr/actors';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { createApp } from '@clstr/app';
import type { AppOptions } from '@clstr/app';
import { memoryTransport } from '@clstr/transport-memory';
import { testActor, testCluster } from '@clstr/testing';
import { describe, expectTypeOf, test } from 'vitest';
import { z } from 'zod';

const Counter = defineActor('counter', {
  add: request({ input: z.object({ by: z.number() }), output: z.number() }),
  get: request<void, number>({ readonly: true }),
  reset: notify<{ reason: string }>(),
});

const handlers = {
  add: (state: { value: number }, { by }: { by: number }) => (state.value += by),
  get: (state: { value: number }) => state.value,
  reset: (state: { value: number }) => {
    state.value = 0;
  },
};
const setup = (): { value: number } => ({ value: 0 });

declare const client: Client;

/** Compiled, never run. */
const compiled = (_use: (error: unknown) => unknown): void => {};

interface Tree {
  readonly name: string;
  readonly children: readonly Tree[];
}
type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
interface Order {
  readonly id: string & { readonly __brand: 'order' };
  readonly note?: string | undefined;
  readonly lines: readonly (readonly [sku: string, count?: number])[];
  readonly by: Partial<Record<'a' | 'b', { readonly kind: 'x' } | null>>;
}
interface Dated {
  readonly lines: readonly { readonly at: Date | null }[];
}
class Money {
  readonly cents = 5;
  plus(): this {
    return this;
  }
}

describe('an input or an output that travels', () => {
  test('may be all that JSON keeps, recursive and generic types included, and whole bytes', () => {
    compiled(() => defineActor('x', { a: request<Order | undefined, Order[]>(), b: request<Tree, Tree>() }));
    compiled(() =>
      defineActor('x', { a: request<Json, Record<string, unknown>>(), b: request<void, void>() }),
    );
    compiled(() => defineActor('x', { a: request<unknown, object>(), b: notify<string | number>() }));
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is tested
    compiled(() => defineActor('x', { a: request<any, any>(), b: request<{ list: any[] }, never>() }));
    compiled(() => defineActor('x', { a: request<Uint8Array, Buffer | undefined>() }));
    const schema = z.object({
      at: z.string().transform((text) => text.length),
      brand: z.string().brand<'F'>(),
      more: z.record(z.string(), z.unknown()),
      kind: z.union([z.literal('a'), z.null()]).optional(),
      date: z.coerce.date().transform(String),
    });
    compiled(() =>
      defineActor('x', { a: request({ input: schema, output: schema }), b: notify({ input: schema }) }),
    );
  });

  test('is no Date, Map, Set, bigint, function, error or promise, at any depth', () => {
    // @ts-expect-error -- the output is a Date, which arrives as a string
    compiled(() => defineActor('x', { at: request<void, Date>() }));
    // @ts-expect-error -- the input.lines[].at is a Date
    compiled(() => defineActor('x', { ok: request(), at: request<Dated>() }));
    // @ts-expect-error -- the output is a Map
    compiled(() => defineActor('x', { at: request<void, Map<string, number> | undefined>() }));
    // @ts-expect-error -- the input is a Set
    compiled(() => defineActor('x', { at: notify<{ tags: ReadonlySet<string> }>() }));
    // @ts-expect-error -- the output is a bigint
    compiled(() => defineActor('x', { at: request<void, bigint[]>() }));
    // @ts-expect-error -- the output.plus is a function
    compiled(() => defineActor('x', { at: request<void, Money>() }));
    // @ts-expect-error -- the output is an Error
    compiled(() => defineActor('x', { at: request<void, { failed?: Error }>() }));
    // @ts-expect-error -- the output is a Promise
    compiled(() => defineActor('x', { at: request<void, Promise<string>>() }));
    // @ts-expect-error -- the output is an object with toJSON()
    compiled(() => defineActor('x', { at: request<void, URL>() }));
    // @ts-expect-error -- bytes inside a value
    compiled(() => defineActor('x', { at: request<{ file: Uint8Array }>() }));
    // @ts-expect-error -- the output.born is a Date
    compiled(() => defineActor('x', { at: request({ output: z.object({ born: z.date() }) }) }));
    // @ts-expect-error -- the input is a Date before it is checked
    compiled(() => defineActor('x', { at: notify({ input: z.date() }) }));
  });

  test('is refused with the place and the reason', () => {
    type Refused = Travelling<{ readonly at: RequestMethod<void, void, Dated, Dated> }>['at'];
    expectTypeOf<Refused>().toEqualTypeOf<
      CannotTravel<'the output.lines[].at is a Date, which arrives as a string: declare string'>
    >();
  });
});

describe('a ref', () => {
  test('has the methods of its contract, with their inputs and outputs', () => {
    type CounterRef = Ref<typeof Counter.methods>;
    expectTypeOf<Parameters<CounterRef['add']>[0]>().toEqualTypeOf<{ by: number }>();
    expectTypeOf<ReturnType<CounterRef['add']>>().toEqualTypeOf<Promise<number>>();
    expectTypeOf<ReturnType<CounterRef['get']>>().toEqualTypeOf<Promise<number>>();
    expectTypeOf<ReturnType<CounterRef['reset']>>().toEqualTypeOf<Promise<void>>();
    expectTypeOf<InputOf<typeof Counter.methods.reset>>().toEqualTypeOf<{ reason: string }>();
    expectTypeOf<OutputOf<typeof Counter.methods.add>>().toEqualTypeOf<number>();
  });

  test('takes options behind the input, and no input where there is none', () => {
    compiled(() => Counter.ref(client, 'k').add({ by: 2 }, { timeoutMs: 5, headers: { a: 'b' } }));
    compiled(() => Counter.ref(client, 'k').get());
    compiled(() => Counter.ref(client, 'k').get(undefined, { timeoutMs: 5 }));
  });

  test('refuses a wrong input, a missing one, one too many, and options that are none', () => {
    // @ts-expect-error -- `by` is a number
    compiled(() => Counter.ref(client, 'k').add({ by: '2' }));
    // @ts-expect-error -- `by` is missing
    compiled(() => Counter.ref(client, 'k').add({}));
    // @ts-expect-error -- there is no `times`
    compiled(() => Counter.ref(client, 'k').add({ by: 2, times: 3 }));
    // @ts-expect-error -- the input is missing
    compiled(() => Counter.ref(client, 'k').add());
    // @ts-expect-error -- `get` takes nothing
    compiled(() => Counter.ref(client, 'k').get(5));
    // @ts-expect-error -- a reason, not text
    compiled(() => Counter.ref(client, 'k').reset('why'));
    // @ts-expect-error -- it is `timeoutMs`
    compiled(() => Counter.ref(client, 'k').get(undefined, { timeout: 5 }));
  });

  test('refuses a method that its contract does not have', () => {
    // @ts-expect-error -- no such method
    compiled(() => Counter.ref(client, 'k').subtract({ by: 2 }));
    // @ts-expect-error -- no promise either
    compiled(() => Counter.ref(client, 'k').then(() => 1));
  });

  test('refuses to use an output as what it is not', () => {
    compiled(async () => {
      // @ts-expect-error -- a number
      const text: string = await Counter.ref(client, 'k').get();
      return text;
    });
    compiled(async () => {
      // @ts-expect-error -- nothing comes back
      const done: number = await Counter.ref(client, 'k').reset({ reason: 'x' });
      return done;
    });
  });

  test('shows the caller what goes in, and the handler what the validator made of it', () => {
    const Dates = defineActor('dates', {
      day: request({ input: z.string().transform((text) => new Date(text)), output: type<number>() }),
    });
    expectTypeOf<InputOf<typeof Dates.methods.day>>().toEqualTypeOf<string>();
    compiled(() =>
      Dates.implement({ setup: () => null, handlers: { day: (_state, date) => date.getUTCDate() } }),
    );
  });

  test('takes an input that may be anything, or may be left out', () => {
    const Loose = defineActor('loose', {
      anything: request({ input: z.any(), output: z.any() }),
      unknown: request<unknown, unknown>(),
      optional: request<string | undefined, void>(),
    });
    compiled(() => Loose.ref(client, 'k').anything({ any: 'thing' }));
    compiled(() => Loose.ref(client, 'k').anything());
    compiled(() => Loose.ref(client, 'k').unknown(5));
    compiled(() => Loose.ref(client, 'k').optional());
    compiled(() => Loose.ref(client, 'k').optional('text'));
    // @ts-expect-error -- text or nothing
    compiled(() => Loose.ref(client, 'k').optional(5));
  });
});

describe('an implementation', () => {
  test('infers state, inputs and context', () => {
    const counter = Counter.implement({
      setup: async (ctx) => {
        expectTypeOf(ctx.key).toEqualTypeOf<string>();
        return { value: 0 };
      },
      handlers: {
        add: (state, input, ctx) => {
          expectTypeOf(state).toEqualTypeOf<{ value: number }>();
          expectTypeOf(input).toEqualTypeOf<{ by: number }>();
          expectTypeOf(ctx.signal).toEqualTypeOf<AbortSignal>();
          return (state.value += input.by);
        },
        get: async (state) => state.value,
        reset: (state, { reason }) => {
          expectTypeOf(reason).toEqualTypeOf<string>();
          state.value = 0;
        },
      },
      passivate: (state, ctx) => {
        expectTypeOf(state).toEqualTypeOf<{ value: number }>();
        expectTypeOf(ctx.reason).toEqualTypeOf<'idle' | 'evicted' | 'drain'>();
      },
      discard: (state, ctx) => {
        expectTypeOf(ctx.reason).toEqualTypeOf<'failed' | 'lost-ownership'>();
      },
    });
    expectTypeOf(counter).toEqualTypeOf<Actor<{ value: number }>>();
    expectTypeOf(counter).toExtend<Actor>();
  });

  test('logs as pino does, and no other way', () => {
    compiled(() =>
      Counter.implement({
        setup: ({ log }) => {
          log.info('text');
          log.info({ n: 1 });
          log.info({ n: 1 }, 'text');
          log.error(new Error('failed'), 'text');
          // @ts-expect-error -- the text comes last
          log.info('text', { n: 1 });
          // @ts-expect-error -- neither text nor fields
          log.info(5);
          return { value: 0 };
        },
        handlers,
      }),
    );
  });

  test('keeps the type of its state for testActor', () => {
    const counter = Counter.implement({ setup: async () => ({ value: 0 }), handlers });
    compiled(() => {
      const { call, state } = testActor(Counter, counter);
      expectTypeOf(state).returns.toEqualTypeOf<{ value: number } | undefined>();
      expectTypeOf(call.get).returns.toEqualTypeOf<Promise<number>>();
    });
  });

  test('refuses a missing handler and one too many', () => {
    const { add, get } = handlers;
    // @ts-expect-error -- `reset` is missing
    compiled(() => Counter.implement({ setup, handlers: { add, get } }));
    // @ts-expect-error -- the contract has no `subtract`
    compiled(() => Counter.implement({ setup, handlers: { ...handlers, subtract: add } }));
    // @ts-expect-error -- no setup
    compiled(() => Counter.implement({ handlers }));
    // @ts-expect-error -- it is `idleMs`
    compiled(() => Counter.implement({ setup, handlers, idle: 5 }));
    // @ts-expect-error -- keep or restart
    compiled(() => Counter.implement({ setup, handlers, onError: 'stop' }));
  });

  test('refuses an output of the wrong type, also in a promise', () => {
    // @ts-expect-error -- a number, not text
    compiled(() => Counter.implement({ setup, handlers: { ...handlers, add: () => 'two' } }));
    // @ts-expect-error -- a number, not text
    compiled(() => Counter.implement({ setup, handlers: { ...handlers, get: async () => 'two' } }));
    // @ts-expect-error -- a number, not nothing
    compiled(() => Counter.implement({ setup, handlers: { ...handlers, get: () => undefined } }));
  });

  test('refuses a handler that wants another input or another state', () => {
    const wantsText = (_state: unknown, { by }: { by: string }): number => by.length;
    // @ts-expect-error -- `by` is a number
    compiled(() => Counter.implement({ setup, handlers: { ...handlers, add: wantsText } }));
    const wantsTotal = (state: { total: number }): number => state.total;
    // @ts-expect-error -- setup makes no `total`
    compiled(() => Counter.implement({ setup, handlers: { ...handlers, get: wantsTotal } }));
  });
});

describe('the services of actors', () => {
  interface Db {
    load(key: string): { value: number };
  }
  type Mail = (text: string) => void;
  const loaded = Counter.implement({
    setup: ({ key, services }) => {
      expectTypeOf(services).toEqualTypeOf<{ db: Db; trace?: Mail }>();
      return services.db.load(key);
    },
    services: needs<{ db: Db; trace?: Mail }>(),
    handlers: {
      ...handlers,
      get: (state, _input, ctx) => {
        expectTypeOf(state).toEqualTypeOf<{ value: number }>();
        ctx.after(5, ({ services }) => expectTypeOf(services.db).toEqualTypeOf<Db>());
        return state.value;
      },
    },
    passivate: (_state, { services }) => expectTypeOf(services.db).toEqualTypeOf<Db>(),
  });
  const mailing = Counter.implement({ services: needs<{ mail: Mail }>(), setup, handlers });
  const lazy = Counter.implement({ services: needs<{ mail?: Mail }>(), setup, handlers });
  const plain = Counter.implement({ setup, handlers });
  const db: Db = { load: () => ({ value: 1 }) };
  const mail: Mail = () => undefined;
  const transport = (): ReturnType<typeof memoryTransport> => memoryTransport();

  test('are all required of what runs the actors together', () => {
    compiled(() => actorHandler([loaded, mailing, plain], { services: { db, mail } }));
    compiled(() => createApp({ transport, actors: [loaded, mailing], services: { db, mail, trace: mail } }));
    compiled(() => testCluster({ actors: [loaded, mailing], services: { db, mail }, nodes: 1 }));
    compiled(() => testActor(Counter, loaded, { services: { db }, key: 'k' }));
    // A program may have more than these actors need.
    compiled(() => testActor(Counter, loaded, { services: { db, mail } }));
    // @ts-expect-error -- the mail is missing
    compiled(() => actorHandler([loaded, mailing], { services: { db } }));
    // @ts-expect-error -- services are missing
    compiled(() => actorHandler([loaded]));
    // @ts-expect-error -- services are missing
    compiled(() => actorHandler([plain, mailing], { cacheSize: 5 }));
    // @ts-expect-error -- the db is missing
    compiled(() => createApp({ transport, actors: [loaded, mailing], services: { mail } }));
    // @ts-expect-error -- services are missing
    compiled(() => createApp({ transport, actors: [loaded] }));
    // @ts-expect-error -- services are missing
    compiled(() => testCluster({ actors: [mailing] }));
    // @ts-expect-error -- it is a function
    compiled(() => testCluster({ actors: [mailing], services: { mail: 'text' } }));
    // @ts-expect-error -- services are missing
    compiled(() => testActor(Counter, loaded));
    // @ts-expect-error -- of another type
    compiled(() => testActor(Counter, loaded, { services: { db: 5 } }));
  });

  test('are not asked for when no actor needs any', () => {
    compiled(() => actorHandler([plain]));
    compiled(() => actorHandler([plain], { cacheSize: 5 }));
    compiled(() => createApp({ transport, actors: [plain] }));
    compiled(() => testCluster({ actors: [plain] }));
    compiled(() => testCluster({ handler: () => 'none' }));
    compiled(() => testActor(Counter, plain));
    compiled(() => actorHandler([lazy]));
    compiled(() => testActor(Counter, lazy, { services: { mail } }));
    // @ts-expect-error -- of another type
    compiled(() => actorHandler([lazy], { services: { mail: 'text' } }));
  });

  test('are not there without a declaration', () => {
    // @ts-expect-error -- nothing is declared
    compiled(() => Counter.implement({ setup: (ctx) => ({ value: Number(ctx.services.db) }), handlers }));
    // @ts-expect-error -- a declaration is made by needs()
    compiled(() => Counter.implement({ services: { db }, setup, handlers }));
  });

  test('stay with actors that are kept in variables of a written type', () => {
    const list: readonly Actor<unknown, { db: Db; mail: Mail; trace?: Mail }>[] = [loaded, mailing, plain];
    compiled(() => actorHandler(list, { services: { db, mail } }));
    // @ts-expect-error -- an Actor without more needs nothing
    compiled((): readonly Actor[] => [loaded]);
    const options: AppOptions = { transport, actors: [plain] };
    compiled(() => createApp(options));
    // @ts-expect-error -- these options need nothing
    compiled((): AppOptions => ({ transport, actors: [loaded] }));
  });
});

describe('the middleware of an actor', () => {
  const shared: Middleware = ({ headers }, next) => (headers['a'] === undefined ? undefined : next());
  const mailing: Middleware<{ mail: (text: string) => void }> = ({ services, method }, next) => {
    services.mail(method);
    return next();
  };
  type Needed = { mail: (text: string) => void; name: string };

  test('gets the services that the actor declares, and may be shared by actors that need more', () => {
    compiled(() =>
      Counter.implement({
        services: needs<Needed>(),
        use: [
          shared,
          mailing,
          (ctx, next) => {
            expectTypeOf(ctx.services).toEqualTypeOf<Needed>();
            expectTypeOf(ctx.method).toEqualTypeOf<string>();
            expectTypeOf(ctx.input).toEqualTypeOf<unknown>();
            return next();
          },
        ],
        setup,
        handlers,
      }),
    );
  });

  test('needs what it uses, and a function', () => {
    const services = needs<{ name: string }>();
    // @ts-expect-error -- the actor declares no mail
    compiled(() => Counter.implement({ services, use: [mailing], setup, handlers }));
    // @ts-expect-error -- no function
    compiled(() => Counter.implement({ use: ['tenant'], setup, handlers }));
    // @ts-expect-error -- next takes nothing
    compiled(() => Counter.implement({ use: [(_ctx, next) => next(5)], setup, handlers }));
  });
});

describe('the errors of a method', () => {
  const Stock = defineActor('stock', {
    reserve: request({
      input: type<number>(),
      output: type<number>(),
      errors: { SOLD_OUT: z.object({ free: z.coerce.number() }), CLOSED: type<void>() },
    }),
    check: request({
      errors: { SOLD_OUT: type<{ since: string }>(), LATE: type<{ byMs?: number } | undefined>() },
    }),
    level: request({ output: type<number>(), readonly: true }),
  });
  const helper = (ctx: ActorContext): string => ctx.key;

  test('are what its handler may fail with', () => {
    compiled(() =>
      Stock.implement({
        setup: () => ({ free: 3 }),
        handlers: {
          reserve: (state, count, ctx) => {
            expectTypeOf(count).toEqualTypeOf<number>();
            helper(ctx);
            if (count > 5) throw ctx.fail('CLOSED');
            // A code path that ends in `throw` needs no return.
            if (count > state.free) throw ctx.fail('SOLD_OUT', { free: state.free });
            // @ts-expect-error -- free must be something
            if (count > 4) throw ctx.fail('SOLD_OUT', {});
            // @ts-expect-error -- the details are missing
            if (count > 3) throw ctx.fail('SOLD_OUT');
            // @ts-expect-error -- no details
            if (count > 2) throw ctx.fail('CLOSED', { free: 1 });
            // @ts-expect-error -- an error of another method
            if (count > 1) throw ctx.fail('LATE');
            return count;
          },
          check: (_state, _input, ctx) => {
            if (ctx.key === 'a') throw ctx.fail('LATE');
            if (ctx.key === 'b') throw ctx.fail('LATE', { byMs: 5 });
            // @ts-expect-error -- these are the details of reserve
            throw ctx.fail('SOLD_OUT', { free: 5 });
          },
          level: (state, _input, ctx) => {
            // @ts-expect-error -- it declares none
            if (state.free < 0) throw ctx.fail('SOLD_OUT', { free: 5 });
            return state.free;
          },
        },
      }),
    );
  });

  test('give the caller their details', () => {
    compiled((error: unknown) => {
      if (isActorError(error, Stock, 'CLOSED')) expectTypeOf(error.details).toEqualTypeOf<void>();
      if (isActorError(error, Stock, 'SOLD_OUT')) {
        expectTypeOf(error.details).toEqualTypeOf<{ free: number } | { since: string }>();
        expectTypeOf(error.actorCode).toEqualTypeOf<'SOLD_OUT'>();
        expectTypeOf(error.message).toEqualTypeOf<string>();
      }
      if (!isActorError(error, Stock)) return;
      expectTypeOf(error.actorCode).toEqualTypeOf<'SOLD_OUT' | 'CLOSED' | 'LATE'>();
      if (error.actorCode === 'LATE')
        expectTypeOf(error.details).toEqualTypeOf<{ byMs?: number } | undefined>();
    });
    // @ts-expect-error -- no method declares it
    compiled((error) => isActorError(error, Stock, 'OVERDRAWN'));
    // @ts-expect-error -- no method of this contract declares any
    compiled((error) => isActorError(error, Counter, 'SOLD_OUT'));
  });

  test('refuse details that JSON would change or lose, and those that callers could not validate', () => {
    // @ts-expect-error -- the details of BAD.at is a Date
    compiled(() => defineActor('x', { a: request({ errors: { BAD: type<{ at: Date }>() } }) }));
    // @ts-expect-error -- the details of BAD is a Map
    compiled(() => defineActor('x', { a: request({ errors: { BAD: type<Map<string, number>>() } }) }));
    // @ts-expect-error -- the details of BAD is bytes
    compiled(() => defineActor('x', { a: request({ errors: { BAD: type<Uint8Array>() } }) }));
    // @ts-expect-error -- the details of BAD are an array
    compiled(() => defineActor('x', { a: request({ errors: { OK: type<void>(), BAD: type<string[]>() } }) }));
    const changed = z.object({ at: z.string().transform((text) => text.length) });
    // @ts-expect-error -- what is sent is a number, and the validator takes text
    compiled(() => defineActor('x', { a: request({ errors: { BAD: changed } }) }));
    const filled = z.object({ at: z.string().default('now'), more: z.unknown() });
    compiled(() => defineActor('x', { a: request({ errors: { OK: filled, OTHER: type<object>() } }) }));
    type Refused = Travelling<{
      readonly a: RequestMethod<void, void, void, void, { BAD: StandardSchemaV1<Dated, Dated> }>;
    }>['a'];
    expectTypeOf<Refused>().toEqualTypeOf<
      CannotTravel<'the details of BAD.lines[].at is a Date, which arrives as a string: declare string'>
    >();
  });

  test('refuse details that are not an object, and methods without an answer', () => {
    // @ts-expect-error -- details are an object
    compiled(() => request({ errors: { SOLD_OUT: z.number() } }));
    // @ts-expect-error -- not a validator
    compiled(() => request({ errors: { SOLD_OUT: { free: 5 } } }));
    // @ts-expect-error -- nobody would receive it
    compiled(() => notify({ errors: { SOLD_OUT: type<void>() } }));
  });
});

describe('a contract', () => {
  test('refuses methods that were not made by request or notify', () => {
    // @ts-expect-error -- no method
    compiled(() => defineActor('counter', { add: (by: number) => by }));
    // @ts-expect-error -- a notify has no output
    compiled(() => defineActor('counter', { add: notify({ output: z.number() }) }));
    // @ts-expect-error -- a notify has no answer whose absence would cause a repeat
    compiled(() => defineActor('counter', { add: notify({ idempotent: true }) }));
    // @ts-expect-error -- true or false
    compiled(() => defineActor('counter', { add: request({ idempotent: 'yes' }) }));
    // @ts-expect-error -- a notify changes something
    compiled(() => defineActor('counter', { add: notify({ readonly: true }) }));
  });

  test('is not an actor yet: a host takes implementations only', () => {
    // @ts-expect-error -- a contract has no handlers
    const actor: Actor = Counter;
    compiled(() => actor);
  });
});

describe('two contracts', () => {
  test('can call each other without any annotation', () => {
    const Ping = defineActor('ping', { hit: request<{ left: number }, string>() });
    const Pong = defineActor('pong', { hit: request<{ left: number }, string>() });
    const ping = Ping.implement({
      setup: () => ({ hits: 0 }),
      handlers: {
        hit: async (state, { left }, ctx) => {
          state.hits++;
          return left === 0 ? 'ping' : `ping ${await ctx.ref(Pong, `${ctx.key}'`).hit({ left: left - 1 })}`;
        },
      },
    });
    const pong = Pong.implement({
      setup: () => ({ hits: 0 }),
      handlers: {
        hit: async (state, { left }, ctx) => {
          state.hits++;
          return left === 0 ? 'pong' : `pong ${await ctx.ref(Ping, `${ctx.key}'`).hit({ left: left - 1 })}`;
        },
      },
    });
    expectTypeOf(ping).toEqualTypeOf<Actor<{ hits: number }>>();
    expectTypeOf(pong).toEqualTypeOf<Actor<{ hits: number }>>();
    compiled(() =>
      Pong.implement({
        setup: () => null,
        handlers: {
          // @ts-expect-error -- the other one wants `left`, also from inside
          hit: (_state, _input, ctx) => ctx.ref(Ping, 'k').hit({ right: 1 }),
        },
      }),
    );
  });
});
