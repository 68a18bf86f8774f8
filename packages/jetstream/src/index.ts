/** The state of durable actors in NATS JetStream. */
export { jetstreamStore } from './jetstream-store.ts';
export type { JetStreamStoreOptions } from './jetstream-store.ts';
