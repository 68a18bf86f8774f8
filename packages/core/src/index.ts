export { createClient } from './client.ts';
export type { Client } from './client.ts';
export type { NodeInfo, ScopedClient } from './client-scope.ts';
export type {
  CallOptions,
  ClientCall,
  ClientInterceptor,
  ClientOptions,
  NotifyFailure,
  Routing,
} from './client-options.ts';
export { createNode } from './node.ts';
export type { DrainOptions, Node, NodeEvent, NodeState } from './node.ts';
export type { NodeOptions } from './node-options.ts';
export type { Handler, HandlerContext, HandlerRequest, NodeInterceptor, ShardTenure } from './handler.ts';

export { createKeyRouter, shardFromString } from './shard.ts';
export type { KeyRouter } from './shard.ts';
export { createPlacement, shardsForNode } from './placement.ts';
export type { Placement, PlacementOptions } from './placement.ts';

export {
  ActorError,
  ClstrError,
  ERROR_CODES,
  asRefusal,
  dispositionOf,
  forCaller,
  isClstrError,
  isErrorCode,
} from './errors.ts';
export type { ClstrErrorOptions, ErrorCode, ErrorCodeInfo, Failure, Outcome } from './errors.ts';

export { MAX_CALL_DEPTH, chainTo, isOfChain } from './call-chain.ts';
export type { CallChain } from './call-chain.ts';
export { bytesCodec, jsonCodec, payloadBytes } from './codec.ts';
export type { Codec } from './codec.ts';
export { checkCallerType, envelopeLimits } from './envelope.ts';
export type { Headers } from './envelope.ts';

export { nodeAddress } from './address.ts';
export { NOWHERE, TOPOLOGY_ADDRESS, heldBytes, isNodeAddress, isTopologyAddress } from './transport.ts';
export type {
  Address,
  ClientLink,
  ClusterLocation,
  ConnectionEvent,
  ConnectionState,
  EntryReceiver,
  InboundEntry,
  InboundReply,
  LinkOptions,
  NodeAddress,
  OutboundEntry,
  ReplyPort,
  ReplySink,
  ShardAddress,
  TopologyAddress,
  Subscription,
  Transport,
} from './transport.ts';
export { CONFIG_KEY } from './membership/cluster-store.ts';
export type {
  CasOutcome,
  ClusterStore,
  StoreEntry,
  StoreListener,
  Watch,
} from './membership/cluster-store.ts';
export { refusalOf } from './membership/refusal.ts';
export { checkStoreKey, checkWatchPattern, isWritable } from './membership/store-keys.ts';
export type { Membership, MembershipContext, PlacementKind } from './membership/membership.ts';
export { provisionShards, provisionedRecords } from './membership/provisioning.ts';
export type { ProvisioningOptions } from './membership/provisioning.ts';
export type { ClusterShape } from './membership/joining.ts';
export { TIMINGS, resolveTiming } from './membership/timing.ts';
export type { Timing, TimingProfile } from './membership/timing.ts';
export { PendingAttempt, PendingTable } from './pending.ts';
export { FRAME_MAGIC, FRAME_VERSION } from './frame-layout.ts';
export { createFrameWriter, encodeBatchError } from './frame-writer.ts';
export type { FrameWriter } from './frame-writer.ts';
export { decodeFrame, isCrowded, isFrame } from './frame-reader.ts';
export type { FrameResult, FrameVisitor } from './frame-reader.ts';
export { errorFromRecord, errorToRecord, shortError } from './error-record.ts';
export type { ErrorRecord } from './error-record.ts';

export { describe, printable } from './describe.ts';
export {
  checkInteger,
  checkMethods,
  checkOptionalFunction,
  checkKnownOptions,
  checkString,
  defaults,
  invalidOption,
} from './options.ts';
export { abortDetached, captureContext, detached } from './internal/async-context.ts';
export type { AsyncContext } from './internal/async-context.ts';
export { anySignal, listenForAbort, stopListening } from './internal/abort-listeners.ts';
export type { Abortable } from './internal/abort-listeners.ts';
export { OverdueTurns } from './internal/overdue-turns.ts';
export type { OverdueTurn, WatchedTurn } from './internal/overdue-turns.ts';
export { inBackground } from './internal/background.ts';
export { Slices } from './internal/slices.ts';
export { pause, systemClock, within } from './clock.ts';
export type { Clock } from './clock.ts';
export { randomId, systemRandom } from './random.ts';
export type { Random } from './random.ts';
export { safeLogger } from './observers.ts';
export { LateLogger } from './late-logger.ts';
export { silentLogger } from './logger.ts';
export type { Logger } from './logger.ts';
export { FloodLog } from './flood-log.ts';
export { createRareLog } from './rare-log.ts';
export type { RareLog } from './rare-log.ts';
export { noMetrics } from './metrics.ts';
export type { Metrics, TransportErrorKind } from './metrics.ts';
