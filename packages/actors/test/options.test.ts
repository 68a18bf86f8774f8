import type { Clock } from '@clstr/core';
import { systemClock } from '@clstr/core';
import { defaults } from '@clstr/actors';
import { keyHandler, scopedHandler } from '@clstr/actors/keyed';
import type { KeyHandlerOptions, ScopedHandlerOptions } from '@clstr/actors/keyed';
import { deferred } from '@clstr/testing';
import { expect, test } from 'vitest';
import { contextOf, microtasks, outcomeOf, requestOf } from './handler-call.ts';

const create = () => () => undefined;
const extract = () => 'scope';

const refusal = (message: string | RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

test('the defaults are frozen', () => {
  expect(Object.isFrozen(defaults)).toBe(true);
  expect(defaults).toMatchObject({ cacheSize: 1024, closeGraceMs: 2000 });
});

test.each([0, -1, 1.5, NaN, Infinity, '8', null, 2 ** 24 + 1])('refuses the cacheSize %s', (cacheSize) => {
  const options = { cacheSize } as KeyHandlerOptions;
  expect(() => keyHandler(create, options)).toThrow(
    refusal(/^keyHandler: cacheSize must be a whole number from 1 to 16777216, got/),
  );
  expect(() => scopedHandler({ extract, create, ...options })).toThrow(refusal(/^scopedHandler: cacheSize/));
});

test.each([-1, NaN, 0.5, 2 ** 31, '9', null])('refuses the closeGraceMs %s', (closeGraceMs) => {
  expect(() => keyHandler(create, { closeGraceMs } as KeyHandlerOptions)).toThrow(
    refusal(/^keyHandler: closeGraceMs must be a whole number from 0 to 2147483647, got/),
  );
});

test.each([{}, 5, 'clock'])('refuses the clock %j', (clock) => {
  expect(() => keyHandler(create, { clock: clock as Clock })).toThrow(refusal(/^keyHandler: clock must be/));
});

test.each([undefined, null, {}, 'create'])('refuses the create function %j', (value) => {
  expect(() => keyHandler(value as never)).toThrow(refusal(/^keyHandler: create must be a function, got/));
  expect(() => scopedHandler({ extract, create: value as never })).toThrow(
    refusal(/^scopedHandler: create must be a function/),
  );
});

test.each([undefined, null, 'tenant'])('refuses the extract function %j', (value) => {
  expect(() => scopedHandler({ extract: value as never, create })).toThrow(
    refusal(/^scopedHandler: extract must be a function, got/),
  );
});

test('refuses options that it does not know, naming those it knows', () => {
  expect(() => keyHandler(create, { cachesize: 5 } as KeyHandlerOptions)).toThrow(
    refusal('keyHandler: unknown option "cachesize"; known: cacheSize, closeGraceMs, clock'),
  );
  expect(() => keyHandler(create, { extract } as KeyHandlerOptions)).toThrow(
    refusal(/unknown option "extract"/),
  );
  expect(() => scopedHandler({ extract, create, max: 1 } as ScopedHandlerOptions)).toThrow(
    refusal(/^scopedHandler: unknown option "max"; known: extract, create, cacheSize/),
  );
});

test.each([null, undefined, 5])('refuses %j in place of the options', (options) => {
  expect(() => scopedHandler(options as never)).toThrow(refusal(/^scopedHandler: options must be an object/));
  if (options === undefined) return;
  expect(() => keyHandler(create, options as never)).toThrow(
    refusal(/^keyHandler: options must be an object/),
  );
});

test('takes undefined for the default, of which the cache holds 1,024', async () => {
  const handler = keyHandler(() => () => held.promise, { cacheSize: undefined, closeGraceMs: undefined });
  const held = deferred();
  const call = (key: string): Promise<{ error?: unknown }> =>
    outcomeOf(() => handler(requestOf(key), contextOf()));
  const calls = Array.from({ length: defaults.cacheSize }, (_, i) => call(`key-${i}`));
  expect(await call('one more')).toMatchObject({ error: { code: 'OVERLOADED' } });
  held.resolve();
  expect((await Promise.all(calls)).every(({ error }) => error === undefined)).toBe(true);
});

test('waits for the default closeGraceMs on the injected clock', async () => {
  const delays: number[] = [];
  const clock: Clock = {
    ...systemClock,
    timer: (_fn, delayMs) => {
      delays.push(delayMs);
      return () => {};
    },
  };
  await keyHandler(create, { clock }).close();
  await keyHandler(create, { clock, closeGraceMs: 0 }).close();
  await microtasks();
  expect(delays).toEqual([defaults.closeGraceMs, 0]);
});
