/** What the parent of a node process tells it, and what it tells its parent. */
import type { ErrorCode, NodeEvent, TimingProfile } from '@clstr/core';
import type { NatsMembershipOptions } from '@clstr/transport-nats';
import type { HandlerStep } from './handler-log.ts';

export interface NodeOrder {
  readonly id: string;
  /** Of nats-servers, or of proxies before them: for requests. */
  readonly servers: readonly string[];
  readonly memberServers: readonly string[];
  /** Copies of the bucket. */
  readonly replicas: number;
  readonly timing?: TimingProfile | undefined;
  /** Of the connection for requests. Default 500. */
  readonly pingIntervalMs?: number | undefined;
  readonly numShards: number;
  readonly seed?: string | undefined;
  readonly placement?: NatsMembershipOptions['placement'];
  /** Of the fenced store. */
  readonly storePort: number;
}

export type NodeReport =
  /** The node is a member. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'event'; readonly at: number; readonly event: NodeEvent }
  /** Begins to hand the shard over: nothing is admitted for it any more. */
  | { readonly kind: 'releasing'; readonly at: number; readonly shard: number }
  | { readonly kind: 'handlers'; readonly steps: readonly HandlerStep[] }
  | {
      readonly kind: 'failed';
      readonly code?: ErrorCode | undefined;
      readonly message: string;
      readonly details?: unknown;
    };
