/** For the sibling packages alone: a store that loses, delays and repeats operations. */
export type { ProvisionedCluster, StoreConnectOptions } from './memory-store.ts';
export type { StoreWrite } from './store-history.ts';
export type {
  DeliveryEffect,
  OperationEffect,
  Transit,
  StoreDelivery,
  StoreOperation,
  StorePolicy,
} from './store-policy.ts';
