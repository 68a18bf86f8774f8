import { defaults, defineActor, notify, request } from '@clstr/actors';
import type { Implementation } from '@clstr/actors';
import { describe, expect, test } from 'vitest';

const Counter = defineActor('counter', { add: request<number, number>(), reset: notify() });
type Given = Implementation<typeof Counter.methods, number>;

const setup = (): number => 0;
const handlers = { add: (state: number, by: number) => state + by, reset: () => undefined };

const implement = (given: object) => () => Counter.implement({ setup, handlers, ...given });
const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

test('is data: name, methods, functions and limits, frozen', () => {
  const passivate = (): void => {};
  const discard = (): void => {};
  const limits = { idleMs: 5, mailbox: 6, onError: 'restart' } as const;
  const actor = Counter.implement({ setup, handlers, passivate, discard, ...limits });
  expect(actor).toEqual({
    name: 'counter',
    use: [],
    methods: Counter.methods,
    setup,
    handlers: { add: handlers.add, reset: handlers.reset },
    passivate,
    discard,
    ...limits,
  });
  expect(Object.isFrozen(actor)).toBe(true);
  expect(Object.isFrozen(actor.handlers)).toBe(true);
});

test('takes what is not given from the defaults', () => {
  const { idleMs, mailbox, onError, passivate, discard } = Counter.implement({ setup, handlers });
  expect({ idleMs, mailbox, onError }).toEqual({
    idleMs: defaults.idleMs,
    mailbox: defaults.mailbox,
    onError: 'keep',
  });
  expect([passivate, discard]).toEqual([undefined, undefined]);
});

test('keeps its handlers in a table without a prototype', () => {
  expect(Object.getPrototypeOf(Counter.implement({ setup, handlers }).handlers)).toBeNull();
});

describe('refuses, naming the actor,', () => {
  test.each([
    ['a missing setup', { setup: undefined }, /^actor counter: setup must be a function, got undefined/],
    ['handlers that are not an object', { handlers: 'add' }, /handlers must be an object, got "add"/],
    ['no handlers', { handlers: null }, /handlers must be an object, got null/],
    [
      'a missing handler',
      { handlers: { add: handlers.add } },
      /handler reset must be a function, got undefined/,
    ],
    [
      'a handler that is not a function',
      { handlers: { ...handlers, add: 5 } },
      /handler add must be a function, got 5/,
    ],
    [
      'a handler that it only inherits',
      { handlers: Object.create(handlers) as object },
      /handler add must be a function/,
    ],
    [
      'a handler too many',
      { handlers: { ...handlers, get: setup } },
      /a handler must be for a method of the contract, got "get"/,
    ],
    ['a passivate that is not a function', { passivate: true }, /passivate must be a function, got true/],
    ['a discard that is not a function', { discard: 'no' }, /discard must be a function, got "no"/],
    [
      'an option it does not know',
      { idle: 5 },
      /unknown option "idle"; known: services, use, durable, setup, handlers, passivate/,
    ],
  ])('%s', (_what, given, message) => {
    expect(implement(given)).toThrow(refusal(message));
  });

  test.each([0, -1, 1.5, NaN, Infinity, '8', null, 2 ** 31])('an idleMs of %s', (idleMs) => {
    expect(implement({ idleMs })).toThrow(refusal(/idleMs must be a whole number from 1 to 2147483647/));
  });

  test.each([0, -1, 1.5, NaN, '8', null])('a mailbox of %s', (mailbox) => {
    expect(implement({ mailbox })).toThrow(refusal(/mailbox must be a whole number from 1 to/));
  });

  test.each([{ db: {} }, {}, 5, null, () => true])(
    'services of %j, which needs() did not make',
    (services) => {
      expect(implement({ services })).toThrow(refusal(/services must be made by needs\(\), got/));
    },
  );

  test.each(['stop', true, 0, '', null])('an onError of %j', (onError) => {
    expect(implement({ onError })).toThrow(refusal(/onError must be 'keep' or 'restart', got/));
  });

  test.each([undefined, null, 5])('%s instead of an implementation', (given) => {
    expect(() => Counter.implement(given as unknown as Given)).toThrow(refusal(/options must be an object/));
  });
});
