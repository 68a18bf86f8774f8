/**
 * Idempotency keys whose replies a node has forgotten. It keeps 32 bits of a hash of each, so that a late repeat does not run
 * again: half a million keys take 4 MiB. Two keys look the same once in 2^31 comparisons; the second is then not run either.
 */
import { hash64 } from '../placement/hash64.ts';

const SLOTS = 524_288;
/** With a quarter of the slots free, a search looks at a few of them. */
const MOST_KEYS = (SLOTS / 4) * 3;

export class ForgottenKeys {
  /** All keys that were forgotten since then are known. */
  completeSinceMs: number = -Infinity;
  #young: Generation | undefined;
  #old: Generation | undefined;

  add(shard: number, key: string, nowMs: number): void {
    this.#young ??= new Generation(nowMs);
    if (this.#young.size >= MOST_KEYS) {
      if (this.#old !== undefined) this.completeSinceMs = this.#young.beganMs;
      this.#old = this.#young;
      this.#young = new Generation(nowMs);
    }
    this.#young.add(hashOf(shard, key));
  }

  has(shard: number, key: string): boolean {
    if (this.#young === undefined) return false;
    const hash = hashOf(shard, key);
    return this.#young.has(hash) || this.#old?.has(hash) === true;
  }
}

interface Hash {
  readonly slot: number;
  /** Never 0, which marks a free slot. */
  readonly mark: number;
}

function hashOf(shard: number, idempotencyKey: string): Hash {
  const { high, low } = hash64(`${shard} ${idempotencyKey}`);
  return { slot: low % SLOTS, mark: high === 0 ? 1 : high };
}

/** A hash table with open addressing, which is never full. */
class Generation {
  readonly beganMs: number;
  size = 0;
  readonly #marks = new Uint32Array(SLOTS);

  constructor(beganMs: number) {
    this.beganMs = beganMs;
  }

  add(hash: Hash): void {
    const at = this.#find(hash);
    if (this.#marks[at] !== 0) return;
    this.#marks[at] = hash.mark;
    this.size++;
  }

  has(hash: Hash): boolean {
    return this.#marks[this.#find(hash)] !== 0;
  }

  /** The slot with the mark, or the free one where it belongs. */
  #find({ slot, mark }: Hash): number {
    for (let at = slot; ; at = (at + 1) % SLOTS)
      if (this.#marks[at] === 0 || this.#marks[at] === mark) return at;
  }
}
