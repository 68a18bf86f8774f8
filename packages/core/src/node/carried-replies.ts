/** The replies of a shard as they go from its former owner to the next one: in parts that fit into messages. */
import { bytesOfText, textOfBytes } from '../base/byte-text.ts';
import { errorFromRecord } from '../wire/error-record.ts';
import { keptError, sizeOf } from './kept-reply.ts';
import type { KeptReply } from './kept-reply.ts';

/** What one idempotency key takes with it. */
export interface CarriedReply {
  readonly key: string;
  readonly fingerprint: string;
  readonly reply: KeptReply;
}

/** The question of the next owner: `from` is the first reply that it does not have. */
export interface CarryQuestion {
  readonly secret: string;
  readonly from: number;
}

export interface CarriedPart {
  readonly replies: readonly CarriedReply[];
  /** Where the next part begins; undefined after the last. */
  readonly next: number | undefined;
  /** For how long the former owner has known all keys of the shard, in milliseconds. */
  readonly completeForMs: number;
}

/** Replies in one part; each may be {@link MAX_KEPT_BYTES} long, and longer as JSON. */
const PART_BYTES = 65_536;
const PART_REPLIES = 1_000;

export function encodePart(
  replies: readonly CarriedReply[],
  from: number,
  completeForMs: number,
): { text: string; isLast: boolean } {
  let to = from;
  for (let bytes = 0; to < replies.length && bytes < PART_BYTES && to - from < PART_REPLIES; to++) {
    bytes += sizeOf(replies[to]!.reply) + replies[to]!.key.length;
  }
  const isLast = to >= replies.length;
  const next = isLast ? undefined : to;
  return {
    text: JSON.stringify({ replies: replies.slice(from, to).map(toRow), next, completeForMs }),
    isLast,
  };
}

/** @throws TypeError for what no owner sends */
export function decodePart(part: unknown): CarriedPart {
  const { replies, next, completeForMs } = (part ?? {}) as Partial<Record<string, unknown>>;
  const isPart =
    Array.isArray(replies) && isTime(completeForMs) && (next === undefined || Number.isSafeInteger(next));
  if (!isPart) throw new TypeError('not a part of the replies of a shard');
  return { replies: replies.map(fromRow), next: next as number | undefined, completeForMs };
}

export function decodeQuestion(question: unknown): CarryQuestion | undefined {
  const { secret, from } = (question ?? {}) as Partial<Record<string, unknown>>;
  const isQuestion = typeof secret === 'string' && Number.isSafeInteger(from) && (from as number) >= 0;
  return isQuestion ? { secret, from: from as number } : undefined;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value);
}

/** `[key, fingerprint, isRaw, text]`, or `bytes` after a null for the text, or an error after two. */
type Row = readonly [string, string, boolean, string | null, string | null, unknown];

function toRow({ key, fingerprint, reply: { payload, isRaw, error } }: CarriedReply): Row {
  if (error !== undefined) return [key, fingerprint, isRaw, null, null, error];
  return typeof payload === 'string'
    ? [key, fingerprint, isRaw, payload, null, null]
    : [key, fingerprint, isRaw, null, textOfBytes(payload), null];
}

function fromRow(row: unknown): CarriedReply {
  const [key, fingerprint, isRaw, text, bytes, error] = (Array.isArray(row) ? row : []) as unknown[];
  if (typeof key !== 'string' || typeof fingerprint !== 'string' || typeof isRaw !== 'boolean') {
    throw new TypeError('not the reply of a call');
  }
  if (typeof text === 'string')
    return { key, fingerprint, reply: { payload: text, isRaw, error: undefined } };
  if (typeof bytes !== 'string') return { key, fingerprint, reply: keptError(errorFromRecord(error)) };
  return { key, fingerprint, reply: { payload: bytesOfText(bytes), isRaw, error: undefined } };
}
