/** A reply as a node keeps it for repeats of its call, and how a repeat is answered with it. */
import { describe } from '../base/describe.ts';
import type { ErrorCode, Failure, Outcome } from '../base/errors.ts';
import { errorToRecord } from '../wire/error-record.ts';
import type { InboundEntry, ReplyPort } from '../wire/transport.ts';

/** The handler's value as it travels, or its error. */
export interface KeptReply {
  readonly payload: string | Uint8Array;
  readonly isRaw: boolean;
  readonly error: Failure | undefined;
}

/** A longer reply is not kept: a repeat learns that the call was executed, and no more. */
export const MAX_KEPT_BYTES = 65_536;

export function keptValue(nodeId: string, payload: string | Uint8Array, isRaw: boolean): KeptReply {
  const { length } = payload;
  if (length <= MAX_KEPT_BYTES) return { payload, isRaw, error: undefined };
  const why = `its reply of ${length} bytes is larger than the ${MAX_KEPT_BYTES} that node ${nodeId} keeps`;
  return keptError(failure('REPLY_LOST', 'executed', `the call was executed before, and ${why}`));
}

/** Users may change the details of an error, and its stack takes more memory than the rest: a copy has neither. */
export function keptError(error: Failure): KeptReply {
  const record = errorToRecord(error) as Failure;
  return { payload: '', isRaw: false, error: record };
}

export function sizeOf({ payload, error }: KeptReply): number {
  return error === undefined ? payload.length : JSON.stringify(error).length;
}

/** A notify gets an error only if its handler did not run, and nothing else. */
export function answerWith(port: ReplyPort, entry: InboundEntry, { payload, isRaw, error }: KeptReply): void {
  if (entry.isNotify && error?.outcome !== 'not-executed') return;
  if (error === undefined) port.reply(entry, payload, isRaw);
  else port.fail(entry, error);
}

/** The handler of the key may have run, and its reply is not here. */
export function lostReply(nodeId: string, key: string): Failure {
  const message = `a call with idempotency key ${describe(key)} may have run, and node ${nodeId} does not have its reply`;
  return failure('REPLY_LOST', 'unknown', message);
}

/** The handler has ended in a way that left no reply. */
export function noReply(nodeId: string, key: string): Failure {
  const message = `the call with idempotency key ${describe(key)} was executed on node ${nodeId}, and left no reply`;
  return failure('REPLY_LOST', 'executed', message);
}

/** Not an Error, whose stack takes longer to make than the rest of an answer that anybody may cause. */
export function failure(code: ErrorCode, outcome: Outcome, message: string): Failure {
  return { code, message, outcome, retryable: false, details: undefined };
}
