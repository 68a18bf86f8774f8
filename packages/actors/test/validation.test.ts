import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type as arktype } from 'arktype';
import { actorHandler, defineActor, notify, request, type } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { actorNode, answerOf, watch } from './actor-node.ts';
import { contextOf, requestOf } from './handler-call.ts';

/** The same contract in three libraries: text in, turned into a number; a number up to 100 out. */
const libraries: [
  string,
  StandardSchemaV1<{ by: string }, { by: number }>,
  StandardSchemaV1<number, number>,
][] = [
  ['zod', z.object({ by: z.string().regex(/^\d+$/).transform(Number) }), z.number().max(100)],
  [
    'valibot',
    v.object({ by: v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number)) }),
    v.pipe(v.number(), v.maxValue(100)),
  ],
  ['arktype', arktype({ by: ['/^\\d+$/', '=>', Number] }), arktype('number <= 100')],
];

describe.each(libraries)('with validators of %s', (_library, input, output) => {
  const Counter = defineActor('counter', {
    add: request({ input, output }),
    note: notify({ input }),
  });
  const notes: unknown[] = [];
  const counter = Counter.implement({
    setup: () => ({ value: 0 }),
    handlers: {
      add: (state, { by }) => (state.value += by),
      note: (_state, note) => void notes.push(note),
    },
  });

  test('the handler gets what the validator made of the input', async () => {
    const node = await actorNode([counter]);
    expect(await node.ref(Counter, 'k').add({ by: '7' })).toBe(7);
  });

  test.each([{ by: 'x' }, { by: 7 }, {}, null, undefined, 'text', [], { by: { by: '7' } }])(
    'the input %j is refused as VALIDATION_FAILED, not executed, with the issues',
    async (bad) => {
      const node = await actorNode([counter]);
      const ref = node.ref(Counter, 'k');
      await expect(ref.add(bad as never)).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
        outcome: 'not-executed',
        retryable: false,
        message: expect.stringMatching(/^the input of "counter\.add" is not valid: /),
        details: { issues: [{ message: expect.any(String), path: expect.any(String) }] },
      });
      expect(await ref.add({ by: '1' })).toBe(1);
    },
  );

  test('an issue says where it is', async () => {
    const node = await actorNode([counter]);
    const error = await answerOf(node.ref(Counter, 'k').add({ by: 'x' }));
    expect(error).toMatchObject({ message: expect.stringMatching(/is not valid: by: /) });
  });

  test('an output that does not fit fails as VALIDATION_FAILED, executed', async () => {
    const node = await actorNode([counter]);
    const ref = node.ref(Counter, 'k');
    await expect(ref.add({ by: '101' })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      outcome: 'executed',
      retryable: false,
      message: expect.stringMatching(/^the output of "counter\.add" is not valid: /),
    });
  });

  test('a notify with a bad input never runs', async () => {
    const node = await actorNode([counter]);
    notes.length = 0;
    await node.ref(Counter, 'k').note({ by: 'x' });
    await node.ref(Counter, 'k').note({ by: '5' });
    await node.settled();
    expect(notes).toEqual([{ by: 5 }]);
  });
});

/** A validator that does what the test says. */
function validator(
  validate: (value: unknown) => StandardSchemaV1.Result<string> | Promise<StandardSchemaV1.Result<string>>,
): StandardSchemaV1<string, string> {
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

function echo(
  schemas: { input?: StandardSchemaV1<string, string>; output?: StandardSchemaV1<string, string> },
  handler: (input: string) => string | Promise<string> = (input) => input,
) {
  const { input = type<string>(), output = type<string>() } = schemas;
  const Echo = defineActor('echo', { say: request({ input, output }), plain: request<string, string>() });
  const events: string[] = [];
  const actor = Echo.implement({
    setup: () => null,
    handlers: {
      say: (_state, text) => {
        events.push(text);
        return handler(text);
      },
      plain: (_state, text) => {
        events.push(text);
        return text;
      },
    },
    onError: 'restart',
  });
  let setups = 0;
  const counted = {
    ...actor,
    setup: (ctx: Parameters<typeof actor.setup>[0]) => {
      setups++;
      return actor.setup(ctx);
    },
  };
  return { Echo, actor: counted, events, setups: () => setups };
}

describe('an asynchronous validator', () => {
  test('of the input keeps the order of messages: the turn begins with the check', async () => {
    const gates = [deferred(), deferred()];
    const waiting = [...gates];
    const { Echo, actor, events } = echo({
      input: validator(async (value) => {
        await waiting.shift()!.promise;
        return { value: value as string };
      }),
    });
    const node = await actorNode([actor]);
    const ref = node.ref(Echo, 'k');
    const answers = watch([ref.say('a'), ref.say('b'), ref.plain('c')]);
    gates[1]!.resolve();
    await node.settled();
    expect(events).toEqual([]);
    gates[0]!.resolve();
    await node.settled();
    expect(events).toEqual(['a', 'b', 'c']);
    expect(answers).toEqual([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
  });

  test('of the output keeps the order of messages: the turn ends with the check', async () => {
    const gate = deferred();
    const { Echo, actor, events } = echo({
      output: validator(async (value) => {
        await gate.promise;
        return { value: value as string };
      }),
    });
    const node = await actorNode([actor]);
    const ref = node.ref(Echo, 'k');
    const answers = watch([ref.say('a'), ref.plain('b')]);
    await node.settled();
    expect(events).toEqual(['a']);
    gate.resolve();
    await node.settled();
    expect(answers).toEqual([{ value: 'a' }, { value: 'b' }]);
  });

  test('refuses as a synchronous one does, input as not executed and output as executed', async () => {
    const bad = validator(() => Promise.resolve({ issues: [{ message: 'no', path: ['a', { key: 0 }] }] }));
    for (const [schemas, outcome, ran] of [
      [{ input: bad }, 'not-executed', []],
      [{ output: bad }, 'executed', ['a']],
    ] as const) {
      const { Echo, actor, events } = echo(schemas);
      const node = await actorNode([actor]);
      await expect(node.ref(Echo, 'k').say('a')).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
        outcome,
        details: { issues: [{ message: 'no', path: 'a.0' }] },
      });
      expect(events).toEqual(ran);
    }
  });

  test('may return a promise of a library', async () => {
    const { Echo, actor } = echo({
      input: validator((value) => {
        const result = Promise.resolve({ value: `${String(value)}!` });
        return { then: result.then.bind(result) } as never;
      }),
    });
    const node = await actorNode([actor]);
    expect(await node.ref(Echo, 'k').say('a')).toBe('a!');
  });
});

describe('a validator that fails itself', () => {
  const failures: [string, () => never | Promise<never>, string][] = [
    [
      'throws',
      () => {
        throw new Error('no such table');
      },
      'the validator threw: no such table',
    ],
    ['rejects', () => Promise.reject(new Error('no such table')), 'the validator threw: no such table'],
    [
      'throws no error',
      () => {
        throw Object.create(null);
      },
      'the validator threw: an object',
    ],
    ['returns nothing', () => undefined as never, 'the validator threw: Cannot read properties of undefined'],
    [
      'returns issues of another shape',
      () => ({ issues: [null] }) as never,
      'the validator threw: Cannot destructure',
    ],
  ];

  test.each(failures)('and %s refuses the input, not executed', async (_how, validate, why) => {
    const { Echo, actor, events } = echo({ input: validator(validate) });
    const node = await actorNode([actor]);
    const answer = await answerOf(node.ref(Echo, 'k').say('a'));
    expect(answer).toMatchObject({ code: 'VALIDATION_FAILED', outcome: 'not-executed' });
    expect(answer).toMatchObject({ message: expect.stringContaining(why) });
    expect(events).toEqual([]);
  });

  test.each(failures)('and %s fails the output, executed', async (_how, validate) => {
    const { Echo, actor, events } = echo({ output: validator(validate) });
    const node = await actorNode([actor]);
    expect(await answerOf(node.ref(Echo, 'k').say('a'))).toMatchObject({
      code: 'VALIDATION_FAILED',
      outcome: 'executed',
    });
    expect(events).toEqual(['a']);
  });
});

test('an output is checked also where the input is not', async () => {
  const Half = defineActor('half', { take: request({ output: z.int() }) });
  let taken = 2;
  const half = Half.implement({ setup: () => null, handlers: { take: () => (taken /= 2) } });
  const node = await actorNode([half]);
  const ref = node.ref(Half, 'k');
  expect(await ref.take()).toBe(1);
  expect(await answerOf(ref.take())).toMatchObject({ code: 'VALIDATION_FAILED', outcome: 'executed' });
});

test('at most 16 issues are listed', async () => {
  const issues = Array.from({ length: 50 }, (_, i) => ({ message: `issue ${i}` }));
  const { Echo, actor } = echo({ input: validator(() => ({ issues })) });
  const node = await actorNode([actor]);
  const error = await node
    .ref(Echo, 'k')
    .say('a')
    .catch((reason: unknown) => reason as { details: { issues: unknown[] } });
  expect((error as { details: { issues: unknown[] } }).details.issues).toHaveLength(16);
});

test('the output of a handler that returns a promise of a library is checked when it has settled', async () => {
  const { Echo, actor } = echo({ output: z.string().max(3) }, (text) => {
    const result = Promise.resolve(text);
    return { then: result.then.bind(result) } as never;
  });
  const node = await actorNode([actor]);
  expect(await node.ref(Echo, 'k').say('abc')).toBe('abc');
  expect(await answerOf(node.ref(Echo, 'k').say('abcd'))).toMatchObject({ code: 'VALIDATION_FAILED' });
});

test('an output that does not fit is executed also where no node is in between', async () => {
  const { actor } = echo({ output: z.string().max(3) });
  const call = actorHandler([actor])(requestOf('k', { type: 'echo.say', payload: 'long' }), contextOf());
  await expect(call).rejects.toMatchObject({ code: 'VALIDATION_FAILED', outcome: 'executed' });
});

describe('under onError restart', () => {
  test('a bad input leaves the state as it is: the handler has not seen it', async () => {
    const { Echo, actor, setups } = echo({ input: z.string().max(3) });
    const node = await actorNode([actor]);
    await answerOf(node.ref(Echo, 'k').say('too long'));
    await node.ref(Echo, 'k').say('ok');
    expect(setups()).toBe(1);
  });

  test('a bad output restarts the actor: its handler did something wrong', async () => {
    const { Echo, actor, setups } = echo({ output: z.string().max(3) });
    const node = await actorNode([actor]);
    await answerOf(node.ref(Echo, 'k').say('too long'));
    await node.ref(Echo, 'k').say('ok');
    expect(setups()).toBe(2);
  });

  test('a bad input of a call that the handler made restarts the actor', async () => {
    const { Echo, actor } = echo({ input: z.string().max(3) });
    const Outer = defineActor('outer', { go: request() });
    let outerSetups = 0;
    const outer = Outer.implement({
      setup: () => outerSetups++,
      handlers: {
        go: async (_state, _input, ctx) => {
          await ctx.ref(Echo, 'e').say('too long');
        },
      },
      onError: 'restart',
    });
    const node = await actorNode([actor, outer]);
    for (let i = 0; i < 2; i++) {
      expect(await answerOf(node.ref(Outer, 'o').go())).toMatchObject({ code: 'HANDLER_ERROR' });
    }
    expect(outerSetups).toBe(2);
  });
});
