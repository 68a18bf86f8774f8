/** A cluster within one process, for `createApp` and `connectClient` in tests: apps that are given it find each other. */
import type { Clock, Cluster, Logger, PlacementKind, Timing, TimingProfile } from '@clstr/core';
import { defaults } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  DEFAULT_SERVICE,
  clockOption,
  integer,
  loggerOption,
  optional,
  placementOption,
  resolve,
  text,
  timingOption,
} from '@clstr/core/internal';
import { createMemoryBus } from './memory-bus.ts';
import { memoryMembership } from './memory-membership.ts';
import { createMemoryStore } from './memory-store.ts';
import type { MemoryStore } from './memory-store.ts';
import { memoryTransport } from './memory-transport.ts';

export interface MemoryClusterOptions {
  /** Shards of each service. Default 1,024. */
  numShards?: number | undefined;
  /** Mixed into every hash. Default ''. */
  seed?: string | undefined;
  /** How long membership waits for what: `default`, `datacenter`, `fast`, or a `Timing`. Default `fast`. */
  timing?: TimingProfile | Timing | undefined;
  /** How shards are given to nodes. Default `rendezvous`. */
  placement?: PlacementKind | undefined;
  clock?: Clock | undefined;
  /** Default: warnings and errors go to stderr. */
  logger?: Logger | undefined;
}

export const memoryClusterSpec: Spec<Resolved<MemoryClusterOptions, 'logger', { timing: Timing }>> = {
  numShards: integer(1, 2 ** 20, defaults.numShards),
  seed: text(defaults.seed),
  timing: timingOption('fast'),
  placement: placementOption,
  clock: clockOption,
  logger: optional(loggerOption),
};

/** @throws INVALID_OPTION */
export function memoryCluster(options: MemoryClusterOptions = {}): Cluster {
  const resolved = resolve('memoryCluster', memoryClusterSpec, options);
  const { numShards, seed, timing, placement, clock, logger } = resolved;
  const bus = createMemoryBus({ clock });
  const stores = new Map<string, MemoryStore>();
  const storeOf = (service: string): MemoryStore => {
    let store = stores.get(service);
    if (store === undefined) {
      store = createMemoryStore({ clock, provision: { numShards, seed, placement } });
      stores.set(service, store);
    }
    return store;
  };
  return Object.freeze<Cluster>({
    name: 'memory',
    numShards,
    seed,
    logger,
    connect: async () => memoryTransport({ bus }),
    membership: (service = DEFAULT_SERVICE) =>
      memoryMembership({ store: storeOf(service), timing, placement, clock }),
  });
}
