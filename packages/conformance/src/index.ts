/** The suites that transports, membership stores and stores of state pass, declared as tests of vitest. */
export { transportConformance } from './transport-conformance.ts';
export type { BusUnderTest, TransportUnderTest } from './transport/transport-under-test.ts';
export { storeConformance } from './store-conformance.ts';
export type { ClusterUnderTest, MemberUnderTest, StoreUnderTest } from './store/store-under-test.ts';
export { stateStoreConformance } from './state-store-conformance.ts';
export { proxyFaults } from './state/proxy-faults.ts';
export type {
  ConnectionFaults,
  StateConnection,
  StateStoreUnderTest,
} from './state/state-store-under-test.ts';
