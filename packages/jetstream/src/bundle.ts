/**
 * Several records in one message. A stream that keeps the newest message of a key has room for no more: a record that does
 * not say everything takes those that it needs along. They can be erased only together with it.
 *
 * Each of them but the last has a head of 13 bytes: whether it is whole, its revision (8 bytes), and its length (4 bytes).
 */
import type { StateRecord, StoredRecord } from '@clstr/core/store';

const HEAD_LENGTH = 13;

export function bundle(before: readonly StoredRecord[], last: StateRecord): Uint8Array {
  const length = before.reduce((sum, { bytes }) => sum + HEAD_LENGTH + bytes.length, last.bytes.length);
  const whole = new Uint8Array(length);
  const view = new DataView(whole.buffer);
  let at = 0;
  for (const { isWhole, revision, bytes } of before) {
    view.setUint8(at, isWhole ? 1 : 0);
    view.setBigUint64(at + 1, BigInt(revision));
    view.setUint32(at + 9, bytes.length);
    whole.set(bytes, at + HEAD_LENGTH);
    at += HEAD_LENGTH + bytes.length;
  }
  whole.set(last.bytes, at);
  return whole;
}

/** Reads `count` records and the one that took them along. Returns undefined if there are not so many. */
export function unbundle(
  { bytes, revision, isWhole }: StoredRecord,
  count: number,
): StoredRecord[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const records: StoredRecord[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + HEAD_LENGTH > bytes.length) return undefined;
    const end = at + HEAD_LENGTH + view.getUint32(at + 9);
    if (end > bytes.length) return undefined;
    records.push({
      isWhole: view.getUint8(at) === 1,
      revision: Number(view.getBigUint64(at + 1)),
      bytes: bytes.slice(at + HEAD_LENGTH, end),
    });
    at = end;
  }
  return [...records, { isWhole, revision, bytes: bytes.slice(at) }];
}
