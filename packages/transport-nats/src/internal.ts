/** For the sibling packages alone: the connection below a transport, and how JetStream's answers are read. */
export type { Msg } from 'nats';
export { natsLinkOf } from './nats-link.ts';
export type { NatsLink } from './nats-link.ts';
export type { Connection } from './connection.ts';
export { checkConsumerName, readAck, unknownAfter } from './bucket.ts';
export { headText } from './nats-internals.ts';
export { placeOf } from './push-consumer.ts';
export { ApiErrors, fromApiError, isApiError } from './nats-errors.ts';
export { isSafeServer } from './nats-membership.ts';
