/** The metrics contract: what the framework reports, in events; a Prometheus package turns them into series. */

export type TransportErrorKind = 'no_subscriber' | 'timeout' | 'ttl_expired' | 'closed';

/**
 * A `type` is a message type, or `other`: a name that anybody can make up is never a label. A node reports the types
 * that its handler declares (`Handler.types`, as `actorHandler` does), or the first 256 that a handler without a
 * declaration answered with success. A client reports the first 256 that no node refused as `UNKNOWN_TYPE`.
 */
export interface Metrics {
  /** A request ended at the client. */
  requestEnded(type: string, isSuccess: boolean, durationMs: number): void;
  /**
   * The client handed a notify to the bus (`true`, at once), or the notify finally failed (`false`). A node may refuse
   * it after it was handed over: then the client reports both.
   */
  notifyEnded(type: string, isSuccess: boolean): void;
  /** A message did not reach a handler, or its reply did not come back in time. */
  transportError(kind: TransportErrorKind): void;
  /**
   * A message that a node had accepted ended. `durationMs` is the time its handler took, 0 if it was refused before
   * that; `waitedMs` is how long it waited for the handler, e.g. in a mailbox.
   */
  handlerEnded(type: string, isSuccess: boolean, durationMs: number, waitedMs: number): void;
  /** How many messages a node has accepted and not yet answered. */
  handlersActive(nodeId: string, count: number): void;
  /** How many shards a node serves. */
  shardsOwned(nodeId: string, count: number): void;
}

const ignore = (): void => {};

/** Hot paths compare it by identity, so that a program without metrics pays nothing. */
export const noMetrics: Metrics = {
  requestEnded: ignore,
  notifyEnded: ignore,
  transportError: ignore,
  handlerEnded: ignore,
  handlersActive: ignore,
  shardsOwned: ignore,
};
