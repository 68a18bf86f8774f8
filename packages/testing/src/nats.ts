/** A real nats-server for tests. */
export { startNatsServer } from './nats-server.ts';
export type { NatsServer, NatsServerOptions } from './nats-server.ts';
export { hasNatsServer } from './nats-binary.ts';
