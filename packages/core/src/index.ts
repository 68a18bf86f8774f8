/** What users need: clients, nodes, and what those are configured with. */
export { createClient } from './client/client.ts';
export type { Client } from './client/api.ts';
export type { CallResult, ItemOptions, KeyedCall, ListOptions } from './client/list-options.ts';
export type { AnyNode, AnyOptions, GatherOptions, NodeResult } from './client/to-nodes.ts';
export type { Balance } from './client/balance.ts';
export type { NodeInfo } from './client/node-info.ts';
export type { ScopedClient } from './client/scope.ts';
export type {
  CallOptions,
  ClientCall,
  ClientInterceptor,
  ClientOptions,
  NotifyFailure,
  Routing,
} from './client/options.ts';
export type { BreakerOptions } from './client/breaker.ts';
export type { OpenBreaker } from './client/breakers.ts';
export type { Route } from './client/routes.ts';
export type { FailedAttempt, Retry, RetryOptions, RetryPolicy } from './client/retry-policy.ts';
export { createNode } from './node/node.ts';
export type { Node, NodeEvent } from './node/api.ts';
export type { NodeState } from './base/node-state.ts';
export type { NodeReadings } from './node/readings.ts';
export type { Reach } from './cluster/shards.ts';
export type { DrainOptions, NodeOptions } from './node/options.ts';
export type { SheddingOptions } from './node/shedding-options.ts';
export type { IdempotencyOptions } from './node/idempotency-options.ts';
export type { Handler, HandlerContext, HandlerRequest, NodeInterceptor, ShardLease } from './node/handler.ts';
export type { NodeHandlers, NodeMessageHandler, NodeRequest } from './node/node-handlers.ts';
export { NO_SHARD } from './wire/transport.ts';
export { shardFromString } from './placement/shard.ts';
export { createPlacement, shardsForNode } from './placement/placement.ts';
export type { Placement, PlacementOptions } from './placement/placement.ts';
export { ActorError, ClstrError, ERROR_CODES, isClstrError } from './base/errors.ts';
export type { ClstrErrorOptions, ErrorCode, ErrorCodeInfo, Outcome } from './base/errors.ts';
export { bytesCodec, jsonCodec } from './wire/codec.ts';
export type { Codec } from './wire/codec.ts';
export type { Headers } from './wire/envelope.ts';
export type { ClusterLocation, ConnectionEvent, ConnectionState, Transport } from './wire/transport.ts';
export type { Cluster, ConnectContext } from './cluster/cluster.ts';
export type { Membership } from './cluster/membership.ts';
export type { PlacementKind } from './placement/kind.ts';
export { TIMINGS } from './cluster/timing.ts';
export type { Timing, TimingProfile } from './cluster/timing.ts';
export { defaults } from './base/defaults.ts';
export type { OverdueTurn } from './base/overdue-turns.ts';
export { systemClock } from './base/clock.ts';
export type { Clock } from './base/clock.ts';
export type { Random } from './base/random.ts';
export type { Logger } from './base/logger.ts';
export type {
  BreakerState,
  KeyedRepeat,
  ListMethod,
  Metrics,
  NodeEventType,
  RetryDenial,
  ShedReason,
  TransportErrorKind,
} from './base/metrics.ts';
export type { WatchedActors, WatchedClient, WatchedNode, WatchedTransport } from './base/watched.ts';
export type { CallEnd, CallSpan, HandlerSpan, TracedCall, TracedMessage, Tracing } from './wire/tracing.ts';
