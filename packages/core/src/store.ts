/** For authors of stores: the contract of membership with its keys and provisioning, and that of actors' state. */
export { CONFIG_KEY } from './cluster/store.ts';
export type { CasOutcome, ClusterStore, StoreEntry, StoreListener, Watch } from './cluster/store.ts';
export { refusalOf } from './cluster/refusal.ts';
export { checkStoreKey, checkWatchPattern, isWritable } from './cluster/store-keys.ts';
export type { MembershipContext } from './cluster/membership.ts';
export { provisionShards, provisionedRecords } from './cluster/provisioning.ts';
export type { ProvisioningOptions } from './cluster/provisioning.ts';
export type { ClusterShape } from './cluster/joining.ts';
export { resolveTiming } from './cluster/timing.ts';
export type {
  StateHead,
  StateLog,
  StatePlace,
  StateRecord,
  StateStore,
  StateStoreContext,
  StateStores,
  StoredRecord,
} from './state/state-store.ts';
