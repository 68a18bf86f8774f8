/**
 * Entries of one turn of the event loop in one NATS message, written and read by hand.
 * An entry is: id (u32), length (u32), that many bytes of JSON.
 */
import type { NatsConnection, PublishOptions } from 'nats';

const HEADER_BYTES = 8;
const FIRST_BYTES = 4 * 1024;
// Well under the server's max_payload of 1 MiB.
const MAX_BYTES = 256 * 1024;

export class EntryBatch {
  readonly #nc: NatsConnection;
  readonly #subject: string;
  readonly #options: PublishOptions | undefined;
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #used = 0;

  constructor(nc: NatsConnection, subject: string, options?: PublishOptions) {
    this.#nc = nc;
    this.#subject = subject;
    this.#options = options;
  }

  add(id: number, value: unknown): void {
    const json = JSON.stringify(value);
    const atMost = HEADER_BYTES + json.length * 3;
    if (this.#used > 0 && this.#used + atMost > MAX_BYTES) this.#flush();
    // A tick queued now runs when the turn's promises have all been settled.
    if (this.#used === 0) process.nextTick(() => this.#flush());
    if (this.#used + atMost > this.#bytes.length) this.#grow(this.#used + atMost);

    const length = this.#bytes.write(json, this.#used + HEADER_BYTES);
    this.#bytes.writeUInt32LE(id, this.#used);
    this.#bytes.writeUInt32LE(length, this.#used + 4);
    this.#used += HEADER_BYTES + length;
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#nc.publish(this.#subject, this.#bytes.subarray(0, this.#used), this.#options);
    // The NATS client keeps the bytes until it has written them: never reuse them.
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, this.#used + 1024));
    this.#used = 0;
  }

  #grow(needed: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(bytes, 0, 0, this.#used);
    this.#bytes = bytes;
  }
}

export function readEntries(data: Uint8Array, onEntry: (id: number, value: unknown) => void): void {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < bytes.length;) {
    const id = bytes.readUInt32LE(at);
    const start = at + HEADER_BYTES;
    at = start + bytes.readUInt32LE(at + 4);
    onEntry(id, JSON.parse(bytes.toString('utf8', start, at)));
  }
}
