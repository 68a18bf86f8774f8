/** The suites that transports and membership stores pass, declared as tests of vitest. */
export { transportConformance } from './transport-conformance.ts';
export type { BusUnderTest, TransportUnderTest } from './transport/transport-under-test.ts';
export { storeConformance } from './store-conformance.ts';
export type { ClusterUnderTest, MemberUnderTest, StoreUnderTest } from './store/store-under-test.ts';
