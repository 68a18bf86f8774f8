/** A store that keeps counters true when their owners are not: it refuses the writes of an owner that was replaced. */
import { checkInteger, checkString } from '@clstr/core/internal';

export interface FencedValue {
  readonly value: number;
  /** The highest epoch that wrote it; 0 for none. */
  readonly epoch: number;
}

/**
 * `stale-epoch`: a later owner has written. `not-next`: the value is not the last one plus 1, whoever wrote that; the
 * writer knows an old state.
 */
export type FencedRefusal = 'stale-epoch' | 'not-next';

export type FencedWrite =
  | { readonly kind: 'written' }
  /** With what the store holds. */
  | { readonly kind: 'refused'; readonly why: FencedRefusal; readonly current: FencedValue };

/** The store itself in a test of one process; see fenced-store-server.ts for several. */
export class FencedStore {
  readonly #values = new Map<string, FencedValue>();
  #written = 0;
  #refused = 0;

  /** Writes that were done, and refused: a test in which nobody was refused has tested no fence. */
  get counts(): { readonly written: number; readonly refused: number } {
    return { written: this.#written, refused: this.#refused };
  }

  /** A key that was never written holds value 0 of epoch 0. */
  read(key: string): FencedValue {
    return this.#values.get(checkString('FencedStore', 'key', key)) ?? NEVER_WRITTEN;
  }

  /** @throws INVALID_OPTION */
  write(key: string, value: number, epoch: number): FencedWrite {
    const current = this.read(key);
    checkInteger('FencedStore', 'value', value, 0, Number.MAX_SAFE_INTEGER);
    checkInteger('FencedStore', 'epoch', epoch, 1, Number.MAX_SAFE_INTEGER);
    const why = epoch < current.epoch ? 'stale-epoch' : value === current.value + 1 ? undefined : 'not-next';
    if (why !== undefined) {
      this.#refused++;
      return { kind: 'refused', why, current };
    }
    this.#written++;
    this.#values.set(key, Object.freeze({ value, epoch }));
    return { kind: 'written' };
  }
}

const NEVER_WRITTEN: FencedValue = Object.freeze({ value: 0, epoch: 0 });
