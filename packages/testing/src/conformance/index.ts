export { transportConformance } from './transport-conformance.ts';
export type { BusUnderTest, TransportUnderTest } from './transport-under-test.ts';
export { storeConformance } from './store-conformance.ts';
export type { ClusterUnderTest, MemberUnderTest, StoreUnderTest } from './store-under-test.ts';
