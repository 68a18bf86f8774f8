import { defineActor, notify, request } from '@clstr/actors';
import type { Methods } from '@clstr/actors';
import { describe, expect, test } from 'vitest';

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

describe('defineActor', () => {
  test('makes a frozen contract of a name and methods', () => {
    const contract = defineActor('counter', { add: request<number, number>(), reset: notify() });
    expect(contract.name).toBe('counter');
    expect(Object.keys(contract.methods)).toEqual(['add', 'reset']);
    expect(Object.isFrozen(contract)).toBe(true);
    expect(Object.isFrozen(contract.methods)).toBe(true);
  });

  test('refuses two methods whose messages have one type', () => {
    const twice = { add: request(), put: request({ type: 'counter.add' }) };
    expect(() => defineActor('counter', twice)).toThrow(
      refusal(/^actor counter: the type of method put must be different from that of add, got "counter.add"/),
    );
  });

  test('keeps its methods in a table without a prototype, apart from the object it was given', () => {
    const given: Record<string, Methods[string]> = { add: request() };
    const { methods } = defineActor('counter', given);
    given['later'] = request();
    expect(Object.getPrototypeOf(methods)).toBeNull();
    expect('constructor' in methods).toBe(false);
    expect('later' in methods).toBe(false);
  });

  test.each([
    'then',
    'constructor',
    'toString',
    'valueOf',
    'hasOwnProperty',
    '__proto__',
    '__defineGetter__',
  ])('refuses the method name %s, which every object or every promise has', (name) => {
    expect(() => defineActor('counter', { [name]: request() })).toThrow(
      refusal(new RegExp(`^actor counter: the name of a method must be a letter.*, got "${name}"`)),
    );
  });

  test.each(['', 'a.b', 'a b', '1st', '_add', 'ädd', 'a-b', 'a'.repeat(65), 'add\n'])(
    'refuses the method name %j, which could not be told apart on the wire',
    (name) => {
      expect(() => defineActor('counter', { [name]: request() })).toThrow(
        refusal(/the name of a method must be a letter, then letters, digits and _/),
      );
    },
  );

  test('takes a method name of 64 characters', () => {
    expect(() => defineActor('counter', { ['a'.repeat(64)]: request() })).not.toThrow();
  });

  test('does not take the prototype of its argument for methods', () => {
    expect(() => defineActor('counter', { __proto__: { add: request() } } as unknown as Methods)).toThrow(
      refusal(/methods must be an object with at least one method/),
    );
  });

  test.each(['', '1', 'a.b', 'a/b', 'a b', '-a', 'a'.repeat(65), 7, undefined, null])(
    'refuses the actor name %j',
    (name) => {
      expect(() => defineActor(name as string, { add: request() })).toThrow(
        refusal(
          /^defineActor: name must be a letter, then letters, digits, _ and -, 64 at most, not "clstr", got/,
        ),
      );
    },
  );

  test('refuses the actor name that the framework keeps for itself', () => {
    expect(() => defineActor('clstr', { node: request() })).toThrow(
      refusal(/64 at most, not "clstr", got "clstr"$/),
    );
  });

  test.each([undefined, null, 'add', 5, () => ({})])('refuses %j as methods', (methods) => {
    expect(() => defineActor('counter', methods as unknown as Methods)).toThrow(
      refusal(/methods must be an object with at least one method, got/),
    );
  });

  test('refuses a contract without methods', () => {
    expect(() => defineActor('counter', {})).toThrow(
      refusal(/methods must be an object with at least one method/),
    );
  });

  test.each([undefined, null, {}, { kind: 'event' }, () => 1, 'request'])(
    'refuses %j as a method, and names it',
    (method) => {
      expect(() => defineActor('counter', { add: method } as unknown as Methods)).toThrow(
        refusal(/^actor counter: method add must be made by request\(\) or notify\(\), got/),
      );
    },
  );
});
