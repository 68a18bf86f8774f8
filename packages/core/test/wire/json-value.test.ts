import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkJsonValue } from '../../src/wire/json-value.ts';

class Money {
  readonly #cents = 5;
  get cents(): number {
    return this.#cents;
  }
}
class Point {
  readonly x = 1;
  readonly y = [2];
}

function circle(): object {
  const parent: { children: object[] } = { children: [] };
  parent.children.push({ parent });
  return parent;
}

function deep(levels: number, innermost: unknown): unknown {
  let value = innermost;
  for (let i = 0; i < levels; i++) value = { o: value };
  return value;
}

describe('passes', () => {
  test.each([
    ['text', 'a'],
    ['null', null],
    ['a number', 5.5],
    ['a plain object', { a: 1, b: 'x', c: [true, null, { d: -0 }] }],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 })],
    ['an object of another realm', runInNewContext('({ a: [1, {}] })')],
    ['a field that is undefined', { a: undefined, b: 1 }],
    ['an instance whose fields JSON keeps', { point: new Point() }],
    ['an empty object and an empty array', [{}, []]],
    ['a Date, by its toJSON()', { at: new Date(0) }],
    ['a URL, by its toJSON()', { at: new URL('http://x/') }],
    ['boxed text', new String('a')],
    ['the same object twice', ((one: object) => [one, one])({ a: 1 })],
    ['a field whose toJSON() returns undefined', { a: { toJSON: () => undefined } }],
    ['100 levels', deep(100, 1)],
  ])('%s', (_, value) => {
    expect(() => {
      checkJsonValue(value);
    }).not.toThrow();
  });

  test('any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        checkJsonValue(value);
      }),
    );
  });
});

describe('refuses', () => {
  const ofBytes = 'send bytes as a Uint8Array that is the whole payload, or as base64';
  const failure: Error & { code?: string } = Object.assign(new Error('lost?'), { code: 'ENOENT' });
  test.each<[string, unknown, string]>([
    [
      'a Map',
      { at: new Map([[1, 2]]) },
      'at is a Map, which JSON turns into {}: send an array of its entries',
    ],
    ['a Set', [1, new Set()], '[1] is a Set, which JSON turns into {}: send an array of its values'],
    ['a Map itself', new Map(), 'the value is a Map, which JSON turns into {}: send an array of its entries'],
    ['a Map of another realm', runInNewContext('({ m: new Map() })'), 'm is a Map, which JSON turns into {}'],
    ['a WeakMap', { w: new WeakMap() }, 'w is a WeakMap, which JSON turns into {}: send a plain object'],
    [
      'an ArrayBuffer',
      new ArrayBuffer(4),
      `the value is an ArrayBuffer, which JSON turns into {}: ${ofBytes}`,
    ],
    [
      'a DataView',
      { v: new DataView(new ArrayBuffer(2)) },
      `v is a DataView, which JSON turns into {}: ${ofBytes}`,
    ],
    [
      'a typed array',
      { a: { b: new Float32Array([1]) } },
      `a.b is a Float32Array, which JSON turns into an object of its fields: ${ofBytes}`,
    ],
    [
      'a Buffer inside',
      { file: Buffer.from('x') },
      `file is a Buffer, which JSON turns into an object of its fields: ${ofBytes}`,
    ],
    [
      'a promise',
      { user: Promise.resolve(1) },
      'user is a Promise, which JSON turns into {}: await it first',
    ],
    [
      'an error',
      { err: new RangeError('x') },
      'err is a RangeError, which JSON turns into {}: send its message, or throw an ActorError',
    ],
    ['an error with fields', [failure], '[0] is an Error, which JSON turns into an object of its fields'],
    ['a regular expression', /x/g, 'the value is a RegExp, which JSON turns into {}: send its source'],
    [
      'an instance without fields',
      { price: new Money() },
      'price is a Money, which JSON turns into {}: send a plain object, or give its class a toJSON()',
    ],
    [
      'search parameters',
      { q: new URLSearchParams('a=1') },
      'q is a URLSearchParams, which JSON turns into {}',
    ],
    [
      'NaN',
      { items: [{ price: NaN }] },
      'items[0].price is NaN, which JSON turns into null: send a finite number, a text or null',
    ],
    ['an infinity itself', -Infinity, 'the value is -Infinity, which JSON turns into null'],
    ['a boxed NaN', { n: new Number(NaN) }, 'n is NaN, which JSON turns into null'],
    [
      'an invalid date',
      { at: new Date(NaN) },
      'at is an invalid Date, which JSON turns into null: send null',
    ],
    ['a bigint', { id: 10n }, 'id is a bigint, which JSON cannot carry: send it as a text'],
    ['undefined in an array', [1, undefined], '[1] is undefined, which JSON turns into null: send null'],
    ['a hole', { a: [, 1] }, 'a[0] is undefined, which JSON turns into null: send null'],
    ['a function', () => 1, 'the value is a function, which JSON turns into nothing: leave it out'],
    ['a function in an array', [() => 1], '[0] is a function, which JSON turns into null: leave it out'],
    [
      'a method of its own',
      { a: 1, save() {} },
      'save is a function, which JSON turns into nothing: leave it out',
    ],
    [
      'a symbol',
      { 'no name': Symbol('s') },
      '["no name"] is a symbol, which JSON turns into nothing: leave it out',
    ],
    [
      'a circle',
      circle(),
      'children[0].parent is an object that contains itself, which JSON cannot carry: send a value without circles',
    ],
    [
      'what a toJSON() returned',
      { a: { toJSON: () => new Date(0) } },
      'a is a Date, which JSON turns into {}',
    ],
    ['what lies deep', deep(100, NaN), 'o.o is NaN, which JSON turns into null'],
  ])('%s', (_, value, message) => {
    const refused = (): void => {
      checkJsonValue(value);
    };
    expect(refused).toThrow(TypeError);
    expect(refused).toThrow(message);
    expect(refused).toThrow(/, or use a codec that carries it$/);
  });

  test('what is too deep for the stack', () => {
    expect(() => {
      checkJsonValue(deep(1_000_000, 1));
    }).toThrow('the value is nested too deeply for JSON');
  });

  test('with a path that has an end', () => {
    const refused = (): void => {
      checkJsonValue({ ['k'.repeat(10_000)]: NaN });
    };
    expect(refused).toThrow(/^…k{200} is NaN/);
  });

  test('nothing that a bigint with a toJSON() of its own can say', () => {
    const prototype = BigInt.prototype as { toJSON?: () => string };
    prototype.toJSON = function (this: bigint) {
      return this.toString();
    };
    try {
      checkJsonValue({ id: 10n });
    } finally {
      delete prototype.toJSON;
    }
  });
});
