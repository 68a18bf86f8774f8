/** Programs that do not depend on core can name the types that this package returns. */
export type { Cluster, Membership, Transport } from '@clstr/core';
export { natsCluster } from './nats-cluster.ts';
export type { NatsClusterOptions } from './nats-cluster.ts';
export { natsTransport } from './nats-transport.ts';
export type { NatsTransport } from './nats-transport.ts';
export { defaults } from './defaults.ts';
export type { BorrowedConnection, NatsTransportOptions, Wire } from './transport-options.ts';
export type { TransportStats as NatsTransportStats } from '@clstr/core/wire';

export { natsMembership, provisionCluster } from './nats-membership.ts';
export type { NatsBucketOptions, NatsMembershipOptions, ProvisionOptions } from './bucket-options.ts';
export type {
  NatsAuthenticator,
  NatsConnectOptions,
  NatsLoginOptions,
  NatsTlsOptions,
} from './login-options.ts';
export { natsPermissions } from './permissions.ts';
export type { NatsPermissions, NatsPermissionsOptions, NatsRole } from './permissions.ts';
