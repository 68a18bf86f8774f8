/**
 * Refuses values that JSON would silently empty or change, and names the place.
 *
 * Hot path: {@link isPlainJson} looks at every payload before it is encoded (40 to 80 ns for 64 bytes, where
 * `JSON.stringify` takes 400 to 900); only a value that it does not know is walked again, with the path.
 */
import { describe } from '../base/describe.ts';

/** Deeper values take the slow walk, which finds circles. */
const MAX_PLAIN_DEPTH = 32;

/** @throws TypeError that names the path of the value, what the value is, and what to send instead */
export function checkJsonValue(value: unknown): void {
  if (!isPlainLeaf(value) && !(isObject(value) && isPlainJson(value, MAX_PLAIN_DEPTH))) checkSlowly(value);
}

/** Whether an object holds nothing but plain objects, arrays, text, finite numbers, booleans and null. */
function isPlainJson(value: object, depth: number): boolean {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (isPlainLeaf(item)) continue;
      if (!isObject(item) || depth === 0 || !isPlainJson(item, depth - 1)) return false;
    }
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const name in value) {
    const item = (value as Record<string, unknown>)[name];
    // JSON leaves out an undefined field, which is undefined at the receiver too.
    if (isPlainLeaf(item) || item === undefined) continue;
    if (!isObject(item) || depth === 0 || !isPlainJson(item, depth - 1)) return false;
  }
  return true;
}

function isPlainLeaf(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return value - value === 0;
    case 'object':
      return value === null;
    default:
      return false;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Finds what the fast walk did not know. Class instances and deep values pass here if JSON keeps them. */
function checkSlowly(value: unknown): void {
  try {
    new Walk().visit(value, true);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new TypeError('the value is nested too deeply for JSON', { cause: error });
  }
}

class Walk {
  readonly #path: (string | number)[] = [];
  /** The objects around the value that is being visited. */
  readonly #around: object[] = [];

  /** JSON calls the toJSON() of a value, but not that of the result. */
  visit(value: unknown, mayReplace: boolean): void {
    if (isPlainLeaf(value)) return;
    if (mayReplace && hasToJson(value) && !ArrayBuffer.isView(value)) {
      this.#visitReplaced(value);
      return;
    }
    if (value === undefined) {
      // JSON can leave out a field, but not an element of an array.
      if (typeof this.#path.at(-1) === 'number') throw this.#refusal('undefined', 'null', 'send null');
      return;
    }
    if (!isObject(value)) throw this.#leafRefusal(value);
    if (this.#around.includes(value)) {
      throw this.#refusal('an object that contains itself', undefined, 'send a value without circles');
    }
    if (value instanceof String || value instanceof Number || value instanceof Boolean) {
      this.visit(value.valueOf(), false);
      return;
    }
    const advice = adviceFor(value);
    if (advice !== undefined) throw this.#refusal(nameOf(value), becomes(value), advice);
    this.#visitParts(value);
  }

  #visitReplaced(value: { toJSON(key: string): unknown }): void {
    const replaced = value.toJSON(String(this.#path.at(-1) ?? ''));
    if (replaced === null && value instanceof Date) {
      throw this.#refusal('an invalid Date', 'null', 'send null');
    }
    this.visit(replaced, false);
  }

  #visitParts(value: object): void {
    this.#around.push(value);
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) this.#visitPart(i, value[i]);
    } else {
      for (const [name, part] of Object.entries(value)) this.#visitPart(name, part);
    }
    this.#around.pop();
  }

  #visitPart(name: string | number, part: unknown): void {
    this.#path.push(name);
    this.visit(part, true);
    this.#path.pop();
  }

  #leafRefusal(value: unknown): TypeError {
    switch (typeof value) {
      case 'number':
        return this.#refusal(String(value), 'null', 'send a finite number, a text or null');
      case 'bigint':
        return this.#refusal('a bigint', undefined, 'send it as a text');
      default: {
        const isInArray = typeof this.#path.at(-1) === 'number';
        return this.#refusal(`a ${typeof value}`, isInArray ? 'null' : 'nothing', 'leave it out');
      }
    }
  }

  #refusal(what: string, turnsInto: string | undefined, advice: string): TypeError {
    const effect = turnsInto === undefined ? 'which JSON cannot carry' : `which JSON turns into ${turnsInto}`;
    return new TypeError(
      `${pathText(this.#path)} is ${what}, ${effect}: ${advice}, or use a codec that carries it`,
    );
  }
}

/** What to send instead of an object that JSON would empty or change; undefined if JSON keeps the object. */
function adviceFor(value: object): string | undefined {
  if (ArrayBuffer.isView(value) || BINARY.has(tagOf(value))) {
    return 'send bytes as a Uint8Array that is the whole payload, or as base64';
  }
  if (value instanceof Error) return 'send its message, or throw an ActorError';
  const advice = ADVICE.get(tagOf(value));
  if (advice !== undefined) return advice;
  const isEmptied = !Array.isArray(value) && !isPlainObject(value) && Object.keys(value).length === 0;
  return isEmptied ? 'send a plain object, or give its class a toJSON()' : undefined;
}

const BINARY: ReadonlySet<string> = new Set(['ArrayBuffer', 'SharedArrayBuffer']);
const ADVICE: ReadonlyMap<string, string> = new Map([
  ['Map', 'send an array of its entries'],
  ['Set', 'send an array of its values'],
  ['Promise', 'await it first'],
  ['Error', 'send its message, or throw an ActorError'],
  ['RegExp', 'send its source'],
]);

/** Whether `value` is a plain object, of this realm or another one. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Works across realms, where `instanceof` does not. */
function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function nameOf(value: object): string {
  const { constructor } = value as { constructor?: { name?: unknown } };
  const name =
    typeof constructor?.name === 'string' && constructor.name !== '' ? constructor.name : tagOf(value);
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}

function becomes(value: object): string {
  return Object.keys(value).length === 0 ? '{}' : 'an object of its fields';
}

function hasToJson(value: unknown): value is { toJSON(key: string): unknown } {
  return typeof (value as { toJSON?: unknown } | null | undefined)?.toJSON === 'function';
}

const MAX_PATH_LENGTH = 200;

/** `items[2].price`, as code would write it. */
function pathText(path: readonly (string | number)[]): string {
  if (path.length === 0) return 'the value';
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!IDENTIFIER.test(part)) text += `[${describe(part)}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text.length > MAX_PATH_LENGTH ? `…${text.slice(-MAX_PATH_LENGTH)}` : text;
}

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
