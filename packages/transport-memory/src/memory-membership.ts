/** Membership over a memory store: a cluster within one process. */
import type { Clock, Membership, PlacementKind, Timing, TimingProfile } from '@clstr/core';
import { resolveTiming } from '@clstr/core/store';
import { checkKnownOptions, checkMethods, checkString } from '@clstr/core/internal';
import { checkPlacement } from './check-placement.ts';
import { createMemoryStore } from './memory-store.ts';
import type { MemoryStore } from './memory-store.ts';

export interface MemoryMembershipOptions {
  /** Default: a new one of its own, which all that open this membership share. */
  store?: MemoryStore | undefined;
  /** Name of its connections at the store. Default: a new one for each. */
  member?: string | undefined;
  /** Default `fast`. */
  timing?: TimingProfile | Timing | undefined;
  /** Default `rendezvous`. */
  placement?: PlacementKind | undefined;
  /** Of its connections. Default: the store's. */
  clock?: Clock | undefined;
}

const OWNER = 'memoryMembership';

/** @throws INVALID_OPTION */
export function memoryMembership(options: MemoryMembershipOptions = {}): Membership {
  checkKnownOptions(OWNER, options, ['store', 'member', 'timing', 'placement', 'clock']);
  const { member, clock } = options;
  const store = checkMethods(OWNER, 'store', options.store ?? createMemoryStore(), ['connect']);
  if (member !== undefined) checkString(OWNER, 'member', member, /./, 'a name');
  if (clock !== undefined) checkMethods(OWNER, 'clock', clock, ['monoMs', 'wallMs', 'timer', 'macrotask']);
  const placement = checkPlacement(OWNER, options.placement);
  return Object.freeze({
    name: 'memory',
    timing: resolveTiming(OWNER, options.timing ?? 'fast'),
    placement,
    open: async () => store.connect({ member, clock }),
  });
}
