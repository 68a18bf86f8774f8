/** A bus, a membership store and the state of durable actors in memory. */
/** Programs that do not depend on core can name the types that this package returns. */
export type { Membership, Transport } from '@clstr/core';
export { memoryCluster } from './memory-cluster.ts';
export type { MemoryClusterOptions } from './memory-cluster.ts';
export { memoryTransport } from './memory-transport.ts';
export type { MemoryTransportOptions } from './memory-transport.ts';
export { createMemoryBus } from './memory-bus.ts';
export type { MemoryBus, MemoryBusOptions } from './memory-bus.ts';
export type { NetworkPolicy, Packet } from './network-policy.ts';
export { memoryMembership } from './memory-membership.ts';
export type { MemoryMembershipOptions } from './memory-membership.ts';
export { createMemoryStore } from './memory-store.ts';
export type { MemoryStore, MemoryStoreOptions } from './memory-store.ts';
export { memoryStateStore } from './memory-state-store.ts';
export type { MemoryStateOptions, MemoryStateStores } from './memory-state-store.ts';
