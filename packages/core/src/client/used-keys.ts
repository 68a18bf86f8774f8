/**
 * The idempotency keys under which calls of this client may have run. A program that repeats a call by hand, because its
 * outcome is unknown, makes a new call with the same key: the node has to know that an earlier one may have run.
 */
import { withIdempotencyKey, withMayHaveRun } from './call-headers.ts';
import type { ClstrError } from '../base/errors.ts';
import type { Headers } from '../wire/envelope.ts';

/** A call as its client keeps it. */
interface KeyedCall {
  readonly shard: number;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  idempotencyKey: string | undefined;
  headers: Headers | undefined;
}

interface Use {
  /** When the first call under the key began. */
  readonly sinceMs: number;
  /** How many calls may have run under it, or may yet. */
  calls: number;
}

/** The client knows at least this many keys, and at most twice as many. */
export const KNOWN_KEYS = 8_192;

export class UsedKeys {
  #young = new Map<string, Use>();
  /** What was young before. Forgetting the oldest keys one by one would walk over the places of all that went before. */
  #old = new Map<string, Use>();

  /** Gives the call its key. It has not been sent. */
  begin(call: KeyedCall, idempotencyKey: string): void {
    call.idempotencyKey = idempotencyKey;
    call.headers = withIdempotencyKey(call.headers, idempotencyKey);
    const use = this.#find(call);
    if (use !== undefined) {
      use.calls++;
      call.headers = withMayHaveRun(call.headers, call.deadlineMs - use.sinceMs);
      return;
    }
    if (this.#young.size >= KNOWN_KEYS) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(nameOf(call), { sinceMs: call.deadlineMs - call.timeoutMs, calls: 1 });
  }

  /** Forgets the key if no call under it can have run. */
  ended(call: KeyedCall, error: ClstrError | undefined): void {
    if (error?.outcome !== 'not-executed') return;
    const use = this.#find(call);
    if (use === undefined || --use.calls > 0) return;
    this.#young.delete(nameOf(call));
    this.#old.delete(nameOf(call));
  }

  #find(call: KeyedCall): Use | undefined {
    return this.#young.get(nameOf(call)) ?? this.#old.get(nameOf(call));
  }
}

function nameOf({ shard, idempotencyKey }: KeyedCall): string {
  return `${shard} ${idempotencyKey!}`;
}
