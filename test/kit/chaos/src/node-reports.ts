/** The messages between a node process and its parent. */
import type { ErrorCode, NodeEvent, NodeOptions, TimingProfile } from '@clstr/core';
import type { NatsMembershipOptions } from '@clstr/transport-nats';
import type { HandlerStep } from './handler-log.ts';

export interface NodeOrder {
  readonly id: string;
  /** The addresses of nats-servers, or of their proxies, for requests. */
  readonly servers: readonly string[];
  readonly memberServers: readonly string[];
  /** The number of replicas of the bucket. */
  readonly replicas: number;
  readonly timing?: TimingProfile | undefined;
  /** The ping interval of the request connection. Default 500. */
  readonly pingIntervalMs?: number | undefined;
  readonly numShards: number;
  readonly seed?: string | undefined;
  readonly placement?: NatsMembershipOptions['placement'];
  readonly identity?: NodeOptions['identity'];
  /** The port of the fenced store. */
  readonly storePort: number;
}

export type NodeReport =
  /** The node is a member. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'event'; readonly at: number; readonly event: NodeEvent }
  /** The node begins to hand the shard over and admits nothing more for it. */
  | { readonly kind: 'releasing'; readonly at: number; readonly shard: number }
  | { readonly kind: 'handlers'; readonly steps: readonly HandlerStep[] }
  | {
      readonly kind: 'failed';
      readonly code?: ErrorCode | undefined;
      readonly message: string;
      readonly details?: unknown;
    };
