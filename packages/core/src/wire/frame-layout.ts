/** Numbers of the native wire, version 1; `docs/protocol/v1.md` describes them byte by byte. */

/** No UTF-8 text begins with this byte, so a receiver can tell a native message from JSON. */
export const FRAME_MAGIC = 0xc1;
export const FRAME_VERSION = 1;

export const BATCH_ERROR = 0;
export const REQUEST = 1;
export const NOTIFY = 2;
export const REPLY = 3;
export const CANCEL = 4;

export const FLAG_RAW = 1;
export const FLAG_KEY = 2;
export const FLAG_ERROR = 2;
export const FLAG_FINAL = 4;

export const BATCH_HEADER_BYTES = 2;
export const ENTRY_HEADER_BYTES = 5;
export const MESSAGE_FIXED_BYTES = 34;
export const REPLY_FIXED_BYTES = 9;
export const CANCEL_BYTES = 16;
export const NO_TTL = 0xffff_ffff;

/** The most entries that a node reads from one batch: clients close theirs at 24,576 bytes, which hold 614 messages. */
export const MAX_BATCH_ENTRIES = 1_024;

/** Bytes that an entry takes in a batch beyond its type, key, headers and payload. */
export const ENTRY_OVERHEAD_BYTES: number = ENTRY_HEADER_BYTES + MESSAGE_FIXED_BYTES;
