/** What `requestMany` takes and returns: a list of calls, and a row for each. */
import { MAX_DELAY_MS, checkInteger, checkKnownOptions, invalidOption } from '../base/options.ts';
import type { ClstrError } from '../base/errors.ts';
import { copyHeaders } from '../wire/envelope.ts';
import { checkCallOptions } from './options.ts';
import type { CallOptions } from './options.ts';

declare const result: unique symbol;

/** One call of a list. `T` is the type of its result, for layers that know it. */
export interface KeyedCall<T = unknown> {
  readonly key: string;
  readonly type: string;
  readonly payload?: unknown;
  readonly options?: ItemOptions | undefined;
  /** The service of the cluster whose nodes answer. Default: that of the client. */
  readonly service?: string | undefined;
  /** Never set: it only holds the type. */
  readonly [result]?: T;
}

/** The options of a call in a list, which win over those of the list. Time and signal are the same for all. */
export type ItemOptions = Omit<CallOptions, 'timeoutMs' | 'signal' | 'callChain' | 'isNested'>;

/** The options of a whole list: one time and one signal for all its calls, and the defaults of the others. */
export type ListOptions = Omit<CallOptions, 'idempotencyKey'>;

/**
 * How one call of a list has ended. It is not a `PromiseSettledResult`, whose `reason` is `any` and whose `status` has to
 * be compared with a text: here `ok` narrows to a value, or to the one class of errors.
 */
export type CallResult<T = unknown> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ClstrError };

const OWNER = 'requestMany';

/** @throws INVALID_OPTION, RESERVED_HEADER, INVALID_ENVELOPE */
export function checkList(calls: unknown, options: ListOptions): void {
  if (!Array.isArray(calls)) throw invalidOption(OWNER, 'the list of calls', calls, 'an array');
  checkCallOptions(options);
  const { timeoutMs, headers, idempotencyKey } = options as CallOptions;
  if (idempotencyKey !== undefined) {
    throw invalidOption(OWNER, 'idempotencyKey', idempotencyKey, 'given with each call, not for the list');
  }
  if (timeoutMs !== undefined) checkInteger(OWNER, 'timeoutMs', timeoutMs, 1, MAX_DELAY_MS);
  copyHeaders(headers);
}

/** Checks one item for what its own call does not check. @throws INVALID_OPTION */
export function checkItem(item: unknown): asserts item is KeyedCall {
  if (typeof item !== 'object' || item === null) {
    throw invalidOption(OWNER, 'each call', item, 'an object { key, type, payload }');
  }
  for (const name in item) {
    if (!ITEM_FIELDS.has(name)) checkKnownOptions('a call of requestMany', item, [...ITEM_FIELDS]);
  }
  const { options } = item as Partial<KeyedCall>;
  if (options !== undefined) checkItemOptions(options);
}

function checkItemOptions(options: CallOptions): void {
  checkCallOptions(options);
  for (const name of OF_THE_LIST) {
    if (options[name] === undefined) continue;
    throw invalidOption('a call of requestMany', name, options[name], 'given for the whole list');
  }
}

const ITEM_FIELDS: ReadonlySet<string> = new Set(['key', 'type', 'payload', 'options', 'service']);
const OF_THE_LIST = ['timeoutMs', 'signal', 'callChain', 'isNested'] as const;
