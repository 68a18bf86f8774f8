/** A store that protects counters against stale owners: it refuses the writes of a replaced owner. */
import { checkInteger, checkString } from '@clstr/core/internal';

export interface FencedValue {
  readonly value: number;
  /** The highest epoch that claimed or wrote the value; 0 if none did. */
  readonly epoch: number;
}

/**
 * `stale-epoch`: a later owner has claimed or written. `not-next`: the value is not the last one plus 1, so the writer has an old
 * state.
 */
export type FencedRefusal = 'stale-epoch' | 'not-next';

export type FencedWrite =
  | { readonly kind: 'written' }
  /** A refusal with the cell that the store holds. */
  | { readonly kind: 'refused'; readonly why: FencedRefusal; readonly current: FencedValue };

/** The store, for tests within one process; fenced-store-server.ts shares it between processes. */
export class FencedStore {
  readonly #values = new Map<string, FencedValue>();
  #written = 0;
  #refused = 0;

  /** The numbers of accepted and refused writes: a test without a refusal has not tested the fence. */
  get counts(): { readonly written: number; readonly refused: number } {
    return { written: this.#written, refused: this.#refused };
  }

  /** Reads a cell; a key that was never written holds value 0 of epoch 0. */
  read(key: string): FencedValue {
    return this.#values.get(checkString('FencedStore', 'key', key)) ?? NEVER_WRITTEN;
  }

  /**
   * Reads a cell for its owner; from then on no write of a lower epoch is accepted. Undefined if a later owner was first.
   *
   * @throws INVALID_OPTION
   */
  claim(key: string, epoch: number): FencedValue | undefined {
    const current = this.read(key);
    checkInteger('FencedStore', 'epoch', epoch, 1, Number.MAX_SAFE_INTEGER);
    if (epoch < current.epoch) {
      this.#refused++;
      return undefined;
    }
    const claimed = Object.freeze({ value: current.value, epoch });
    this.#values.set(key, claimed);
    return claimed;
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
