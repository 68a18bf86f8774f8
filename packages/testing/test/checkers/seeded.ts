/** Chance that a seed repeats, for generators that make thousands of cases. `SEED=…` repeats a run. */
import { env } from 'node:process';

export const seed = Number(env['SEED'] ?? Math.trunc(Math.random() * 0x7fff_ffff));

export interface Chance {
  /** From 0 to less than 1. */
  next(): number;
  /** A whole number from 0 to less than `limit`. */
  below(limit: number): number;
  /** True in this share of all times. */
  is(share: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/** Mulberry32, by Tommy Ettinger. */
export function chance(from: number): Chance {
  let state = from >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return { next, below, is: (share) => next() < share, pick: (from) => from[below(from.length)]! };
}
