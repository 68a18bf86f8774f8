export { memoryTransport } from './memory-transport.ts';
export type { MemoryTransportOptions } from './memory-transport.ts';
export { createMemoryBus } from './memory-bus.ts';
export type { MemoryBus, MemoryBusOptions } from './memory-bus.ts';
export type { NetworkPolicy, Packet } from './network-policy.ts';
