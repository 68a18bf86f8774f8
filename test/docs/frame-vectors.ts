/** The vectors of the native wire: their form, and what the frame code of core makes of them in both directions. */
import { ActorError, ClstrError } from '@clstr/core';
import {
  createFrameWriter,
  decodeFrame,
  encodeBatchError,
  errorToRecord,
  payloadBytes,
} from '@clstr/core/wire';
import type { ErrorCode, Outcome } from '@clstr/core';
import type { ErrorRecord, FrameResult, FrameWriter } from '@clstr/core/wire';

export interface FrameVector {
  readonly name: string;
  readonly hex: string;
  readonly result: FrameResult;
  /** Whether the writer produces exactly these bytes; the others are read only. */
  readonly isWritten: boolean;
  readonly decoded: readonly DecodedEntry[];
}

/** What one entry means. Payloads are hex; `ttlMs` is null for no time budget. The code of core does not read `isFinal`. */
export type DecodedEntry =
  | DecodedMessage
  | { kind: 'reply'; attempt: number; isRaw: boolean; isFinal?: boolean; payload: string }
  | { kind: 'failure'; attempt: number; isFinal?: boolean; error: ErrorRecord }
  | { kind: 'cancel'; clientId: number; attempt: number }
  | { kind: 'batch-error'; code: string }
  | { kind: 'malformed'; reason: string };

interface DecodedMessage {
  kind: 'request' | 'notify';
  clientId: number;
  attempt: number;
  shard: number;
  ttlMs: number | null;
  type: string;
  key: string | null;
  headers: Record<string, string> | null;
  isRaw: boolean;
  payload: string;
}

/** As `decodeFrame` of core reads the bytes. */
export function decodeVector(hex: string): { result: FrameResult; decoded: DecodedEntry[] } {
  const decoded: DecodedEntry[] = [];
  const visitor: Parameters<typeof decodeFrame>[1] = {
    onMessage({ isNotify, clientId, attempt, shard, ttlMs, type, key, headers, payload, isRaw }) {
      const kind = isNotify ? 'notify' : 'request';
      const addressed = { kind, clientId, attempt, shard, ttlMs: ttlMs ?? null } as const;
      const own = headers === undefined ? null : { ...headers };
      decoded.push({
        ...addressed,
        type,
        key: key ?? null,
        headers: own,
        isRaw,
        payload: toHex(payloadBytes(payload)),
      });
    },
    onReply(attempt, payload, isRaw, error) {
      if (error === undefined)
        decoded.push({ kind: 'reply', attempt, isRaw, payload: toHex(payloadBytes(payload)) });
      else decoded.push({ kind: 'failure', attempt, error: errorToRecord(error) });
    },
    onCancel(clientId, attempt) {
      decoded.push({ kind: 'cancel', clientId, attempt });
    },
    onBatchError({ code }) {
      decoded.push({ kind: 'batch-error', code });
    },
    onMalformed(reason) {
      decoded.push({ kind: 'malformed', reason });
    },
  };
  const result = decodeFrame(fromHex(hex), visitor, 0);
  return { result, decoded };
}

/** As the writer of core puts the entries into one batch. */
export function encodeVector(decoded: readonly DecodedEntry[]): string {
  const [only] = decoded;
  if (only?.kind === 'batch-error') return toHex(encodeBatchError(only.code as ErrorCode));
  const writer = createFrameWriter();
  for (const entry of decoded) write(writer, entry);
  return toHex(writer.take());
}

function write(writer: FrameWriter, entry: DecodedEntry): void {
  switch (entry.kind) {
    case 'request':
    case 'notify':
      writer.message(entry.clientId, {
        ...entry,
        isNotify: entry.kind === 'notify',
        key: entry.key ?? undefined,
        headers: entry.headers ?? undefined,
        payload: fromHex(entry.payload),
        remainingMs: () => entry.ttlMs ?? 0xffff_ffff,
      });
      break;
    case 'reply':
      writer.reply(entry.attempt, fromHex(entry.payload), entry.isRaw);
      break;
    case 'failure':
      writer.failure(entry.attempt, toError(entry.error));
      break;
    case 'cancel':
      writer.cancel(entry.clientId, entry.attempt);
      break;
    case 'batch-error':
    case 'malformed':
      throw new Error(`a ${entry.kind} is not written among other entries`);
  }
}

function toError({ code, message, outcome, retryable, actorCode, details }: ErrorRecord): ClstrError {
  if (actorCode !== undefined) return new ActorError(actorCode, message, details);
  const options = { outcome: outcome as Outcome, retryable, details };
  return new ClstrError(code as ErrorCode, message, options);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
