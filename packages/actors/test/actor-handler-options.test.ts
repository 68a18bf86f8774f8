import { systemClock } from '@clstr/core';
import { actorHandler, defineActor, request } from '@clstr/actors';
import type { Actor, ActorHandlerOptions } from '@clstr/actors';
import { expect, test, vi } from 'vitest';
import { Cell, cell } from './cell.ts';
import { contextOf, requestOf } from './handler-call.ts';

const { actor } = cell();
const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

test.each([
  ['no list', actor, /^actorHandler: actors must be a list of actors, got an object/],
  ['an empty list', [], /actors must be a list of actors, got an array/],
  ['nothing', undefined, /actors must be a list of actors, got undefined/],
  [
    'a contract',
    [actor, Cell],
    /actors must be a list of actors, each made by implement\(\) of a contract, got an object/,
  ],
  [
    'a hole in the list',
    [undefined],
    /actors must be a list of actors, each made by implement\(\).*, got undefined/,
  ],
  ['null in the list', [null], /actors must be a list of actors, each made by implement\(\).*, got null/],
])('refuses %s instead of actors', (_what, actors, message) => {
  expect(() => actorHandler(actors as unknown as Actor[])).toThrow(refusal(message));
});

test('refuses two actors that take messages of one type, and names all three', () => {
  const Other = defineActor('other', { put: request({ type: 'cell.write' }) });
  const other = Other.implement({ setup: () => null, handlers: { put: () => undefined } });
  expect(() => actorHandler([actor, other])).toThrow(
    refusal(/^actorHandler: actors "cell" and "other" have a method of type "cell.write" each/),
  );
});

test('refuses two actors of one name, and names it', () => {
  const Other = defineActor('cell', { write: request() });
  const other = Other.implement({ setup: () => null, handlers: { write: () => undefined } });
  expect(() => actorHandler([actor, other])).toThrow(refusal(/^actorHandler: two actors are named "cell"/));
});

test.each([0, -1, 1.5, NaN, Infinity, '8', null, 2 ** 23])('refuses the cacheSize %s', (cacheSize) => {
  expect(() => actorHandler([actor], { cacheSize } as ActorHandlerOptions)).toThrow(
    refusal(/^actorHandler: cacheSize must be a whole number from 1 to 8388607, got/),
  );
});

test.each<[name: string, value: unknown, message: RegExp]>([
  ['client', { requestKey: () => 1 }, /client must be an object with a method notifyKey\(\)/],
  ['client', null, /client must be an object with a method requestKey\(\)/],
  ['clock', { monoMs: () => 1, wallMs: () => 1 }, /clock must be an object with a method timer\(\)/],
  [
    'clock',
    { monoMs: () => 1, wallMs: () => 1, timer: () => 1 },
    /clock must be an object with a method macrotask\(\)/,
  ],
  ['clock', null, /clock must be an object with a method monoMs\(\)/],
  [
    'metrics',
    { active: () => 1 },
    /metrics must be an object with at least one of requestEnded\(\), .*, text\(\)/,
  ],
  ['metrics', { panicked: 5 }, /metrics.panicked must be a function, got 5/],
  ['metrics', [{ taskEnded: () => 1 }, null], /metrics must be an object with at least one of/],
  ['logger', console.log, /logger must be an object with a method debug\(\)/],
  ['services', null, /services must be an object, got null/],
  ['services', 'db', /services must be an object, got "db"/],
])('refuses a %s of another shape', (name, value, message) => {
  expect(() => actorHandler([actor], { [name]: value })).toThrow(refusal(message));
});

test('refuses options it does not know, and none at all', () => {
  expect(() => actorHandler([actor], { cache: 5 } as ActorHandlerOptions)).toThrow(
    refusal(/unknown option "cache"; known: cacheSize, services, store, client, clock, metrics, logger/),
  );
  expect(() => actorHandler([actor], null as unknown as ActorHandlerOptions)).toThrow(
    refusal(/options must be an object, got null/),
  );
});

test('needs no options: it has a clock, counts nothing and logs nothing', async () => {
  const timer = vi.spyOn(systemClock, 'timer');
  const script = cell();
  const handler = actorHandler([script.actor]);
  await handler(requestOf('k', { type: 'cell.write', payload: 'x' }), contextOf());
  expect(timer).toHaveBeenCalledWith(expect.any(Function), 15_000);
  expect(script.context('x').services).toEqual({});
  timer.mockRestore();
  await handler.close();
});
