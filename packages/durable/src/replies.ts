/**
 * The replies of one key's calls under their idempotency keys. Each is stored with its turn, so that a repeat gets the first
 * reply, whichever owner it reaches, and a turn never takes effect twice.
 */
import { fingerprintOf } from '@clstr/core/internal';
import { RanKeys } from './ran-keys.ts';
import type { RanSegment } from './ran-keys.ts';

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

/** What a record says of replies. */
export interface RestoredReplies {
  readonly replies: readonly StoredReply[];
  readonly ran: readonly RanSegment[];
  readonly forgottenMs: number;
  readonly isWhole: boolean;
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
  readonly #ran = new RanKeys();
  #length = 0;
  #forgottenMs = 0;

  /** The newest time of a call of which nothing is known any more; 0 if none was forgotten. */
  get forgottenMs(): number {
    return this.#forgottenMs;
  }

  get texts(): readonly string[] {
    return Array.from(this.#byKey.values(), ({ text }) => text);
  }

  get ran(): readonly RanSegment[] {
    return this.#ran.segments;
  }

  get(idempotencyKey: string): KeptReply | undefined {
    return this.#byKey.get(idempotencyKey);
  }

  /** Whether a call, whose reply is not kept, has run, or may have run if it was first sent at `sentMs`. */
  mayHaveRun(idempotencyKey: string, sentMs: number): boolean {
    return this.#ran.has(idempotencyKey) || sentMs <= this.#forgottenMs;
  }

  /** Takes over what a record says. A whole record says everything. */
  restore({ replies, ran, forgottenMs, isWhole }: RestoredReplies): void {
    if (isWhole) {
      this.#byKey.clear();
      this.#length = 0;
      this.#ran.restore(ran);
    }
    for (const [idempotencyKey, fingerprint, storedAtMs, value] of replies) {
      this.add(keptReply(idempotencyKey, fingerprint, storedAtMs, value));
    }
    this.#forgottenMs = Math.max(this.#forgottenMs, forgottenMs);
  }

  add(reply: KeptReply): void {
    this.#byKey.set(reply.idempotencyKey, reply);
    this.#length += reply.text.length;
  }

  /** Forgets what is too old or too much. */
  trim(nowMs: number): void {
    const sinceMs = nowMs - KEEP_MS;
    for (const reply of this.#byKey.values()) {
      const isTooMuch = this.#byKey.size > MAX_REPLIES || this.#length > MAX_LENGTH;
      if (!isTooMuch && reply.storedAtMs > sinceMs) break;
      this.#drop(reply);
    }
    this.#forgottenMs = Math.max(this.#forgottenMs, this.#ran.trim(sinceMs));
  }

  /** Forgets what was answered, but not that it was: the state of the key is erased. */
  erase(): void {
    for (const reply of this.#byKey.values()) this.#drop(reply);
  }

  /** Makes room in a record that is full: a reply goes, or, without replies, the oldest keys. Returns false for nothing. */
  makeRoom(): boolean {
    const [oldest] = this.#byKey.values();
    if (oldest !== undefined) {
      this.#drop(oldest);
      return true;
    }
    const forgottenMs = this.#ran.drop();
    this.#forgottenMs = Math.max(this.#forgottenMs, forgottenMs ?? 0);
    return forgottenMs !== undefined;
  }

  #drop({ idempotencyKey, storedAtMs, text }: KeptReply): void {
    this.#byKey.delete(idempotencyKey);
    this.#length -= text.length;
    this.#ran.add(idempotencyKey, storedAtMs);
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
