/**
 * What travels beside the bytes of a record, as headers of its message; one that is 0 is left out:
 *
 * - `Clstr-Whole`: `1` if the record says everything, otherwise `0`.
 * - `Clstr-Base`: the record at which reading its log begins, if that is not this one.
 * - `Clstr-Previous`: the record before. With both a reader can prove that it has the whole log.
 * - `Clstr-Bundled`: how many records before it the message has (`bundle.ts`).
 * - `Clstr-Key-Bytes`: how many bytes of the message are the key, if the subject does not say it. They come first: the
 *   server takes only 64 KiB of headers.
 */
import { encodeText } from '@clstr/core/internal';

export interface RecordHead {
  readonly isWhole: boolean;
  readonly base: number;
  readonly previous: number;
  readonly bundled: number;
  readonly keyBytes: number;
}

/** The bytes of the headers. With a `revision` the write is a compare-and-set. */
export function encodeHead(head: Partial<RecordHead>, revision: number | undefined): Uint8Array {
  const { isWhole = false, base = 0, previous = 0, bundled = 0, keyBytes = 0 } = head;
  let text = 'NATS/1.0\r\n';
  if (revision !== undefined) text += `Nats-Expected-Last-Subject-Sequence: ${revision}\r\n`;
  text += `Clstr-Whole: ${isWhole ? 1 : 0}\r\n`;
  if (base > 0) text += `Clstr-Base: ${base}\r\n`;
  if (previous > 0) text += `Clstr-Previous: ${previous}\r\n`;
  if (bundled > 0) text += `Clstr-Bundled: ${bundled}\r\n`;
  if (keyBytes > 0) text += `Clstr-Key-Bytes: ${keyBytes}\r\n`;
  return encodeText(`${text}\r\n`);
}

/** Returns undefined for the headers of a message that no store has written. */
export function decodeHead(text: string): RecordHead | undefined {
  const whole = countIn(text, '\r\nClstr-Whole: ', -1);
  const base = countIn(text, '\r\nClstr-Base: ', 0);
  const previous = countIn(text, '\r\nClstr-Previous: ', 0);
  const bundled = countIn(text, '\r\nClstr-Bundled: ', 0);
  const keyBytes = countIn(text, '\r\nClstr-Key-Bytes: ', 0);
  if ((whole !== 0 && whole !== 1) || Math.min(base, previous, bundled, keyBytes) < 0) return undefined;
  return { isWhole: whole === 1, base, previous, bundled, keyBytes };
}

/** Returns `missing` if there is no such header, and -1 if it is not a count. */
function countIn(text: string, name: string, missing: number): number {
  const start = text.indexOf(name);
  if (start === -1) return missing;
  const value = text.slice(start + name.length, text.indexOf('\r', start + name.length));
  const count = /^\d{1,16}$/.test(value) ? Number(value) : -1;
  return Number.isSafeInteger(count) ? count : -1;
}
