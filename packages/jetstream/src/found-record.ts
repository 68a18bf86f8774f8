/** A record as it was read, and the proof that those of a log are all of it. */
import type { StatePlace, StoredRecord } from '@clstr/core/store';
import { decodeTextLossy } from '@clstr/core/internal';
import { headText } from '@clstr/transport-nats/internal';
import type { Msg } from '@clstr/transport-nats/internal';
import { foreignRecord, recordMissing } from './errors.ts';
import { decodeHead } from './record-head.ts';
import type { RecordHead } from './record-head.ts';
import type { RawMessage } from './state-stream.ts';

export interface FoundRecord {
  readonly record: StoredRecord;
  readonly head: RecordHead;
  /** Undefined if the subject says it. */
  readonly key: string | undefined;
}

/** @throws STORE_REFUSED */
export function recordOfRaw(stream: string, { seq, hdrs = '', data = '' }: RawMessage): FoundRecord {
  return foundRecord(
    stream,
    seq,
    Buffer.from(hdrs, 'base64').toString('latin1'),
    Buffer.from(data, 'base64'),
  );
}

/** @throws STORE_REFUSED */
export function recordOfMessage(stream: string, message: Msg, sequence: number): FoundRecord {
  return foundRecord(stream, sequence, headText(message), message.data);
}

function foundRecord(stream: string, revision: number, headers: string, data: Uint8Array): FoundRecord {
  const head = decodeHead(headers);
  if (head === undefined) throw foreignRecord(stream, revision, 'it has no headers of a record');
  const { isWhole, keyBytes } = head;
  // Copies: the bytes of a message are a part of whatever arrived with it.
  const bytes = new Uint8Array(keyBytes === 0 ? data : data.subarray(keyBytes));
  const key = keyBytes === 0 ? undefined : decodeTextLossy(data.subarray(0, keyBytes));
  return { record: Object.freeze<StoredRecord>({ revision, bytes, isWhole }), head, key };
}

/**
 * `cut` is the newest record that was erased, 0 if none was.
 *
 * @throws STORE_REFUSED unless `found` is the whole log from its base, or from what was erased, to `newest`
 */
export function checkWhole(
  place: StatePlace,
  stream: string,
  found: readonly FoundRecord[],
  { newest, cut }: { newest: FoundRecord; cut: number },
): void {
  const { base } = newest.head;
  const [first] = found;
  if (first === undefined || !begins(first, base, cut)) {
    throw recordMissing(place, stream, `it begins at record ${base}, which is gone`);
  }
  found.slice(1).forEach(({ record, head }, index) => {
    const before = found[index]!.record.revision;
    if (head.previous === before && head.base === base) return;
    throw recordMissing(place, stream, `record ${head.previous} before record ${record.revision} is gone`);
  });
  const last = found.at(-1)!.record.revision;
  if (last !== newest.record.revision) {
    throw recordMissing(place, stream, `record ${newest.record.revision} after record ${last} is gone`);
  }
}

/** Whether the record is the first of a log, or the first that is left after an erasure. */
export function begins({ record, head }: FoundRecord, base: number, cut: number): boolean {
  if (record.revision === base) return head.base === 0;
  return head.base === base && cut > 0 && head.previous <= cut;
}

/** Whether the log of which this is the newest record begins after `revision`. */
export function startsAfter({ record, head }: FoundRecord, revision: number): boolean {
  return (head.base === 0 ? record.revision : head.base) > revision;
}
