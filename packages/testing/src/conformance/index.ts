export { transportConformance } from './transport-conformance.ts';
export type { BusUnderTest, TransportUnderTest } from './transport-under-test.ts';
