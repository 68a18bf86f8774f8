/** The contract of a text hash: one text at a time, or a series of numbered ones. */

/** A 64-bit hash in two halves, each an unsigned 32-bit integer. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

/** Texts `${head}${n}${tail}` for each n from 0 on, as many as there is room for, and where their hashes go. */
export interface Series {
  readonly head: string;
  readonly tail: string;
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

export interface TextHash {
  hash(text: string): Hash64;
  hashSeries(series: Series): void;
}

/** Hashes a series text by text. */
export function hashSeriesBy(hash: (text: string) => Hash64, { head, tail, high, low }: Series): void {
  for (let n = 0; n < high.length; n++) {
    const digest = hash(`${head}${n}${tail}`);
    high[n] = digest.high;
    low[n] = digest.low;
  }
}
