/** What a node runs for each message. */
import type { CallChain } from '../wire/call-chain.ts';
import type { Headers } from '../wire/envelope.ts';
import type { ClstrError } from '../base/errors.ts';
import type { OverdueTurn } from '../base/overdue-turns.ts';
import type { Logger } from '../base/logger.ts';

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

/** The time during which a node owns a shard. */
export interface ShardLease {
  /** How many owners the shard has had: higher than in every lease before. */
  readonly epoch: number;
  /** Whether the shard is still this node's, at this moment. */
  readonly isHeld: boolean;
  /**
   * The epoch, for a store that refuses writes with a lower one: read it right before the write, as it is then that the
   * lease is tested.
   *
   * @throws FENCED when the shard may have another owner by now
   */
  readonly fencingToken: number;
}

export interface HandlerContext {
  /** Aborted when the caller gives up, the time is over, or the node closes. */
  readonly signal: AbortSignal;
  readonly nodeId: string;
  /** This node's stay with the shard, as of when the message was admitted; undefined in a static cluster. */
  readonly lease: ShardLease | undefined;
  readonly log: Logger;
  /**
   * Called once when `signal` fires, before the caller is answered. Cheaper than `signal`: for layers that keep a
   * message waiting, which can answer it there with {@link HandlerContext.refuse}.
   */
  onAbort: ((reason: ClstrError) => void) | undefined;
  /**
   * The handler begins: what the message waited until now is not its handler's time. For layers that keep a message
   * waiting.
   */
  started(): void;
  /** Answers the message as not executed. Only while no user code has seen it; does nothing once it is answered. */
  refuse(error: ClstrError): void;
  /** When the node accepted the message, on the clock that it was given. */
  readonly startedMs?: number | undefined;
  /** What is left of the time for this message, in milliseconds, never below 0. */
  remainingMs(): number;
}

/** Returns the reply, or a promise of it. What keeps state between messages hears when that state has to go. */
export interface Handler {
  (request: HandlerRequest, context: HandlerContext): unknown;
  /**
   * The names of what lives here, such as actors. A dynamic cluster refuses a node that has no name in common with the
   * nodes that run. Without it the handler declares nothing, and its node is not compared.
   */
  readonly hosts?: readonly string[] | undefined;
  /**
   * All message types that it handles. Nodes whose lists differ are versions of one service: one may know more. Metrics
   * count all others as `other`.
   */
  readonly types?: readonly string[] | undefined;
  /** Called once, after the last message, when the node drains or closes. */
  close?(): Promise<void>;
  /**
   * The shard moves to another node: refuse with `refusal` what waits, save what is in memory. Resolves when nothing of
   * the shard is left, in `limitMs` or a little more.
   */
  handOver?(shard: number, refusal: ClstrError, limitMs: number): Promise<void>;
  /** What runs past its time without a message that the node knows of; part of `node.overdue()`. */
  overdue?(): readonly OverdueTurn[];
  /**
   * The shard has another owner already: drop what is in memory and save nothing. What waits is refused. The shard does
   * not come back to this node before a promise that it returns has settled.
   */
  drop?(shard: number, refusal: ClstrError): void | Promise<void>;
}

/**
 * Runs around every handler call of a node; the first of the list is outermost. What it puts into an `AsyncLocalStorage`
 * around `next` reaches the handler of this message, also one that waits in a mailbox, and no other.
 */
export type NodeInterceptor = (
  request: HandlerRequest,
  context: HandlerContext,
  next: (request: HandlerRequest) => unknown,
) => unknown;
