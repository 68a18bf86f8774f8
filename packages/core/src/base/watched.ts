/** What metrics read when they are asked for their values: these objects cost nothing until then. */
import type { NodeState } from './node-state.ts';

/** A client of one service, as its metrics see it. */
export interface WatchedClient {
  readonly service: string;
  /** How many repeats of failed calls its budget allows at the moment; undefined without retries. */
  readonly retriesLeft: number | undefined;
  /** How many nodes get no calls from it at the moment, or only probes; undefined without a breaker. */
  readonly openBreakers: number | undefined;
  readonly isClosed: boolean;
}

/** A node, as its metrics see it. */
export interface WatchedNode {
  readonly id: string;
  readonly state: NodeState;
  /** How many messages are accepted and not yet answered. */
  readonly inFlight: number;
  /** Whether the node refuses calls, critical ones last, because messages wait too long for it. */
  readonly isShedding: boolean;
  /** The shards that the node owns. */
  shards(): readonly number[];
  /** How many shards it should own, as far as it knows the members. */
  readonly wanted: number;
  /** How many shards of the cluster no node owns, as far as this one knows. */
  readonly unowned: number;
  /** How long the lease lasts without another heartbeat, in milliseconds; undefined in a static cluster. */
  readonly leaseMarginMs: number | undefined;
  /** Why the membership store does not answer; undefined while it does. */
  readonly storeTrouble: string | undefined;
}

/** The actors of one handler. */
export interface WatchedActors {
  /** The message types that they handle. */
  readonly types: readonly string[];
  /** How many actors of each type are in memory. */
  active(): ReadonlyMap<string, number>;
  /** How many messages and timers wait in the mailboxes of all of them. */
  readonly mailboxDepth: number;
  /** How many runs of `setup`, timers, `passivate`, `discard` and `waitUntil` have not ended. */
  readonly tasksInFlight: number;
  readonly isClosed: boolean;
}

/** One connection to the bus, which all services of the cluster share. */
export interface WatchedTransport {
  readonly name: string;
  readonly state: 'connected' | 'disconnected' | 'closed';
  /** Replies that did not leave, since the start. */
  readonly lostReplies: number;
  /** Messages of the bus that were sent since the start: each carries one or more requests, notifies or replies. */
  readonly batches: number;
  /** The requests, notifies and replies in them. */
  readonly entries: number;
  /** How many batches had 1 entry, 2 entries, at most 4, at most 8, and so on: each is counted once, in the smallest. */
  readonly batchSizes: readonly number[];
}
