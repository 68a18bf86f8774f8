/** The metrics contract: what the framework reports, in events; a Prometheus package turns them into series. */

export type TransportErrorKind = 'no_subscriber' | 'timeout' | 'ttl_expired' | 'closed';

export interface Metrics {
  /** A request ended at the client. */
  requestEnded(type: string, isSuccess: boolean, durationMs: number): void;
  /** A notify was handed over, or finally failed, at the client. */
  notifyEnded(type: string, isSuccess: boolean): void;
  /** A message did not reach a handler, or its reply did not come back in time. */
  transportError(kind: TransportErrorKind): void;
  /** A handler ended on a node. */
  handlerEnded(type: string, isSuccess: boolean, durationMs: number): void;
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
