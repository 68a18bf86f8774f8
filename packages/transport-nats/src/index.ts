export { natsTransport } from './nats-transport.ts';
export type { NatsTransport } from './nats-transport.ts';
export { defaults } from './nats-options.ts';
export type { NatsTransportOptions, Wire } from './nats-options.ts';
export type { NatsTransportStats } from './stats.ts';
