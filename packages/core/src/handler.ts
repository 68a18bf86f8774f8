/** What a node runs for each message. */
import type { CallChain } from './call-chain.ts';
import type { Headers } from './envelope.ts';
import type { ClstrError } from './errors.ts';
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
  /** The actors this call came through, outermost first; empty for a call from outside. */
  readonly callChain: CallChain;
}

export interface HandlerContext {
  /** Aborted when the caller gives up, the time is over, or the node closes. */
  readonly signal: AbortSignal;
  readonly nodeId: string;
  readonly log: Logger;
  /**
   * Called once when `signal` fires, before the caller is answered. Cheaper than `signal`: for layers that keep a
   * message waiting, which can answer it there with {@link HandlerContext.refuse}.
   */
  onAbort: ((reason: ClstrError) => void) | undefined;
  /** Answers the message as not executed. Only while no user code has seen it; does nothing once it is answered. */
  refuse(error: ClstrError): void;
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
