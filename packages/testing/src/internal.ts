/** Names for the sibling packages and this repository's own tests: they may change in any release. */
export { findNatsServer } from './nats-binary.ts';
export { altered } from './altered.ts';
export { recordLog } from './log-record.ts';
export type { RecordedLogger } from './log-record.ts';
export { VirtualClock } from './simulation/virtual-clock.ts';
export { defaults } from './defaults.ts';
export { operationsByKey } from './checkers/history.ts';
export { describeOperation } from './checkers/operation.ts';
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
export { processorGrowth } from './processor-growth.ts';
