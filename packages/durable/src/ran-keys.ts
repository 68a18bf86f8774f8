/**
 * The idempotency keys whose calls have run, and whose replies are not kept any more. It has 32 bits of a hash of each: a
 * call that certainly has not run may run, although others have been forgotten.
 */
import { fingerprintOf } from '@clstr/core/internal';

/** How many keys are known, in segments that are forgotten as a whole. */
const MAX_SEGMENTS = 16;
const SEGMENT_KEYS = 512;
const HASH_LENGTH = 8;

/** The newest time of a segment, and its hashes one after the other. */
export type RanSegment = readonly [untilMs: number, hashes: string];

export class RanKeys {
  /** Oldest first. */
  #segments: { untilMs: number; hashes: string[] }[] = [];
  readonly #known = new Set<string>();

  get segments(): RanSegment[] {
    return this.#segments.map(({ untilMs, hashes }) => [untilMs, hashes.join('')]);
  }

  has(idempotencyKey: string): boolean {
    return this.#known.has(hashOf(idempotencyKey));
  }

  restore(segments: readonly RanSegment[]): void {
    this.#segments = segments.map(([untilMs, hashes]) => ({
      untilMs,
      hashes: hashes.match(/.{8}/g) ?? [],
    }));
    this.#known.clear();
    for (const { hashes } of this.#segments) for (const hash of hashes) this.#known.add(hash);
  }

  add(idempotencyKey: string, ranAtMs: number): void {
    let last = this.#segments.at(-1);
    if (last === undefined || last.hashes.length >= SEGMENT_KEYS) {
      last = { untilMs: ranAtMs, hashes: [] };
      this.#segments.push(last);
    }
    const hash = hashOf(idempotencyKey);
    last.hashes.push(hash);
    last.untilMs = Math.max(last.untilMs, ranAtMs);
    this.#known.add(hash);
  }

  /** Forgets what is older than `sinceMs`, or too much. Returns the newest time of what it forgot, 0 for nothing. */
  trim(sinceMs: number): number {
    let forgottenMs = 0;
    for (let first = this.#segments[0]; first !== undefined; first = this.#segments[0]) {
      if (first.untilMs >= sinceMs && this.#segments.length <= MAX_SEGMENTS) break;
      forgottenMs = Math.max(forgottenMs, this.drop()!);
    }
    return forgottenMs;
  }

  /** Forgets the oldest segment, and returns its newest time; undefined if there is none. */
  drop(): number | undefined {
    const first = this.#segments.shift();
    for (const hash of first?.hashes ?? []) this.#known.delete(hash);
    return first?.untilMs;
  }
}

function hashOf(idempotencyKey: string): string {
  return fingerprintOf(idempotencyKey).slice(0, HASH_LENGTH);
}
