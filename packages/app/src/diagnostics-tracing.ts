/** Calls and messages on channels of `node:diagnostics_channel`, for programs and tools that want no OpenTelemetry. */
import { channel } from 'node:diagnostics_channel';
import type {
  CallEnd,
  CallSpan,
  ClstrError,
  ErrorCode,
  HandlerSpan,
  Headers,
  TracedCall,
  TracedMessage,
  Tracing,
} from '@clstr/core';

const callStart = channel('clstr.call.start');
const callRepeat = channel('clstr.call.repeat');
const callEnd = channel('clstr.call.end');
const handlerStart = channel('clstr.handler.start');
const handlerEnd = channel('clstr.handler.end');

/**
 * What subscribers of `clstr.call.start`, `clstr.call.repeat` and `clstr.call.end` get. One object goes through the
 * whole call, so that a `WeakMap` can keep what belongs to it.
 */
export interface CallDiagnostics {
  readonly call: TracedCall;
  /** What the call sends in place of its own headers; a subscriber of `clstr.call.start` may set it. */
  headers: Headers | undefined;
  /** How often the call was sent, at the latest repeat. */
  readonly attempt: number;
  /** Why the attempt before the latest repeat failed. */
  readonly reason: ErrorCode | undefined;
  /** Why the call failed, once it has ended. */
  readonly error: ClstrError | undefined;
  /** Set once the call has ended. */
  readonly end: CallEnd | undefined;
}

/** What subscribers of `clstr.handler.start` and `clstr.handler.end` get: one object per message. */
export interface HandlerDiagnostics {
  readonly message: TracedMessage;
  /** What the handler sees in place of the message's headers; a subscriber of `clstr.handler.start` may set it. */
  headers: Headers | undefined;
  /** Why the message failed, once it has ended. */
  readonly error: ClstrError | undefined;
  /** How long the message waited for its handler; undefined until it has ended. */
  readonly waitedMs: number | undefined;
}

/**
 * Publishes to the channels `clstr.call.start`, `.repeat` and `.end`, and `clstr.handler.start` and `.end`. As long as
 * nobody subscribes, a call takes a few nanoseconds longer.
 */
export function diagnosticsTracing(): Tracing {
  return {
    startCall: (call) =>
      callStart.hasSubscribers || callRepeat.hasSubscribers || callEnd.hasSubscribers
        ? new PublishedCall(call)
        : undefined,
    startHandler: (message) =>
      handlerStart.hasSubscribers || handlerEnd.hasSubscribers ? new PublishedHandler(message) : undefined,
  };
}

class PublishedCall implements CallDiagnostics, CallSpan {
  readonly call: TracedCall;
  headers: Headers | undefined = undefined;
  attempt = 1;
  reason: ErrorCode | undefined = undefined;
  error: ClstrError | undefined = undefined;
  end: CallEnd | undefined = undefined;

  constructor(call: TracedCall) {
    this.call = call;
    callStart.publish(this);
  }

  repeated(reason: ErrorCode, attempt: number): void {
    this.reason = reason;
    this.attempt = attempt;
    callRepeat.publish(this);
  }

  ended(error: ClstrError | undefined, end: CallEnd): void {
    this.error = error;
    this.end = end;
    callEnd.publish(this);
  }
}

class PublishedHandler implements HandlerDiagnostics, HandlerSpan {
  readonly message: TracedMessage;
  headers: Headers | undefined = undefined;
  error: ClstrError | undefined = undefined;
  waitedMs: number | undefined = undefined;

  constructor(message: TracedMessage) {
    this.message = message;
    handlerStart.publish(this);
  }

  ended(error: ClstrError | undefined, waitedMs: number): void {
    this.error = error;
    this.waitedMs = waitedMs;
    handlerEnd.publish(this);
  }
}
