/** The type, key and headers that travel with a payload, and their rules, which both ends check. */
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import { encodeText, hasLoneSurrogate } from '../base/bytes.ts';

export type Headers = Readonly<Record<string, string>>;

export const envelopeLimits = {
  /** Longest message type, in bytes of UTF-8. */
  maxTypeBytes: 255,
  /** Longest routing key on the wire, in bytes of UTF-8. */
  maxKeyBytes: 65_535,
  /** Most headers of one message. */
  maxHeaders: 64,
  /** Names and values of all headers together, in bytes of UTF-8. */
  maxHeaderBytes: 16_384,
} as const;
Object.freeze(envelopeLimits);

/** Message types with this prefix belong to the framework. */
export const RESERVED_TYPE_PREFIX = 'clstr.';
export const NODE_INFO_TYPE = 'clstr.node.info';
/** A question that any node answers, whatever it owns, on the nodes' common subject and on its own. */
export const TOPOLOGY_TYPE = 'clstr.topology';
/** A node sends it to itself to learn whether messages reach it; its key names the run it is for. */
export const PROBE_TYPE = 'clstr.probe';
/** The next owner of a shard asks the former one for the replies that it keeps. */
export const REPLIES_TYPE = 'clstr.replies';
/** Header names with this prefix, in upper or lower case, belong to the framework. */
const RESERVED_HEADER_PREFIX = 'x-clstr-';

export const NO_HEADERS: Headers = Object.freeze(Object.create(null) as Record<string, string>);

/** @throws INVALID_ENVELOPE when `type` is empty, too long, has control characters or is not well-formed text. */
export function checkType(type: unknown): void {
  if (typeof type !== 'string' || type === '' || !isPrintable(type)) {
    throw invalid(`the message type must be a non-empty printable string, got ${describe(type)}`);
  }
  if (byteLength(type) > envelopeLimits.maxTypeBytes) {
    throw invalid(`the message type ${describe(type)} is longer than ${envelopeLimits.maxTypeBytes} bytes`);
  }
}

/** @throws INVALID_ENVELOPE as {@link checkType}, and when a caller uses one of the framework's own types. */
export function checkCallerType(type: string): void {
  checkType(type);
  if (type.startsWith(RESERVED_TYPE_PREFIX)) {
    throw invalid(
      `message types starting with "${RESERVED_TYPE_PREFIX}" are reserved, got ${describe(type)}`,
    );
  }
}

/**
 * @throws KEY_REQUIRED when `key` is not a string, is empty, or has no UTF-8 form (two such keys could become one);
 * INVALID_ENVELOPE when it is longer than `maxBytes`.
 */
export function checkKey(key: unknown, maxBytes: number): void {
  if (typeof key !== 'string' || key === '') {
    throw new ClstrError('KEY_REQUIRED', `the routing key must be a non-empty string, got ${describe(key)}`);
  }
  if (hasLoneSurrogate(key)) {
    throw new ClstrError('KEY_REQUIRED', `the routing key ${describe(key)} has half a surrogate pair`);
  }
  const bytes = byteLength(key);
  if (bytes > maxBytes) {
    throw invalid(`the routing key ${describe(key)} has ${bytes} bytes, more than ${maxBytes} (maxKeyBytes)`);
  }
}

/**
 * A checked copy of `headers` without a prototype, or undefined when there are none. It leaves those in `except` out.
 *
 * @throws RESERVED_HEADER for a name that starts with `x-clstr-`; INVALID_ENVELOPE for anything else wrong.
 */
export function copyHeaders(headers: unknown, except: ReadonlySet<string> = NO_NAMES): Headers | undefined {
  if (headers === undefined) return undefined;
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw invalid(`headers must be an object of strings, got ${describe(headers)}`);
  }
  let names = Object.keys(headers);
  if (except.size > 0) names = names.filter((name) => !except.has(name));
  if (names.length === 0) return undefined;
  if (names.length > envelopeLimits.maxHeaders) {
    throw invalid(`${names.length} headers are more than ${envelopeLimits.maxHeaders}`);
  }
  const copy = Object.create(null) as Record<string, string>;
  let bytes = 0;
  for (const name of names) {
    const value = (headers as Record<string, unknown>)[name];
    checkHeader(name, value);
    bytes += byteLength(name) + byteLength(value);
    copy[name] = value;
  }
  if (bytes > envelopeLimits.maxHeaderBytes) {
    throw invalid(`the headers take ${bytes} bytes, more than ${envelopeLimits.maxHeaderBytes}`);
  }
  return copy;
}

const NO_NAMES: ReadonlySet<string> = new Set();

function isReservedHeader(name: string): boolean {
  return name.slice(0, RESERVED_HEADER_PREFIX.length).toLowerCase() === RESERVED_HEADER_PREFIX;
}

function checkHeader(name: string, value: unknown): asserts value is string {
  if (isReservedHeader(name)) {
    throw new ClstrError(
      'RESERVED_HEADER',
      `header ${describe(name)}: names starting with "${RESERVED_HEADER_PREFIX}" are reserved`,
    );
  }
  if (name === '' || !isPrintable(name)) {
    throw invalid(`a header name must be a non-empty printable string, got ${describe(name)}`);
  }
  if (typeof value !== 'string') {
    throw invalid(`header ${describe(name)} must be a string, got ${describe(value)}`);
  }
  if (!isPrintable(value)) {
    throw invalid(`header ${describe(name)} has a control character or half a surrogate pair`);
  }
}

const CONTROL = /[\u0000-\u001f\u007f]/;
/** Almost all texts are; one test then takes the place of three, and of the encoder, which takes 100 ns. */
const PRINTABLE_ASCII = /^[ -~]*$/;

function isPrintable(text: string): boolean {
  return PRINTABLE_ASCII.test(text) || !(CONTROL.test(text) || hasLoneSurrogate(text));
}

/** Whether `value` is printable text of 1 to `maxBytes` bytes of UTF-8. */
export function isShortText(value: unknown, maxBytes: number): value is string {
  return typeof value === 'string' && value !== '' && isPrintable(value) && byteLength(value) <= maxBytes;
}

function byteLength(text: string): number {
  return PRINTABLE_ASCII.test(text) ? text.length : encodeText(text).length;
}

function invalid(message: string): ClstrError {
  return new ClstrError('INVALID_ENVELOPE', message);
}
