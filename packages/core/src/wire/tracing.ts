/**
 * The tracing contract: what observes single calls and messages, as spans do. An observer of all calls together is a
 * `Metrics`.
 */
import type { ClstrError, ErrorCode } from '../base/errors.ts';
import type { RetryDenial } from '../base/metrics.ts';
import { invalidOption } from '../base/options.ts';
import { option } from '../base/spec.ts';
import type { Option } from '../base/spec.ts';
import type { Headers } from './envelope.ts';
import type { ClusterLocation } from './transport.ts';

/**
 * Observes calls where they begin and messages where they run. Both methods are on the hot path of every call, and
 * synchronous. What they or their spans throw is logged and reaches no call.
 */
export interface Tracing {
  /** A client begins a call. Return undefined to leave the call alone. */
  startCall?(call: TracedCall): CallSpan | undefined;
  /** A node has accepted a message, and its handler is next. Return undefined to leave the message alone. */
  startHandler?(message: TracedMessage): HandlerSpan | undefined;
}

/** A call of a client. */
export interface TracedCall {
  readonly type: string;
  readonly key: string | undefined;
  readonly shard: number;
  readonly isNotify: boolean;
  /** Those of the client and of the call; undefined if there are none. */
  readonly headers: Headers | undefined;
  /**
   * A handler makes the call as a part of its work, so the headers say to which trace it belongs. Without a
   * `traceparent` it belongs to none.
   */
  readonly isNested: boolean;
  /** Undefined if the bus holds only one cluster. */
  readonly cluster: ClusterLocation | undefined;
}

/** One call with all its attempts. */
export interface CallSpan {
  /** What the call sends in place of its own headers; undefined if those stay. */
  readonly headers: Headers | undefined;
  /**
   * The call is sent again, for the `attempt`-th time. `reason` is why the attempt before failed; `MOVED` also if the
   * owner has changed and the former one is silent.
   */
  repeated?(reason: ErrorCode, attempt: number): void;
  /**
   * The call has failed and could be repeated, but is not. `reason` is why its last attempt failed; what decided against
   * another one is `denial`, as metrics have it.
   */
  retryDenied?(denial: RetryDenial, reason: ErrorCode): void;
  /**
   * The call has its answer or has failed; called once. A notify has ended once the bus has it: what a node does with it
   * later is not part of this.
   */
  ended(error: ClstrError | undefined, end: CallEnd): void;
}

/** How a call went. */
export interface CallEnd {
  /** How often the call was sent: 0 if it failed before that. */
  readonly attempts: number;
  /** The node that answered, or that the last attempt was sent to, as far as the client knows. */
  readonly nodeId: string | undefined;
  /** How many owners the shard has had, as far as the client knows; undefined in a static cluster. */
  readonly epoch: number | undefined;
}

/** A message that a node has accepted. */
export interface TracedMessage {
  readonly type: string;
  /** Whether the handler declares the type. Anybody can make up the others. */
  readonly isDeclared: boolean;
  readonly key: string | undefined;
  readonly shard: number;
  readonly isNotify: boolean;
  readonly headers: Headers;
  readonly nodeId: string;
  /** How many owners the shard has had; undefined in a static cluster. */
  readonly epoch: number | undefined;
  /** Undefined if the bus holds only one cluster. */
  readonly cluster: ClusterLocation | undefined;
}

/** One message, from its acceptance to its answer. */
export interface HandlerSpan {
  /**
   * What the handler sees in place of the message's headers; undefined if those stay. Its calls carry the `traceparent`,
   * `tracestate` and `baggage` in them, and so become children of this span.
   */
  readonly headers: Headers | undefined;
  /**
   * The message has its answer; called once. `waitedMs` is how long it waited for the handler, e.g. in a mailbox.
   */
  ended(error: ClstrError | undefined, waitedMs: number): void;
}

/** Hot paths compare it by identity, so that a program without tracing pays nothing. */
export const noTracing: Tracing = Object.freeze({});

export const tracingOption: Option<Tracing> = option((owner, name, value) => {
  if (value === noTracing) return noTracing;
  const { startCall, startHandler } = (value ?? {}) as Record<keyof Tracing, unknown>;
  const given = [startCall, startHandler].filter((method) => method !== undefined);
  if (given.length > 0 && given.every((method) => typeof method === 'function')) return value as Tracing;
  throw invalidOption(owner, name, value, 'an object with a method startCall() or startHandler(), or both');
}, noTracing);
