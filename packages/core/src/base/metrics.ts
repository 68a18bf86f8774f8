/** The metrics contract: what the framework reports, in events; a Prometheus package turns them into series. */

export type TransportErrorKind = 'no_subscriber' | 'timeout' | 'ttl_expired' | 'closed';

/**
 * A `type` is a message type, or `other`: names that anybody can make up are no labels. At a node the types are those
 * that its handler declares (`Handler.types`, as `actorHandler` does), or the first 256 that a handler without a
 * declaration answered with success. At a client they are the first 256 that no node refused as `UNKNOWN_TYPE`.
 */
export interface Metrics {
  /** A request ended at the client. */
  requestEnded(type: string, isSuccess: boolean, durationMs: number): void;
  /**
   * A notify was handed to the bus (`true`, at once), or finally failed (`false`). A node may refuse it after it was
   * handed over: then both are reported.
   */
  notifyEnded(type: string, isSuccess: boolean): void;
  /** A message did not reach a handler, or its reply did not come back in time. */
  transportError(kind: TransportErrorKind): void;
  /**
   * A message that a node had accepted ended. `durationMs` is the time its handler took, 0 when it was refused before
   * that; `waitedMs` is how long it waited in front of it, e.g. in a mailbox.
   */
  handlerEnded(type: string, isSuccess: boolean, durationMs: number, waitedMs: number): void;
  /** How many messages a node has accepted and not yet answered. */
  handlersActive(nodeId: string, count: number): void;
  /** How many shards a node serves. */
  shardsOwned(nodeId: string, count: number): void;
}

const ignore = (): void => {};

/** Compared by identity on hot paths, so that no metrics cost nothing. */
export const noMetrics: Metrics = {
  requestEnded: ignore,
  notifyEnded: ignore,
  transportError: ignore,
  handlerEnded: ignore,
  handlersActive: ignore,
  shardsOwned: ignore,
};
