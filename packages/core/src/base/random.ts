/** Randomness as an injected value, so that a simulation can repeat a run bit by bit. */
import { customRandom, urlAlphabet } from 'nanoid';
import { methods } from './spec.ts';
import type { Option } from './spec.ts';

export interface Random {
  /** `count` fresh random bytes. */
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = {
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};

export const randomOption: Option<Random> = methods(['bytes'], systemRandom);

/** A random id of `[A-Za-z0-9_-]`, so that it is also a valid subject token. */
export function randomId(random: Random, length: number): string {
  return customRandom(urlAlphabet, length, (count) => random.bytes(count))();
}

/** A random non-zero safe integer of 53 bits. */
export function randomSafeInteger(random: Random): number {
  const bytes = random.bytes(8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return (view.getUint32(0) % 0x20_0000) * 0x1_0000_0000 + view.getUint32(4) || 1;
}
