/** What tests of actors and services need. */
export { testActor } from './test-actor.ts';
export type { ActorUnderTest, TestActorOptions } from './test-actor.ts';
export { fakeRef } from './fake-ref.ts';
export type { FakeMethods, FakeRef, SentCall } from './fake-ref.ts';
export type { LogRecord } from './log-record.ts';
export { testCluster } from './test-cluster.ts';
export type { TestCluster, TestClusterOptions } from './test-cluster.ts';
export { fakeClock } from './fake-clock.ts';
export type { FakeClock, FakeClockOptions } from './fake-clock.ts';
export { deferred } from './deferred.ts';
export type { Deferred } from './deferred.ts';
export { simulate } from './simulation/simulate.ts';
export type { SimulationOptions, SimulationReport } from './simulation/simulate.ts';
export { FAULT_KINDS } from './simulation/faults.ts';
export type { Fault, FaultKind } from './simulation/faults.ts';
export type { BrokenInvariant, Invariant } from './simulation/oracle.ts';
export type { SimulatedClient, Workload } from './simulation/user-load.ts';
