import { ActorError, ClstrError } from '@clstr/core';
import type { HandlerRequest } from '@clstr/core';
import { actorHandler, defineActor, request } from '@clstr/actors';
import type { Caller } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { actorNode, answerOf, watch } from './actor-node.ts';
import { Cell, cell } from './cell.ts';
import { contextOf, requestOf } from './handler-call.ts';

describe('the messages of one key', () => {
  test('run strictly one at a time, in the order they came', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const gates = ['a', 'b', 'c'].map((name) => script.hold(name));
    const answers = watch(['a', 'b', 'c'].map((name) => ref.write(name)));
    await node.settled();
    expect(script.events).toEqual(['+setup', '-setup', '+a']);
    gates[1]!.resolve();
    await node.settled();
    expect(answers).toEqual([undefined, undefined, undefined]);
    gates[0]!.resolve();
    await node.settled();
    expect(script.events.slice(2)).toEqual(['+a', '-a', '+b', '-b', '+c']);
    gates[2]!.resolve();
    await node.settled();
    expect(answers).toEqual([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
  });

  test('do not wait for those of another key', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    script.hold('stuck');
    const [stuck] = [watch([node.ref(Cell, 'a').write('stuck')])];
    expect(await node.ref(Cell, 'b').write('free')).toBe('free');
    expect(stuck[0]).toBeUndefined();
  });

  test('run together when they are readonly', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const [one, two] = [script.hold('r1'), script.hold('r2')];
    const answers = watch([ref.read('r1'), ref.read('r2')]);
    await node.settled();
    expect(script.events.slice(2)).toEqual(['+r1', '+r2']);
    two.resolve();
    await node.settled();
    expect(answers).toEqual([undefined, { value: 'r2' }]);
    one.resolve();
    await node.settled();
    expect(answers[0]).toEqual({ value: 'r1' });
  });

  test('keep a writer apart from readers, and no reader overtakes a writer that waits', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const [r1, w] = [script.hold('r1'), script.hold('w')];
    const answers = watch([ref.read('r1'), ref.write('w'), ref.read('r2')]);
    await node.settled();
    expect(script.events.slice(2)).toEqual(['+r1']);
    r1.resolve();
    await node.settled();
    expect(script.events.slice(2)).toEqual(['+r1', '-r1', '+w']);
    w.resolve();
    await node.settled();
    expect(script.events.slice(2)).toEqual(['+r1', '-r1', '+w', '-w', '+r2', '-r2']);
    expect(answers).toEqual([{ value: 'r1' }, { value: 'w' }, { value: 'r2' }]);
  });

  test('let the readers behind a writer go on when the writer’s caller gives up', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    script.hold('r1');
    const abort = new AbortController();
    const answers = watch([
      ref.read('r1'),
      ref.write('w', { signal: abort.signal }),
      ref.read('r2'),
      ref.read('r3'),
    ]);
    await node.settled();
    abort.abort();
    await node.settled();
    expect(answers).toEqual([
      undefined,
      expect.objectContaining({ code: 'ABORTED' }),
      { value: 'r2' },
      { value: 'r3' },
    ]);
    expect(script.events).not.toContain('+w');
  });

  test('wait for a handler that returns a promise of a library', async () => {
    const gate = deferred();
    const Lazy = defineActor('lazy', { go: request<void, number>() });
    const events: string[] = [];
    const lazy = Lazy.implement({
      setup: () => null,
      handlers: {
        go: () => {
          events.push('start');
          return {
            then: (...args: Parameters<Promise<void>['then']>) => gate.promise.then(...args),
          } as never;
        },
      },
    });
    const node = await actorNode([lazy]);
    const calls = watch([node.ref(Lazy, 'k').go(), node.ref(Lazy, 'k').go()]);
    await node.settled();
    expect(events).toEqual(['start']);
    gate.resolve();
    await node.settled();
    expect(calls).toEqual([{ value: undefined }, { value: undefined }]);
  });

  test('wait for each other even when a handler’s own call brings the next one', () => {
    const events: string[] = [];
    const Nested = defineActor('nested', { outer: request(), inner: request() });
    // A caller without a bus in between, as a test kit may have.
    const direct = (key: string, type: string): Promise<never> =>
      Promise.resolve(handler(requestOf(key, { type }), contextOf()) as never);
    const nested = Nested.implement({
      setup: () => null,
      handlers: {
        outer: (_state, _input, ctx) => {
          events.push('+outer');
          void Nested.ref({ requestKey: direct, notifyKey: direct } as Caller, ctx.key).inner();
          events.push('-outer');
        },
        inner: () => void events.push('inner'),
      },
    });
    const handler = actorHandler([nested]);
    void handler(requestOf('k', { type: 'nested.outer' }), contextOf());
    expect(events).toEqual(['+outer', '-outer', 'inner']);
  });

  test('run in the very call that brings them when the actor is idle, without a promise', async () => {
    const handler = actorHandler([cell().actor]);
    const write = (payload: string): HandlerRequest => requestOf('k', { type: 'cell.write', payload });
    await handler(write('first'), contextOf());
    expect(handler(write('second'), contextOf())).toBe('second');
  });

  test('20,000 that wait run without a deeper and deeper stack', async () => {
    const script = cell({ mailbox: 20_000 });
    const handler = actorHandler([script.actor]);
    const gate = script.hold('setup');
    const calls = Array.from({ length: 20_000 }, () =>
      handler(requestOf('k', { type: 'cell.write', payload: 'x' }), contextOf()),
    );
    gate.resolve();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['x']));
    expect(script.state().written).toHaveLength(20_000);
  });
});

test('a mailbox of many messages that end at once lets other work have its turn after 256 of them', async () => {
  const script = cell({ mailbox: 1_000 });
  const handler = actorHandler([script.actor]);
  const gate = script.hold('setup');
  const calls = Array.from({ length: 1_000 }, () =>
    handler(requestOf('k', { type: 'cell.write', payload: 'x' }), contextOf()),
  );
  const done: number[] = [];
  gate.resolve();
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    done.push(script.state().written.length);
  }
  await Promise.all(calls);
  expect(done).toEqual([256, 512, 768, 1_000]);
});

test('a message that comes while a mailbox makes such a pause waits behind those in it', async () => {
  const script = cell();
  const handler = actorHandler([script.actor]);
  const write = (payload: string): unknown =>
    handler(requestOf('k', { type: 'cell.write', payload }), contextOf());
  const gate = script.hold('setup');
  const calls = Array.from({ length: 300 }, (_, i) => write(String(i)));
  gate.resolve();
  await calls[0];
  expect(script.state().written).toHaveLength(256);
  calls.push(write('late'));
  await Promise.all(calls);
  expect(script.state().written.at(-1)).toBe('late');
});

describe('the first messages of a key', () => {
  test('1,000 at once share one setup', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const gate = script.hold('setup');
    const ref = node.ref(Cell, 'k');
    const answers = watch(Array.from({ length: 1_000 }, (_, i) => ref.write(String(i))));
    await node.settled();
    expect(script.setups).toBe(1);
    gate.resolve();
    await node.settled();
    expect(
      answers.every((answer, i) => answer !== undefined && 'value' in answer && answer.value === String(i)),
    ).toBe(true);
    expect(script.setups).toBe(1);
    expect(script.state().written).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i)));
  });

  test('all get the error of a setup that fails, which leaves nothing behind', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const gate = script.hold('setup');
    const ref = node.ref(Cell, 'k');
    const answers = watch([ref.write('a'), ref.read('b'), ref.write('c')]);
    await node.settled();
    expect(node.active.get('cell')).toBe(1);
    gate.reject(new ActorError('NO_SUCH_CELL', 'there is no cell k', { key: 'k' }));
    await node.settled();
    const expected = { code: 'ACTOR_ERROR', outcome: 'executed', message: 'there is no cell k' };
    expect(answers).toEqual([expected, expected, expected]);
    expect(node.active.get('cell')).toBe(0);
    expect(await ref.write('d')).toBe('d');
    expect(script.state().written).toEqual(['d']);
    expect(script.events.filter((event) => event.includes('discard'))).toEqual([]);
  });

  test('get the error of a setup that throws at once', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    script.break('setup', new Error('no database'));
    expect(await answerOf(node.ref(Cell, 'k').write('a'))).toMatchObject({
      code: 'INTERNAL',
      outcome: 'executed',
    });
    expect(node.active.get('cell')).toBe(0);
  });
});

describe('a setup that keeps failing', () => {
  test('is tried again at once, then after pauses that double up to 10 s', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    script.break('setup', new Error('no database'));
    const pauses: number[] = [];
    for (let round = 0; round < 10; round++) {
      const before = script.setups;
      const startMs = node.clock.monoMs();
      const answers = watch([ref.write('a')]);
      await node.settled();
      while (script.setups === before) await node.clock.advance(50);
      pauses.push(node.clock.monoMs() - startMs);
      await node.settled();
      expect(answers[0]).toMatchObject({ code: 'INTERNAL' });
    }
    expect(pauses).toEqual([0, 0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000]);
  });

  test('lets messages wait meanwhile, runs them once it works, and forgets that it failed', async () => {
    const script = cell();
    const node = await actorNode([script.actor], {});
    const ref = node.ref(Cell, 'k');
    script.break('setup', new Error('no database'));
    await answerOf(ref.write('a'));
    await answerOf(ref.write('b'));
    script.break('setup', undefined);
    const answers = watch([ref.write('c'), ref.write('d')]);
    await node.settled();
    expect([script.setups, ...answers]).toEqual([2, undefined, undefined]);
    await node.clock.advance(100);
    expect(answers).toEqual([{ value: 'c' }, { value: 'd' }]);
    script.context('d').passivate();
    await node.settled();
    expect(node.active.get('cell')).toBe(0);
    const failing = { message: 'no database' };
    expect(await ref.write('e')).toBe('e');
    script.context('e').passivate();
    await node.settled();
    script.break('setup', new ActorError('NO', failing.message));
    // As if it had never failed: the first failure is free again.
    for (let i = 0; i < 2; i++) expect(await answerOf(ref.write('f'))).toMatchObject(failing);
  });

  test('does not slow down other keys', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    script.break('setup', new Error('no database'));
    for (let i = 0; i < 3; i++) {
      const answer = answerOf(node.ref(Cell, 'bad').write('a'));
      await node.clock.advance(1_000);
      await answer;
    }
    script.break('setup', undefined);
    expect(await node.ref(Cell, 'good').write('b')).toBe('b');
  });

  test('is not tried for messages that have all given up', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    script.break('setup', new Error('no database'));
    for (let i = 0; i < 2; i++) await answerOf(ref.write('a'));
    const call = answerOf(ref.write('b', { timeoutMs: 50 }));
    await node.clock.advance(70);
    expect(await call).toMatchObject({ code: 'ENVELOPE_EXPIRED', outcome: 'not-executed' });
    await node.clock.advance(1_000);
    expect(script.events.filter((event) => event === '+b')).toEqual([]);
  });
});

describe('a mailbox', () => {
  test('at its bound refuses more as OVERLOADED, at once and not executed, for its own key only', async () => {
    const script = cell({ mailbox: 2 });
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const answers = watch(['a', 'b', 'c', 'd'].map((name) => ref.write(name)));
    await node.settled();
    expect(answers).toEqual([
      undefined,
      undefined,
      undefined,
      {
        code: 'OVERLOADED',
        outcome: 'not-executed',
        message: 'cell/k has 2 messages waiting (mailbox), behind "cell.write", which arrived 0 ms ago',
      },
    ]);
    expect(await node.ref(Cell, 'other').write('x')).toBe('x');
    gate.resolve();
    await node.settled();
    expect(answers.slice(0, 3)).toEqual([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
    expect(await ref.write('e')).toBe('e');
  });

  test('has room again when a caller of a message that waits gives up', async () => {
    const script = cell({ mailbox: 1 });
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const abort = new AbortController();
    const answers = watch([ref.write('a'), ref.write('b', { signal: abort.signal })]);
    await node.settled();
    abort.abort();
    await node.settled();
    const late = watch([ref.write('c')]);
    gate.resolve();
    await node.settled();
    expect([...answers, ...late]).toMatchObject([{ value: 'a' }, { code: 'ABORTED' }, { value: 'c' }]);
  });
});

describe('a handler', () => {
  test('that ignores its signal holds its own key only, and its caller gets HANDLER_TIMEOUT', async () => {
    const script = cell();
    const node = await actorNode([script.actor], { node: { handlerTimeoutMs: 1_000 } });
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('stuck');
    const answers = watch([ref.write('stuck')]);
    await node.clock.advance(1_020);
    expect(answers[0]).toMatchObject({ code: 'HANDLER_TIMEOUT', outcome: 'unknown' });
    const next = watch([ref.write('next')]);
    expect(await node.ref(Cell, 'other').write('x')).toBe('x');
    expect(next[0]).toBeUndefined();
    gate.resolve();
    await node.settled();
    expect(next[0]).toEqual({ value: 'next' });
  });

  test('sees its signal fire when its caller gives up', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const gate = script.hold('a');
    const abort = new AbortController();
    const call = answerOf(node.ref(Cell, 'k').write('a', { signal: abort.signal }));
    await node.settled();
    const { signal } = script.context('a');
    expect(signal.aborted).toBe(false);
    abort.abort();
    await node.settled();
    expect(signal.aborted).toBe(true);
    expect(await call).toMatchObject({ code: 'ABORTED', outcome: 'unknown' });
    gate.resolve();
  });

  test('that throws an ActorError reaches its caller whole', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    script.break('a', new ActorError('INSUFFICIENT_FUNDS', 'balance is 3', { balance: 3 }));
    await expect(node.ref(Cell, 'k').write('a')).rejects.toMatchObject({
      name: 'ActorError',
      code: 'ACTOR_ERROR',
      actorCode: 'INSUFFICIENT_FUNDS',
      message: 'balance is 3',
      details: { balance: 3 },
      outcome: 'executed',
      retryable: false,
    });
    expect(node.nodeLines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('that throws anything else is INTERNAL with an id, and whole only in the log of the node', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const error = new TypeError('secret detail');
    script.break('a', error);
    const call = node.ref(Cell, 'k').write('a');
    await expect(call).rejects.toMatchObject({
      code: 'INTERNAL',
      outcome: 'executed',
      retryable: false,
      message: expect.not.stringContaining('secret'),
    });
    const { details } = (await call.catch((reason: unknown) => reason)) as ClstrError;
    const logged = node.nodeLines.find(({ level }) => level === 'error');
    expect(logged?.fields).toMatchObject({ err: error, id: details?.['id'], key: 'k', type: 'cell.write' });
  });

  test('that lets an error of the framework through is HANDLER_ERROR, never to be repeated', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    script.break('a', new ClstrError('OVERLOADED', 'the other one is full'));
    await expect(node.ref(Cell, 'k').write('a')).rejects.toMatchObject({
      code: 'HANDLER_ERROR',
      outcome: 'executed',
      retryable: false,
      details: { code: 'OVERLOADED' },
    });
  });

  test('whose output does not serialise fails as executed, and the actor goes on', async () => {
    const Odd = defineActor('odd', { get: request<void, unknown>(), ok: request<void, number>() });
    const odd = Odd.implement({
      setup: () => null,
      handlers: {
        get: () => {
          const circle: Record<string, unknown> = {};
          return (circle['self'] = circle);
        },
        ok: () => 1,
      },
    });
    const node = await actorNode([odd]);
    expect(await answerOf(node.ref(Odd, 'k').get())).toMatchObject({
      code: 'INVALID_ENVELOPE',
      outcome: 'executed',
    });
    expect(await node.ref(Odd, 'k').ok()).toBe(1);
  });
});

describe('after a failure, the state', () => {
  test.each(['at once', 'later'])('stays as it is by default when the handler fails %s', async (when) => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    await ref.write('a');
    const call = answerOf(failing(script, when, ref, 'b'));
    await node.settled();
    expect(await call).toMatchObject({ code: 'INTERNAL' });
    await ref.write('c');
    expect(script.state()).toEqual({ life: 1, written: ['a', 'c'] });
    expect(script.setups).toBe(1);
  });

  test.each(['at once', 'later'])(
    'is discarded under onError restart, and setup runs again for the next message, when it fails %s',
    async (when) => {
      const script = cell({ onError: 'restart' });
      const node = await actorNode([script.actor]);
      const ref = node.ref(Cell, 'k');
      await ref.write('a');
      const call = answerOf(failing(script, when, ref, 'b'));
      await node.settled();
      expect(await call).toMatchObject({ code: 'INTERNAL' });
      expect(script.events.slice(-2)).toEqual(['+discard', '-discard']);
      expect(script.context('discard').reason).toBe('failed');
      expect(node.active.get('cell')).toBe(0);
      expect(script.setups).toBe(1);
      await ref.write('c');
      expect(script.state()).toEqual({ life: 2, written: ['c'] });
      expect(script.events).not.toContain('+passivate');
    },
  );

  test('is made anew before the messages that waited behind the failure run', async () => {
    const script = cell({ onError: 'restart' });
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const answers = watch(['a', 'b', 'c'].map((name) => ref.write(name)));
    await node.settled();
    gate.reject(new Error('boom'));
    await node.settled();
    expect(answers).toMatchObject([{ code: 'INTERNAL' }, { value: 'b' }, { value: 'c' }]);
    expect(script.events).toEqual([
      '+setup',
      '-setup',
      '+a',
      '+discard',
      '-discard',
      '+setup',
      '-setup',
      '+b',
      '-b',
      '+c',
      '-c',
    ]);
  });

  test('is made anew for each of 1,000 messages that fail one after the other', async () => {
    const script = cell({ onError: 'restart', discard: undefined });
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('setup');
    script.break('a', new Error('boom'));
    const answers = watch(Array.from({ length: 1_000 }, () => ref.write('a')));
    await node.settled();
    gate.resolve();
    await node.settled();
    expect(answers.filter((answer) => answer !== undefined && 'code' in answer)).toHaveLength(1_000);
    expect(script.setups).toBe(1_000);
  });

  test('is not made anew before discard has ended: never two at once', async () => {
    const script = cell({ onError: 'restart' });
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('discard');
    script.break('a', new Error('boom'));
    const answers = watch([ref.write('a'), ref.write('b')]);
    await node.settled();
    expect(script.setups).toBe(1);
    expect(answers[1]).toBeUndefined();
    gate.resolve();
    await node.settled();
    expect(script.setups).toBe(2);
    expect(answers[1]).toEqual({ value: 'b' });
  });

  test('that failed is seen by no reader: they wait for those that run, and for the new one', async () => {
    const script = cell({ onError: 'restart' });
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    await ref.write('a');
    const [good, bad] = [script.hold('good'), script.hold('bad')];
    const answers = watch([ref.read('good'), ref.read('bad')]);
    await node.settled();
    bad.reject(new Error('boom'));
    await node.settled();
    const late = watch([ref.read('late')]);
    await node.settled();
    expect(script.events).not.toContain('+late');
    good.resolve();
    await node.settled();
    expect([...answers, ...late]).toMatchObject([{ value: 'good' }, { code: 'INTERNAL' }, { value: 'late' }]);
    expect(script.state()).toEqual({ life: 2, written: ['late'] });
  });

  test('stays under onError restart when the error was thrown on purpose', async () => {
    const script = cell({ onError: 'restart' });
    const node = await actorNode([script.actor]);
    script.break('a', new ActorError('NO', 'not today'));
    await answerOf(node.ref(Cell, 'k').write('a'));
    await node.ref(Cell, 'k').write('b');
    expect(script.state().life).toBe(1);
  });

  test('stays discarded when discard itself fails, which is logged', async () => {
    const script = cell({ onError: 'restart' });
    const node = await actorNode([script.actor]);
    script.break('a', new Error('boom'));
    const error = new Error('handle is gone');
    script.break('discard', error);
    await answerOf(node.ref(Cell, 'k').write('a'));
    expect(await node.ref(Cell, 'k').write('b')).toBe('b');
    expect(node.lines).toContainEqual({
      level: 'error',
      fields: { event: 'actor.discard_failed', err: error, actor: 'cell', key: 'k', reason: 'failed' },
      message: 'discard of cell/k (failed) failed',
    });
  });
});

function failing(
  script: ReturnType<typeof cell>,
  when: string,
  ref: { write(input: string): Promise<string> },
  name: string,
): Promise<string> {
  if (when === 'at once') script.break(name, new Error('boom'));
  else {
    const gate = script.hold(name);
    queueMicrotask(() => gate.reject(new Error('boom')));
  }
  return ref.write(name);
}
