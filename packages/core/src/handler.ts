/** What a node runs for each message. */
import type { Headers } from './envelope.ts';
import type { Logger } from './logger.ts';

export interface HandlerRequest {
  /** The routing key; undefined for a message sent to a shard. */
  readonly key: string | undefined;
  readonly shard: number;
  readonly type: string;
  readonly payload: unknown;
  readonly headers: Headers;
  /** The caller waits for no reply. */
  readonly isNotify: boolean;
}

export interface HandlerContext {
  /** Aborted when the caller gives up, the time is over, or the node closes. */
  readonly signal: AbortSignal;
  readonly nodeId: string;
  readonly log: Logger;
  /** What is left of the time for this message, in milliseconds, never below 0. */
  remainingMs(): number;
}

/**
 * Returns the reply, or a promise of it. May carry a `close` method that the node calls once, after the last
 * message, when it drains or closes.
 */
export interface Handler {
  (request: HandlerRequest, context: HandlerContext): unknown;
  close?(): Promise<void>;
}

/** Runs around every handler call of a node; the first of the list is outermost. */
export type NodeInterceptor = (
  request: HandlerRequest,
  context: HandlerContext,
  next: (request: HandlerRequest) => unknown,
) => unknown;
