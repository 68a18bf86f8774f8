/** Records as nodes write them, and randomness that never repeats. */
import type { Random } from '../../src/base/random.ts';
import type { Timing } from '../../src/cluster/timing.ts';
import { Ledger } from '../../src/cluster/ledger.ts';
import type { LedgerListener, LedgerOptions } from '../../src/cluster/ledger.ts';
import type { ShardEvent } from '../../src/cluster/shards.ts';
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

/** What an incarnation knows of the bucket whose configuration is `c`. */
export function createLedger(
  options: Pick<LedgerOptions, 'store' | 'clock'> & Partial<LedgerOptions>,
  listener: Partial<LedgerListener> = {},
): Ledger {
  const ledger = new Ledger(
    { numShards: 64, timing, random: countingRandom(), highestEpochs: new Map(), ...options },
    { onMember: () => undefined, onShard: () => undefined, ...listener },
  );
  ledger.clusterId = 'c';
  return ledger;
}

/** An event in a few words. */
export function eventLine(event: ShardEvent): string {
  switch (event.type) {
    case 'acquired':
      return `acquired ${event.shard} in ${event.epoch}`;
    case 'released':
    case 'lost':
      return `${event.type} ${event.shard}`;
    case 'fenced':
      return `fenced: ${event.reason}`;
    case 'lapsed':
      return 'expired';
    case 'joined':
      return 'joined';
  }
}

let nonces = 0;

export const heartbeat = (inc: string, more: object = {}): object => ({
  inc,
  beat: 1,
  leaseMs: timing.leaseMs,
  isDead: false,
  nonce: `n${++nonces}`,
  ...more,
});

export const member = (inc: string, state = 'up'): object => ({ inc, state, nonce: `n${++nonces}` });

export const owned = (epoch: number, owner: string, inc: string, state = 'owned'): object => ({
  epoch,
  owner,
  inc,
  state,
  nonce: `n${++nonces}`,
});
