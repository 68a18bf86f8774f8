/** One record of a key's log: who wrote it, and the state, or the events since the record before. */
import { decodeText, encodeText } from '@clstr/core/internal';
import type { RanSegment } from './ran-keys.ts';
import type { StoredReply } from './replies.ts';

/** Who writes: an epoch has one owner. A static cluster has no epochs, so its writers have random names. */
export interface Writer {
  readonly epoch: number;
  readonly name: string;
}

export interface RecordHead {
  readonly writer: Writer;
  /** No two records of one writer have the same. */
  readonly nonce: number;
}

/** An event with the version of its type, and a state with its own. */
export type StoredEvent = readonly [name: string, version: number, data: unknown];

export interface RecordContent extends RecordHead {
  /** In a whole record all that are kept, otherwise those of its turns. */
  readonly replies: readonly StoredReply[];
  /** Keys of calls whose replies are not kept any more; of a whole record. */
  readonly ran: readonly RanSegment[];
  /** The newest time of a call of which nothing is known any more. */
  readonly forgottenMs: number;
  readonly events: readonly StoredEvent[];
  /** Undefined if there is none. */
  readonly state: { readonly version: number; readonly value: unknown } | undefined;
  readonly isWhole: boolean;
}

export interface RecordBody {
  /** As JSON. */
  readonly replies: readonly string[];
  readonly ran: readonly RanSegment[];
  readonly forgottenMs: number;
  readonly events: readonly string[];
  /** The version and the value, both as JSON: `[1,{"cents":5}]`. */
  readonly state: string | undefined;
}

/** Of what is written around a body. */
export const HEAD_LENGTH = 160;

export function encodeRecord(
  { writer, nonce }: RecordHead,
  { events, state, replies, ran, forgottenMs }: RecordBody,
): Uint8Array {
  const head = JSON.stringify({ v: FORMAT, epoch: writer.epoch, by: writer.name, n: nonce }).slice(0, -1);
  const rest = [
    ...(events.length === 0 ? [] : [`"events":[${events.join(',')}]`]),
    ...(state === undefined ? [] : [`"state":${state}`]),
    ...(replies.length === 0 ? [] : [`"replies":[${replies.join(',')}]`]),
    ...(ran.length === 0 ? [] : ['"ran":' + JSON.stringify(ran)]),
    ...(forgottenMs === 0 ? [] : [`"forgotten":${forgottenMs}`]),
  ];
  return encodeText([head, ...rest].join(',') + '}');
}

/** @throws an Error that says what is wrong with it */
export function decodeRecord(bytes: Uint8Array, isWhole: boolean): RecordContent {
  const value: unknown = JSON.parse(decodeText(bytes));
  if (typeof value !== 'object' || value === null) throw new Error('it is not a JSON object');
  const {
    v,
    epoch,
    by,
    n,
    events = [],
    state,
    replies = [],
    ran = [],
    forgotten = 0,
  } = value as Readonly<Record<string, unknown>>;
  if (v !== FORMAT) throw new Error(`its format is ${String(v)}, and this build reads ${FORMAT}`);
  if (!Number.isSafeInteger(epoch) || typeof by !== 'string' || !Number.isSafeInteger(n)) {
    throw new Error('it does not say who wrote it');
  }
  if (!Array.isArray(events) || !events.every(isEvent))
    throw new Error('its events are not a list of events');
  if (state !== undefined && !isState(state)) throw new Error('its state has no version');
  if (!Array.isArray(replies) || !replies.every(isReply) || !Number.isFinite(forgotten)) {
    throw new Error('its replies are not a list of replies');
  }
  if (!Array.isArray(ran) || !ran.every(isSegment)) throw new Error('it does not say which calls have run');
  return {
    replies,
    ran,
    forgottenMs: forgotten as number,
    writer: { epoch: epoch as number, name: by },
    nonce: n as number,
    events,
    state: state === undefined ? undefined : { version: state[0], value: state[1] },
    isWhole,
  };
}

function isEvent(value: unknown): value is StoredEvent {
  return Array.isArray(value) && typeof value[0] === 'string' && Number.isSafeInteger(value[1]);
}

function isReply(value: unknown): value is StoredReply {
  if (!Array.isArray(value)) return false;
  const [key, fingerprint, storedAtMs] = value as unknown[];
  return typeof key === 'string' && typeof fingerprint === 'string' && Number.isFinite(storedAtMs);
}

function isSegment(value: unknown): value is RanSegment {
  return Array.isArray(value) && Number.isFinite(value[0]) && typeof value[1] === 'string';
}

function isState(value: unknown): value is readonly [number, unknown] {
  return Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0]);
}

const FORMAT = 1;
