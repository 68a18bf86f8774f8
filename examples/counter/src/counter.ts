/** A counter per key: the whole business code of this example, and the part to copy. */
import { actorHandler } from '@clstr/actors';
import type { ActorHandler } from '@clstr/actors';
import { Counter } from './contract.ts';

/** 24.8 days, the longest possible time. */
const NEVER_MS = 2 ** 31 - 1;

/** Messages of one key run one after the other, so no update is lost. */
export const counter = Counter.implement({
  setup: () => ({ value: 0 }),
  handlers: {
    increment: (state, { amount }) => (state.value += amount),
    get: ({ value }) => value,
  },
  // No `passivate` saves the value, so an idle counter must stay in memory.
  idleMs: NEVER_MS,
});

/**
 * The handler of a node for its share of the counters. The values exist only in memory: a counter that leaves the cache
 * starts again at 0. So `cacheSize` must be at least the number of keys in use.
 */
export function counterHandler(cacheSize: number): ActorHandler {
  return actorHandler([counter], { cacheSize });
}
