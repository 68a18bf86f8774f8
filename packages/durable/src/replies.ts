/**
 * The replies of one key's calls under their idempotency keys. Each is stored with its turn, so that a repeat gets the first
 * reply, whichever owner it reaches, and a turn never takes effect twice.
 */
import { fingerprintOf } from '@clstr/core/internal';

/** How long a reply is kept. */
const KEEP_MS = 600_000;
/** How many replies of one key are kept, and how many characters they have together. */
const MAX_REPLIES = 100;
const MAX_LENGTH = 65_536;

/** What one idempotency key has led to. */
export interface KeptReply {
  readonly idempotencyKey: string;
  /** What the call asked for: a key names one call. */
  readonly fingerprint: string;
  /** By the wall clock of the owner that ran it. */
  readonly storedAtMs: number;
  readonly value: unknown;
  /** All of this as JSON. */
  readonly text: string;
}

export type StoredReply = readonly [
  idempotencyKey: string,
  fingerprint: string,
  storedAtMs: number,
  value?: unknown,
];

export class Replies {
  /** Oldest first. */
  readonly #byKey = new Map<string, KeptReply>();
  #length = 0;
  #forgottenMs = 0;

  /** The newest time of a reply that is not kept any more; 0 if none was forgotten. */
  get forgottenMs(): number {
    return this.#forgottenMs;
  }

  get texts(): readonly string[] {
    return Array.from(this.#byKey.values(), ({ text }) => text);
  }

  get size(): number {
    return this.#byKey.size;
  }

  get(idempotencyKey: string): KeptReply | undefined {
    return this.#byKey.get(idempotencyKey);
  }

  /** Takes over what a record says. A whole record says everything. */
  restore(stored: readonly StoredReply[], forgottenMs: number, isWhole: boolean): void {
    if (isWhole) this.#byKey.clear();
    this.#length = isWhole ? 0 : this.#length;
    for (const [idempotencyKey, fingerprint, storedAtMs, value] of stored) {
      this.add(keptReply(idempotencyKey, fingerprint, storedAtMs, value));
    }
    this.#forgottenMs = Math.max(this.#forgottenMs, forgottenMs);
  }

  add(reply: KeptReply): void {
    this.#byKey.set(reply.idempotencyKey, reply);
    this.#length += reply.text.length;
  }

  /** Forgets what is too old or too much; with `isFull` one more. */
  trim(nowMs: number, isFull = false): void {
    let isOne = isFull;
    for (const [key, { storedAtMs, text }] of this.#byKey) {
      const isTooMuch = this.#byKey.size > MAX_REPLIES || this.#length > MAX_LENGTH;
      if (!isOne && !isTooMuch && storedAtMs > nowMs - KEEP_MS) return;
      isOne = false;
      this.#byKey.delete(key);
      this.#length -= text.length;
      this.#forgottenMs = Math.max(this.#forgottenMs, storedAtMs);
    }
  }
}

/** @throws TypeError for a value that JSON cannot hold */
export function keptReply(
  idempotencyKey: string,
  fingerprint: string,
  storedAtMs: number,
  value: unknown,
): KeptReply {
  const stored: StoredReply =
    value === undefined
      ? [idempotencyKey, fingerprint, storedAtMs]
      : [idempotencyKey, fingerprint, storedAtMs, value];
  const text = JSON.stringify(stored);
  // What a repeat gets must be what the first caller got.
  const { 3: copy } = JSON.parse(text) as StoredReply;
  return { idempotencyKey, fingerprint, storedAtMs, value: copy, text };
}

/** Equal for calls that ask for the same. */
export function fingerprintOfCall({ type, payload }: { type: string; payload: unknown }): string {
  return fingerprintOf(JSON.stringify([type, payload]));
}
