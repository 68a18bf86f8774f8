/** The handler that a node runs for each message. */
import type { CallChain } from '../wire/call-chain.ts';
import type { Headers } from '../wire/envelope.ts';
import type { ClstrError } from '../base/errors.ts';
import type { OverdueTurn } from '../base/overdue-turns.ts';
import type { Logger } from '../base/logger.ts';

export interface HandlerRequest {
  /** The routing key; undefined for a message sent to a shard. */
  readonly key: string | undefined;
  /** In an interceptor `NO_SHARD` for a message to the node itself. */
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
  /** Whether this node still holds the shard, at this moment. */
  readonly isHeld: boolean;
  /**
   * The epoch, for a store that refuses writes with a lower one. Read it right before the write, because reading it tests
   * the lease.
   *
   * @throws FENCED when the shard may have another owner by now
   */
  readonly fencingToken: number;
}

export interface HandlerContext {
  /** Aborted when the caller gives up, the time is over, or the node closes. */
  readonly signal: AbortSignal;
  readonly nodeId: string;
  /** The lease under which the node admitted the message; undefined in a static cluster. */
  readonly lease: ShardLease | undefined;
  readonly log: Logger;
  /** The caller's name for this one operation, which runs once in the life of a shard's owner; undefined without one. */
  readonly idempotencyKey?: string | undefined;
  /**
   * For a handler that keeps replies: how long ago, at most, the first attempt of the call left that may have run, in
   * milliseconds. Undefined if none has.
   */
  readonly mayHaveRunMs?: number | undefined;
  /**
   * Called once when `signal` fires, before the caller is answered. Cheaper than `signal`: for layers that keep a
   * message waiting, which can answer it there with {@link HandlerContext.refuse}.
   */
  onAbort: ((reason: ClstrError) => void) | undefined;
  /**
   * Ends the wait of the message: its handler's time begins now. For layers that keep a message waiting.
   */
  started(): void;
  /** Answers the message as not executed. Only while no user code has seen it; does nothing once it is answered. */
  refuse(error: ClstrError): void;
  /** When the node accepted the message, on the clock that it was given. */
  readonly startedMs?: number | undefined;
  /**
   * With `shedding`: how long handlers of this type have taken lately, in milliseconds; 0 if nothing is known. A layer that
   * keeps messages waiting refuses those that cannot end within {@link HandlerContext.remainingMs}.
   */
  readonly expectedMs?: number | undefined;
  /** The time left for this message, in milliseconds, never below 0. */
  remainingMs(): number;
}

/** Returns the reply, or a promise of it. Its hooks tell a handler that keeps state when that state has to go. */
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
  /**
   * Whether it knows by itself, better than the node, which calls of a type it has run under their idempotency key: the
   * node then leaves those calls to it.
   */
  keepsReplies?(type: string): boolean;
  /** It keeps the messages of a key waiting by itself, as actors do: a node refuses `maxRunning` with it. */
  readonly hasMailboxes?: boolean | undefined;
  /** Called once, after the last message, when the node drains or closes. */
  close?(): Promise<void>;
  /**
   * The shard moves to another node: refuse waiting messages with `refusal`, and save what is in memory. Resolve when
   * nothing of the shard is left, in `limitMs` or a little more.
   */
  handOver?(shard: number, refusal: ClstrError, limitMs: number): Promise<void>;
  /** Code that runs past its time without a message that the node knows; part of `node.overdue()`. */
  overdue?(): readonly OverdueTurn[];
  /**
   * The shard may have another owner already: drop what is in memory, save nothing, and refuse waiting messages with
   * `refusal`. The shard does not come back to this node before a returned promise has settled.
   */
  drop?(shard: number, refusal: ClstrError): void | Promise<void>;
}

/**
 * Runs around every handler call of a node; the first of the list is outermost. A store that it enters in an
 * `AsyncLocalStorage` around `next` reaches the handler of this message, even from a mailbox, and no other.
 */
export type NodeInterceptor = (
  request: HandlerRequest,
  context: HandlerContext,
  next: (request: HandlerRequest) => unknown,
) => unknown;
