/** Membership over a memory store: a cluster within one process. */
import type { Clock, Membership, PlacementKind, Timing, TimingProfile } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  clockOption,
  methods,
  optional,
  orMade,
  placementOption,
  resolve,
  text,
  timingOption,
} from '@clstr/core/internal';
import { createMemoryStore } from './memory-store.ts';
import type { MemoryStore } from './memory-store.ts';

export interface MemoryMembershipOptions {
  /** Default: a new store, which all nodes with this membership share. */
  store?: MemoryStore | undefined;
  /** Name of its connections at the store. Default: a new name for each. */
  member?: string | undefined;
  /** How long membership waits for what: `default`, `datacenter`, `fast`, or a `Timing`. Default `fast`. */
  timing?: TimingProfile | Timing | undefined;
  /** How shards are given to nodes. Default `rendezvous`. */
  placement?: PlacementKind | undefined;
  /** The clock of its connections. Default: the store's. */
  clock?: Clock | undefined;
}

export const memoryMembershipSpec: Spec<
  Resolved<MemoryMembershipOptions, 'member' | 'clock', { timing: Timing }>
> = {
  store: orMade(methods(['connect']), createMemoryStore),
  member: optional(text(undefined, /./, 'a name')),
  timing: timingOption('fast'),
  placement: placementOption,
  clock: optional(clockOption),
};

/** @throws INVALID_OPTION */
export function memoryMembership(options: MemoryMembershipOptions = {}): Membership {
  const { store, member, timing, placement, clock } = resolve(
    'memoryMembership',
    memoryMembershipSpec,
    options,
  );
  return Object.freeze({
    name: 'memory',
    timing,
    placement,
    open: async () => store.connect({ member, clock }),
  });
}
