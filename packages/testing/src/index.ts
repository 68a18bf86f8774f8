export { testActor } from './test-actor.ts';
export type { ActorUnderTest, TestActorOptions } from './test-actor.ts';
export { fakeRef } from './fake-ref.ts';
export type { FakeMethods, FakeRef, SentCall } from './fake-ref.ts';
export type { LogRecord } from './log-record.ts';
export { testCluster } from './test-cluster.ts';
export type { TestCluster, TestClusterOptions } from './test-cluster.ts';

export { startNatsServer } from './nats-server.ts';
export type { NatsServer, NatsServerOptions } from './nats-server.ts';
export { findNatsServer, hasNatsServer } from './nats-binary.ts';

export { startTcpProxy } from './tcp-proxy.ts';
export type { TcpProxy, TcpProxyOptions } from './tcp-proxy.ts';
export type { ProxyMode } from './proxy-mode.ts';

export { fakeClock } from './fake-clock.ts';
export type { FakeClock, FakeClockOptions } from './fake-clock.ts';
export { deferred } from './deferred.ts';
export type { Deferred } from './deferred.ts';
export { VirtualClock } from './simulation/virtual-clock.ts';
export { simulate } from './simulation/simulate.ts';
export type { SimulationOptions, SimulationReport } from './simulation/simulate.ts';
export { FAULT_KINDS } from './simulation/faults.ts';
export type { Fault, FaultKind } from './simulation/faults.ts';
export type { BrokenInvariant, Invariant } from './simulation/oracle.ts';
export type { SimulatedClient, Workload } from './simulation/user-load.ts';
export { defaults } from './defaults.ts';

export { createHistory, operationsByKey } from './checkers/history.ts';
export type { Completion, History, HistoryEvent, HistoryOptions, Invocation } from './checkers/history.ts';
export { describeOperation } from './checkers/operation.ts';
export type { Operation, OperationOutcome } from './checkers/operation.ts';
export { readHistory } from './checkers/history-file.ts';
export { MalformedHistoryError } from './errors.ts';
export { counterModel, registerModel } from './checkers/sequential-model.ts';
export type { SequentialModel } from './checkers/sequential-model.ts';
export { checkLinearizable } from './checkers/linearizable.ts';
export type { LinearizableOptions } from './checkers/linearizable.ts';
export { checkCounters } from './checkers/counter-check.ts';
export type { Verdict, Violation } from './checkers/verdict.ts';
export { createOverlapOracle } from './checkers/overlap-oracle.ts';
export type { Overlap, OverlapKind, OverlapOracle, ShardOwner } from './checkers/overlap-oracle.ts';
export { auditEpochs } from './checkers/audit-epochs.ts';
export type {
  BucketWrite,
  EpochAudit,
  EpochAuditOptions,
  EpochProblem,
  EpochProblemKind,
} from './checkers/audit-epochs.ts';
export { FencedStore } from './checkers/fenced-store.ts';
export type { FencedRefusal, FencedValue, FencedWrite } from './checkers/fenced-store.ts';
export { serveFencedStore } from './checkers/fenced-store-server.ts';
export type { FencedStoreServer, FencedStoreServerOptions } from './checkers/fenced-store-server.ts';
export { connectFencedStore } from './checkers/fenced-store-client.ts';
export type { FencedStoreClient, FencedStoreClientOptions } from './checkers/fenced-store-client.ts';
