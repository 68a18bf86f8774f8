/** One call and the span that observes it, whose errors never reach the call. */
import type { ClstrError, ErrorCode } from '../base/errors.ts';
import type { RetryDenial } from '../base/metrics.ts';
import type { FloodLog } from '../base/flood-log.ts';
import type { Headers } from '../wire/envelope.ts';
import { copyHeaders } from '../wire/envelope.ts';
import type { CallSpan, Tracing } from '../wire/tracing.ts';
import type { Address, ClusterLocation, NodeAddress } from '../wire/transport.ts';
import { isNodeAddress } from '../wire/transport.ts';
import { withCallChain } from './call-headers.ts';
import type { CallOptions } from './options.ts';

/** What the traces of one client share. */
export interface CallTracing {
  readonly tracing: Tracing;
  readonly cluster: ClusterLocation | undefined;
  readonly floodLog: FloodLog;
}

/** A call that has not been sent. */
interface NewCall {
  readonly type: string;
  readonly key: string | undefined;
  readonly shard: number;
  readonly isNotify: boolean;
  headers: Headers | undefined;
  trace: CallTrace | undefined;
}

/** Begins the trace of a call, unless the tracing leaves the call alone. `given` are its headers without the call chain. */
export function beginTrace(
  { tracing, cluster, floodLog }: CallTracing,
  call: NewCall,
  given: Headers | undefined,
  { callChain, isNested = false, critical }: CallOptions = NO_OPTIONS,
): void {
  const { type, key, shard, isNotify } = call;
  let span: CallSpan | undefined;
  try {
    span = tracing.startCall?.({ type, key, shard, isNotify, headers: given, isNested, cluster });
  } catch (err) {
    floodLog.error('tracing.threw', { err }, 'tracing.startCall() threw');
  }
  if (span === undefined) return;
  call.trace = new CallTrace(span, floodLog);
  try {
    // Headers that a node refuses would fail the call.
    const headers = span.headers === undefined ? given : copyHeaders(span.headers);
    call.headers = withCallChain(headers, callChain, critical);
  } catch (err) {
    floodLog.error('tracing.threw', { err }, 'the headers of a span cannot be sent: its call keeps its own');
  }
}

const NO_OPTIONS: CallOptions = {};

export class CallTrace {
  /** The node that answered the last attempt. */
  from: NodeAddress | undefined = undefined;
  #attempts = 0;
  readonly #span: CallSpan;
  readonly #floodLog: FloodLog;

  constructor(span: CallSpan, floodLog: FloodLog) {
    this.#span = span;
    this.#floodLog = floodLog;
  }

  /** An attempt is about to be sent. `failure` is why the one before failed. */
  sending(failure: ErrorCode | undefined): void {
    this.#attempts++;
    if (failure !== undefined) {
      try {
        this.#span.repeated?.(failure, this.#attempts);
      } catch (err) {
        this.#floodLog.error('tracing.threw', { err }, 'repeated() of a span threw');
      }
    }
    this.from = undefined;
  }

  retryDenied(denial: RetryDenial, reason: ErrorCode): void {
    try {
      this.#span.retryDenied?.(denial, reason);
    } catch (err) {
      this.#floodLog.error('tracing.threw', { err }, 'retryDenied() of a span threw');
    }
  }

  ended(error: ClstrError | undefined, to: Address, epoch: number): void {
    const nodeId = this.from?.nodeId ?? (isNodeAddress(to) ? to.nodeId : undefined);
    try {
      this.#span.ended(error, { attempts: this.#attempts, nodeId, epoch: epoch === 0 ? undefined : epoch });
    } catch (err) {
      this.#floodLog.error('tracing.threw', { err }, 'ended() of a span threw');
    }
  }
}
