/** Programs that do not depend on core can name the types that this package returns. */
export type { Membership, Transport } from '@clstr/core';
export { natsTransport } from './nats-transport.ts';
export type { NatsTransport } from './nats-transport.ts';
export { defaults } from './defaults.ts';
export type { NatsTransportOptions, Wire } from './nats-options.ts';
export type { TransportStats as NatsTransportStats } from '@clstr/core/wire';

export { natsMembership, provisionCluster } from './nats-membership.ts';
export type { NatsClusterOptions, NatsMembershipOptions, ProvisionOptions } from './membership-options.ts';
export type { NatsConnectOptions } from './connect-options.ts';
export { natsPermissions } from './permissions.ts';
export type { NatsPermissions, NatsPermissionsOptions, NatsRole } from './permissions.ts';
