/** Reads entries from bytes: walks a batch of the native wire and checks every length on the way. */
import { NO_HEADERS, envelopeLimits } from './envelope.ts';
import type { Headers } from './envelope.ts';
import { errorFromRecord } from './error-record.ts';
import { ClstrError, isErrorCode } from '../base/errors.ts';
import {
  FRAME_MAGIC,
  FRAME_VERSION,
  BATCH_ERROR,
  REQUEST,
  NOTIFY,
  REPLY,
  CANCEL,
  FLAG_RAW,
  FLAG_KEY,
  FLAG_ERROR,
  BATCH_HEADER_BYTES,
  ENTRY_HEADER_BYTES,
  MESSAGE_FIXED_BYTES,
  REPLY_FIXED_BYTES,
  CANCEL_BYTES,
  MAX_BATCH_ENTRIES,
  NO_TTL,
} from './frame-layout.ts';
import { byteString, decodeShortText, decodeText, decodeTextLossy, isAscii } from '../base/bytes.ts';
import type { InboundEntry } from './transport.ts';

/** Gets the entries of a batch in order. */
export interface FrameVisitor {
  /** The payload is part of the batch. */
  onMessage(entry: InboundEntry): void;
  /** Exactly one of `error` and `payload` is meaningful; `payload` is part of the batch. */
  onReply(attempt: number, payload: string | Uint8Array, isRaw: boolean, error: ClstrError | undefined): void;
  onCancel(clientId: number, attempt: number): void;
  onBatchError(error: ClstrError): void;
  /** One entry was malformed and skipped, or the batch ended inside an entry. */
  onMalformed(reason: string): void;
}

/** `unsupported` means another version, of which only a batch error is read. */
export type FrameResult = 'decoded' | 'unsupported' | 'not-a-frame';

export function isFrame(bytes: Uint8Array): boolean {
  return bytes[0] === FRAME_MAGIC;
}

/**
 * Whether a batch of this version has more entries than a node reads: an entry of few bytes costs as much work as any,
 * and nothing else gets a turn before the last one.
 */
export function isCrowded(bytes: Uint8Array): boolean {
  if (bytes.length <= MAX_BATCH_ENTRIES * ENTRY_HEADER_BYTES || bytes[1] !== FRAME_VERSION) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let entries = 0;
  for (let at = BATCH_HEADER_BYTES; at + ENTRY_HEADER_BYTES <= bytes.length; entries++) {
    if (entries === MAX_BATCH_ENTRIES) return true;
    at += ENTRY_HEADER_BYTES + view.getUint32(at + 1);
  }
  return false;
}

/** Walks a batch that arrived at `receivedAtMs`. Never throws for any input, unless the visitor does. */
export function decodeFrame(bytes: Uint8Array, visitor: FrameVisitor, receivedAtMs: number): FrameResult {
  if (bytes.length < BATCH_HEADER_BYTES || bytes[0] !== FRAME_MAGIC) return 'not-a-frame';
  const isSupported = bytes[1] === FRAME_VERSION;
  const batch = new Batch(bytes);
  const { view } = batch;
  let offset = BATCH_HEADER_BYTES;
  while (offset < bytes.length) {
    if (bytes.length - offset < ENTRY_HEADER_BYTES) {
      visitor.onMalformed('entry header cut off');
      break;
    }
    const kind = bytes[offset]!;
    const start = offset + ENTRY_HEADER_BYTES;
    const length = view.getUint32(offset + 1);
    if (length > bytes.length - start) {
      visitor.onMalformed('entry longer than the batch');
      break;
    }
    const end = start + length;
    if (kind === BATCH_ERROR) visitor.onBatchError(decodeBatchError(bytes.subarray(start, end)));
    else if (isSupported) decodeEntry(kind, batch, start, end, visitor, receivedAtMs);
    offset = end;
  }
  return isSupported ? 'decoded' : 'unsupported';
}

/** Longer payloads stay bytes: decoding them is then faster than looking at them here. */
const LONGEST_TEXT = 4_096;

/** A longer batch carries a large payload, and is not worth copying for the short texts beside it. */
const LONGEST_BATCH_AS_TEXT = 65_536;

/** V8 copies a substring below this length; a longer one would keep the whole text alive as long as the key. */
const SHARED_FROM = 13;

/** A batch that is being read. */
class Batch {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #text: string | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * Hot path. An ASCII payload is cut out of one text of the whole batch, which for 64 bytes takes less than half the time
   * of a view and a decoder: docs/decisions/0010.
   */
  payload(start: number, end: number, isRaw: boolean): string | Uint8Array {
    const text = isRaw || end - start > LONGEST_TEXT ? undefined : this.#ascii(start, end);
    return text ?? this.bytes.subarray(start, end);
  }

  /** @throws TypeError when the bytes are not UTF-8. */
  key(start: number, end: number): string {
    const text = end - start < SHARED_FROM ? this.#ascii(start, end) : undefined;
    return text ?? decodeShortText(this.bytes, start, end);
  }

  #ascii(start: number, end: number): string | undefined {
    if (this.bytes.length > LONGEST_BATCH_AS_TEXT || !isAscii(this.view, start, end)) return undefined;
    this.#text ??= byteString(this.bytes);
    return this.#text?.slice(start, end);
  }
}

/** Skips kinds that this version does not know, so that later versions can add some. */
function decodeEntry(
  kind: number,
  batch: Batch,
  start: number,
  end: number,
  visitor: FrameVisitor,
  receivedAtMs: number,
): void {
  if (kind === REPLY) decodeReply(batch, start, end, visitor);
  else if (kind === REQUEST || kind === NOTIFY) decodeMessage(kind, batch, start, end, visitor, receivedAtMs);
  else if (kind === CANCEL) decodeCancel(batch.view, start, end, visitor);
}

function decodeMessage(
  kind: number,
  batch: Batch,
  start: number,
  end: number,
  visitor: FrameVisitor,
  receivedAtMs: number,
): void {
  if (end - start < MESSAGE_FIXED_BYTES) {
    visitor.onMalformed('message shorter than its fixed part');
    return;
  }
  const { bytes, view } = batch;
  const flags = view.getUint8(start);
  const clientId = readSafeInteger(view, start + 1);
  const attempt = readSafeInteger(view, start + 9);
  const ttl = view.getUint32(start + 21);
  const typeEnd = start + MESSAGE_FIXED_BYTES + view.getUint8(start + 25);
  const keyEnd = typeEnd + view.getUint16(start + 26);
  const headersEnd = keyEnd + view.getUint32(start + 28);
  const extensionsEnd = headersEnd + view.getUint16(start + 32);
  if (extensionsEnd > end) {
    visitor.onMalformed('message parts longer than the message');
    return;
  }
  if (clientId < 0 || attempt < 0) {
    visitor.onMalformed('attempt id beyond 2^53');
    return;
  }
  let type: string;
  let key: string | undefined;
  let headers: Headers | undefined;
  try {
    type = readType(bytes, start + MESSAGE_FIXED_BYTES, typeEnd);
    key = (flags & FLAG_KEY) === 0 ? undefined : batch.key(typeEnd, keyEnd);
    headers = headersEnd === keyEnd ? undefined : decodeHeaders(bytes, view, keyEnd, headersEnd);
  } catch (error) {
    visitor.onMalformed(error instanceof MalformedHeaders ? error.message : 'text that is not UTF-8');
    return;
  }
  const isRaw = (flags & FLAG_RAW) !== 0;
  const payload = batch.payload(extensionsEnd, end, isRaw);
  const shard = view.getUint32(start + 17);
  const ttlMs = ttl === NO_TTL ? undefined : ttl;
  visitor.onMessage(
    new ReadMessage(
      kind === NOTIFY,
      clientId,
      attempt,
      shard,
      type,
      key,
      headers,
      payload,
      isRaw,
      ttlMs,
      receivedAtMs,
    ),
  );
}

/** A class, because objects that wait must not be literals: docs/decisions/0011. Positional, because it is hot. */
class ReadMessage implements InboundEntry {
  readonly isNotify: boolean;
  readonly clientId: number;
  readonly attempt: number;
  readonly shard: number;
  readonly type: string;
  readonly key: string | undefined;
  readonly headers: Headers | undefined;
  readonly payload: string | Uint8Array;
  readonly isRaw: boolean;
  readonly ttlMs: number | undefined;
  readonly receivedAtMs: number;

  constructor(
    isNotify: boolean,
    clientId: number,
    attempt: number,
    shard: number,
    type: string,
    key: string | undefined,
    headers: Headers | undefined,
    payload: string | Uint8Array,
    isRaw: boolean,
    ttlMs: number | undefined,
    receivedAtMs: number,
  ) {
    this.isNotify = isNotify;
    this.clientId = clientId;
    this.attempt = attempt;
    this.shard = shard;
    this.type = type;
    this.key = key;
    this.headers = headers;
    this.payload = payload;
    this.isRaw = isRaw;
    this.ttlMs = ttlMs;
    this.receivedAtMs = receivedAtMs;
  }
}

/** Most entries have the type of the one before: comparing the bytes is cheaper than decoding them. */
function readType(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length === lastTypeBytes.length) {
    let i = 0;
    while (i < length && bytes[start + i] === lastTypeBytes[i]) i++;
    if (i === length) return lastType;
  }
  const type = decodeText(bytes.subarray(start, end));
  lastTypeBytes = new Uint8Array(bytes.subarray(start, end));
  lastType = type;
  return type;
}

let lastType = '';
let lastTypeBytes: Uint8Array = new Uint8Array(0);

class MalformedHeaders extends Error {}

function decodeHeaders(bytes: Uint8Array, view: DataView, start: number, end: number): Headers {
  if (end - start < 2) throw new MalformedHeaders('header block shorter than its count');
  const count = view.getUint16(start);
  if (count > envelopeLimits.maxHeaders) throw new MalformedHeaders('too many headers');
  if (count === 0) return NO_HEADERS;
  const headers = Object.create(null) as Record<string, string>;
  let offset = start + 2;
  const text = (): string => {
    if (end - offset < 2) throw new MalformedHeaders('header cut off');
    const from = offset + 2;
    const to = from + view.getUint16(offset);
    if (to > end) throw new MalformedHeaders('header longer than its block');
    offset = to;
    return decodeShortText(bytes, from, to);
  };
  for (let i = 0; i < count; i++) {
    const name = text();
    headers[name] = text();
  }
  return headers;
}

function decodeReply(batch: Batch, start: number, end: number, visitor: FrameVisitor): void {
  if (end - start < REPLY_FIXED_BYTES) {
    visitor.onMalformed('reply shorter than its fixed part');
    return;
  }
  const { bytes, view } = batch;
  const flags = bytes[start]!;
  const attempt = readSafeInteger(view, start + 1);
  if (attempt < 0) {
    visitor.onMalformed('attempt id beyond 2^53');
    return;
  }
  const from = start + REPLY_FIXED_BYTES;
  if ((flags & FLAG_ERROR) === 0) {
    const isRaw = (flags & FLAG_RAW) !== 0;
    visitor.onReply(attempt, batch.payload(from, end, isRaw), isRaw, undefined);
  } else {
    visitor.onReply(attempt, NO_BYTES, false, decodeError(bytes.subarray(from, end)));
  }
}

const NO_BYTES = new Uint8Array(0);

function decodeCancel(view: DataView, start: number, end: number, visitor: FrameVisitor): void {
  const clientId = end - start < CANCEL_BYTES ? -1 : readSafeInteger(view, start);
  const attempt = end - start < CANCEL_BYTES ? -1 : readSafeInteger(view, start + 8);
  if (clientId < 0 || attempt < 0) visitor.onMalformed('malformed cancel');
  else visitor.onCancel(clientId, attempt);
}

function decodeBatchError(body: Uint8Array): ClstrError {
  const text = decodeTextLossy(body.subarray(0, 64));
  const code = isErrorCode(text) ? text : 'UNSUPPORTED_VERSION';
  return new ClstrError(code, `the peer refused the whole batch: ${code}`, { outcome: 'not-executed' });
}

function decodeError(bytes: Uint8Array): ClstrError {
  try {
    return errorFromRecord(JSON.parse(decodeText(bytes)));
  } catch (cause) {
    return new ClstrError('INTERNAL', 'the peer sent an error that cannot be read', { cause });
  }
}

const MAX_SAFE_HIGH = 0x1f_ffff;

/** Returns -1 when the value is above 2^53 - 1. */
function readSafeInteger(view: DataView, offset: number): number {
  const high = view.getUint32(offset);
  return high > MAX_SAFE_HIGH ? -1 : high * 0x1_0000_0000 + view.getUint32(offset + 4);
}
