/** Records as nodes write them, and randomness that never repeats. */
import type { Random } from '../../src/base/random.ts';
import type { Timing } from '../../src/cluster/timing.ts';
import { TIMINGS } from '../../src/cluster/timing.ts';

export const timing: Timing = TIMINGS.fast;

/** Counts up, so that no two ids are equal. */
export function countingRandom(): Random {
  let count = 0;
  return {
    bytes: (length) => {
      count++;
      return Uint8Array.from({ length }, (_, i) => (count >> (6 * (i % 4))) & 63);
    },
  };
}

let nonces = 0;

export const heartbeat = (inc: string, more: object = {}): object => ({
  ...{ inc, beat: 1, leaseMs: timing.leaseMs, isDead: false, nonce: `n${++nonces}` },
  ...more,
});

export const member = (inc: string, state = 'up'): object => ({ inc, state, nonce: `n${++nonces}` });

export const owned = (epoch: number, owner: string, inc: string, state = 'owned'): object => ({
  ...{ epoch, owner, inc, state },
  nonce: `n${++nonces}`,
});
