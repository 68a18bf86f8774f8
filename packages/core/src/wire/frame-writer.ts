/** Writes entries as bytes: one batch of the native wire at a time, into a buffer that it keeps. */
import type { Headers } from './envelope.ts';
import { errorToRecord } from './error-record.ts';
import type { ErrorCode, Failure } from '../base/errors.ts';
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
  FLAG_FINAL,
  BATCH_HEADER_BYTES,
  ENTRY_HEADER_BYTES,
  MESSAGE_FIXED_BYTES,
  REPLY_FIXED_BYTES,
  CANCEL_BYTES,
  ENTRY_OVERHEAD_BYTES,
} from './frame-layout.ts';
import { encodeText, maxUtf8Bytes, writeText } from '../base/bytes.ts';
import type { OutboundEntry } from './transport.ts';

/** Writes one batch. `rollback` removes the last entry again if it made the batch too large. */
export interface FrameWriter {
  /** Bytes written since the batch began, its header included; 0 while it is empty. */
  readonly size: number;
  /** Entries written since the batch began. */
  readonly count: number;
  message(clientId: number, entry: OutboundEntry): void;
  reply(attempt: number, payload: string | Uint8Array, isRaw: boolean): void;
  failure(attempt: number, error: Failure): void;
  cancel(clientId: number, attempt: number): void;
  /** Removes the entry written last: call it with the `size` from before that entry. */
  rollback(size: number): void;
  /** The batch as bytes of their own; the writer begins the next batch. */
  take(): Uint8Array;
}

/**
 * Creates a writer that cuts its batches out of slabs, which cost the garbage collector much less than a buffer per
 * batch. A batch keeps its whole slab alive: send it, but do not store it.
 */
export function createFrameWriter(): FrameWriter {
  return new SlabFrameWriter();
}

class SlabFrameWriter implements FrameWriter {
  count = 0;
  /** The slab, and the offsets where the batch begins and where it ends so far. */
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;

  get size(): number {
    return this.#end - this.#start;
  }

  message(clientId: number, entry: OutboundEntry): void {
    const { type, key, headers, payload } = entry;
    const keyRoom = key === undefined ? 0 : maxUtf8Bytes(key);
    this.#reserve(ENTRY_OVERHEAD_BYTES + maxUtf8Bytes(type) + keyRoom);
    const start = this.#end;
    const view = this.#view;
    const fixed = start + ENTRY_HEADER_BYTES;
    view.setUint8(start, entry.isNotify ? NOTIFY : REQUEST);
    view.setUint8(fixed, (entry.isRaw ? FLAG_RAW : 0) | (key === undefined ? 0 : FLAG_KEY));
    writeSafeInteger(view, fixed + 1, clientId);
    writeSafeInteger(view, fixed + 9, entry.attempt);
    view.setUint32(fixed + 17, entry.shard);
    view.setUint32(fixed + 21, entry.remainingMs());
    let offset = fixed + MESSAGE_FIXED_BYTES;
    const typeBytes = writeText(type, this.#bytes, offset);
    view.setUint8(fixed + 25, typeBytes);
    offset += typeBytes;
    const keyBytes = key === undefined ? 0 : writeText(key, this.#bytes, offset);
    view.setUint16(fixed + 26, keyBytes);
    view.setUint32(fixed + 28, 0);
    view.setUint16(fixed + 32, 0);
    const entryStart = start - this.#start;
    this.#end = offset + keyBytes;
    if (headers !== undefined) {
      const headerBytes = this.#headers(headers);
      this.#view.setUint32(this.#start + entryStart + ENTRY_HEADER_BYTES + 28, headerBytes);
    }
    this.#payload(payload);
    this.#endEntry(entryStart);
  }

  reply(attempt: number, payload: string | Uint8Array, isRaw: boolean): void {
    this.#reply(attempt, FLAG_FINAL | (isRaw ? FLAG_RAW : 0), payload);
  }

  failure(attempt: number, error: Failure): void {
    this.#reply(attempt, FLAG_FINAL | FLAG_ERROR, JSON.stringify(errorToRecord(error)));
  }

  cancel(clientId: number, attempt: number): void {
    this.#reserve(ENTRY_HEADER_BYTES + CANCEL_BYTES);
    const start = this.#end;
    this.#view.setUint8(start, CANCEL);
    writeSafeInteger(this.#view, start + ENTRY_HEADER_BYTES, clientId);
    writeSafeInteger(this.#view, start + ENTRY_HEADER_BYTES + 8, attempt);
    this.#end += ENTRY_HEADER_BYTES + CANCEL_BYTES;
    this.#endEntry(start - this.#start);
  }

  rollback(size: number): void {
    this.#end = this.#start + size;
    this.count--;
    if (size === 0) this.#dropLargeSlab();
  }

  take(): Uint8Array {
    this.#bytes[this.#start] = FRAME_MAGIC;
    this.#bytes[this.#start + 1] = FRAME_VERSION;
    const batch = this.#bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.count = 0;
    this.#dropLargeSlab();
    return batch;
  }

  #reply(attempt: number, flags: number, payload: string | Uint8Array): void {
    this.#reserve(ENTRY_HEADER_BYTES + REPLY_FIXED_BYTES);
    const start = this.#end;
    this.#view.setUint8(start, REPLY);
    this.#view.setUint8(start + ENTRY_HEADER_BYTES, flags);
    writeSafeInteger(this.#view, start + ENTRY_HEADER_BYTES + 1, attempt);
    this.#end += ENTRY_HEADER_BYTES + REPLY_FIXED_BYTES;
    const entryStart = start - this.#start;
    this.#payload(payload);
    this.#endEntry(entryStart);
  }

  #headers(headers: Headers): number {
    const before = this.size;
    const names = Object.keys(headers);
    this.#reserve(2);
    this.#view.setUint16(this.#end, names.length);
    this.#end += 2;
    for (const name of names) {
      this.#shortText(name);
      this.#shortText(headers[name]!);
    }
    return this.size - before;
  }

  #shortText(text: string): void {
    this.#reserve(2 + maxUtf8Bytes(text));
    const length = writeText(text, this.#bytes, this.#end + 2);
    this.#view.setUint16(this.#end, length);
    this.#end += 2 + length;
  }

  #payload(payload: string | Uint8Array): void {
    if (typeof payload === 'string') {
      this.#reserve(maxUtf8Bytes(payload));
      this.#end += writeText(payload, this.#bytes, this.#end);
    } else {
      this.#reserve(payload.length);
      this.#bytes.set(payload, this.#end);
      this.#end += payload.length;
    }
  }

  /** `start` counts from the beginning of the batch, because making room may have moved the batch to another slab. */
  #endEntry(start: number): void {
    const entry = this.#start + start;
    this.#view.setUint32(entry + 1, this.#end - entry - ENTRY_HEADER_BYTES);
    this.count++;
  }

  /** Makes room for `room` more bytes, and for the batch header when the batch is empty. */
  #reserve(room: number): void {
    if (this.size === 0) {
      if (this.#end + BATCH_HEADER_BYTES + room > this.#bytes.length)
        this.#nextSlab(BATCH_HEADER_BYTES + room);
      this.#end += BATCH_HEADER_BYTES;
    } else if (this.#end + room > this.#bytes.length) this.#nextSlab(this.size + room);
  }

  /**
   * Slabs double from batch to batch, so that a writer that is hardly used, one of thousands, stays small. A batch that
   * outgrows its slab gets one of twice its size, however large; otherwise each further entry would copy it.
   */
  #nextSlab(room: number): void {
    const usual = Math.min(SLAB_BYTES, Math.max(FIRST_SLAB_BYTES, this.#bytes.length * 2));
    this.#useSlab(new Uint8Array(Math.max(usual, 2 * this.size, room)));
  }

  /** Moves the batch so far into another slab. */
  #useSlab(bytes: Uint8Array): void {
    const batch = this.#bytes.subarray(this.#start, this.#end);
    bytes.set(batch);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#start = 0;
    this.#end = batch.length;
  }

  /** A slab made for one large entry is not kept. */
  #dropLargeSlab(): void {
    if (this.#bytes.length > SLAB_BYTES) this.#useSlab(new Uint8Array(0));
  }
}

const FIRST_SLAB_BYTES = 1_024;
const SLAB_BYTES = 65_536;

/** Refuses a whole batch whose version this side does not speak. The format is frozen for all versions. */
export function encodeBatchError(code: ErrorCode): Uint8Array {
  const text = encodeText(code);
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + ENTRY_HEADER_BYTES + text.length);
  bytes.set([FRAME_MAGIC, FRAME_VERSION, BATCH_ERROR]);
  new DataView(bytes.buffer).setUint32(BATCH_HEADER_BYTES + 1, text.length);
  bytes.set(text, BATCH_HEADER_BYTES + ENTRY_HEADER_BYTES);
  return bytes;
}

function writeSafeInteger(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value / 0x1_0000_0000);
  view.setUint32(offset + 4, value >>> 0);
}
