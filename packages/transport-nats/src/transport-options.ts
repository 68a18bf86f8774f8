/** The options of the NATS transport. */
import type { Clock, Logger } from '@clstr/core';
import type { NatsConnectOptions } from './login-options.ts';

/** A `NatsConnection` of the package `nats`, as far as types tell it from others. */
export interface BorrowedConnection {
  publish(subject: string, payload?: Uint8Array): void;
  subscribe(subject: string): unknown;
  flush(): Promise<void>;
  isClosed(): boolean;
}

/** `native` is the fast binary wire; `json` reaches nodes of the Go implementation. Nodes understand both. */
export type Wire = 'native' | 'json';

export interface NatsTransportOptions extends NatsConnectOptions {
  /**
   * A connection of yours, which the transport never closes; not together with `servers`, credentials and the like. Open
   * it with `noAsyncTraces: true` for speed.
   */
  connection?: BorrowedConnection | undefined;
  /**
   * Names the cluster, of `[A-Za-z0-9_-]`; the same at every client and node, and for `natsMembership`. Its subjects
   * begin with it. Default `clstr`.
   */
  cluster?: string | undefined;
  /**
   * First part of all subjects, for a cluster whose subjects do not begin with its name, such as one with Go peers; the
   * same at every client and node, and for `natsMembership`. Default: the name of the cluster.
   */
  subjectPrefix?: string | undefined;
  /** Nodes reply only to subjects with these prefixes. Own inboxes start with the first. Default `['_INBOX']`. */
  inboxPrefixes?: readonly string[] | undefined;
  /** The wire that clients of this transport use. Default `native`. */
  wire?: Wire | undefined;
  /** Longest time one attempt to connect may take, in milliseconds. Default 2,000. */
  connectTimeoutMs?: number | undefined;
  /**
   * Pause between attempts to reconnect, in milliseconds. It grows by a quarter with each round of all servers, to four
   * times this value at most; there is no last attempt. Default 250.
   */
  reconnectWaitMs?: number | undefined;
  /**
   * How often the transport pings its server, in milliseconds. It leaves a server that says nothing between two pings for
   * the next one, and so notices one that goes dark within twice this time. Default 2,000.
   */
  pingIntervalMs?: number | undefined;
  /**
   * How many messages may wait for the connection to come back; more fail as `OVERLOADED`. As many replies of nodes may
   * wait too; beyond that the oldest are dropped. Default 16,384.
   */
  maxWaiting?: number | undefined;
  /** The bound of all their payloads together, in bytes. Default 64 MiB. */
  maxWaitingBytes?: number | undefined;
  clock?: Clock | undefined;
  /** Default: silent, or the logger of the app that uses the transport. */
  logger?: Logger | undefined;
}
