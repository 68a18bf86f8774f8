/** A bus and a membership store in memory. */
/** So that what this package makes can be named by a program that does not depend on core. */
export type { Membership, Transport } from '@clstr/core';
export { memoryTransport } from './memory-transport.ts';
export type { MemoryTransportOptions } from './memory-transport.ts';
export { createMemoryBus } from './memory-bus.ts';
export type { MemoryBus, MemoryBusOptions } from './memory-bus.ts';
export type { NetworkPolicy, Packet } from './network-policy.ts';
export { memoryMembership } from './memory-membership.ts';
export type { MemoryMembershipOptions } from './memory-membership.ts';
export { createMemoryStore } from './memory-store.ts';
export type { MemoryStore, MemoryStoreOptions } from './memory-store.ts';
