/** What a batch decodes to, as plain records in the form of the frame vectors. */
import { payloadBytes } from '../../src/wire/codec.ts';
import { errorToRecord } from '../../src/wire/error-record.ts';
import { decodeFrame } from '../../src/wire/frame-reader.ts';
import type { FrameResult, FrameVisitor } from '../../src/wire/frame-reader.ts';

export interface Recording {
  readonly result: FrameResult;
  readonly entries: Record<string, unknown>[];
}

export function record(bytes: Uint8Array): Recording {
  const entries: Record<string, unknown>[] = [];
  const visitor: FrameVisitor = {
    onMessage({ isNotify, ttlMs, key, headers, payload, receivedAtMs, ...rest }) {
      if (receivedAtMs !== 12.5) throw new Error(`received at ${receivedAtMs}`);
      entries.push({
        ...rest,
        kind: isNotify ? 'notify' : 'request',
        ttlMs: ttlMs ?? null,
        key: key ?? null,
        headers: headers === undefined ? null : { ...headers },
        payload: toHex(payloadBytes(payload)),
      });
    },
    onReply(attempt, payload, isRaw, error) {
      if (error === undefined) {
        entries.push({ kind: 'reply', attempt, isRaw, payload: toHex(payloadBytes(payload)) });
      } else entries.push({ kind: 'failure', attempt, error: errorToRecord(error) });
    },
    onCancel(clientId, attempt) {
      entries.push({ kind: 'cancel', clientId, attempt });
    },
    onBatchError({ code }) {
      entries.push({ kind: 'batch-error', code });
    },
    onMalformed(reason) {
      entries.push({ kind: 'malformed', reason });
    },
  };
  const result = decodeFrame(bytes, visitor, 12.5);
  return { result, entries };
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Spaces are for the reader. */
export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}
