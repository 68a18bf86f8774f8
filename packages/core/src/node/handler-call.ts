/** One handler call on its node, from its start to its only answer. */
import type { Codec } from '../wire/codec.ts';
import { encodePayload, isRawPayload } from '../wire/codec.ts';
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { ClstrError, asRefusal, dispositionOf, forCaller, isClstrError } from '../base/errors.ts';
import type { HandlerContext, ShardLease } from './handler.ts';
import type { HandlerTrace } from './handler-trace.ts';
import type { ReplyRecord } from './reply-record.ts';
import { abortDetached } from '../base/async-context.ts';
import { Deadline } from '../base/deadline-wheel.ts';
import type { DeadlineWheel } from '../base/deadline-wheel.ts';
import type { WatchedTurn } from '../base/overdue-turns.ts';
import type { FloodLog } from '../base/flood-log.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import type { Shards } from '../cluster/shards.ts';
import { IDEMPOTENCY_KEY_HEADER, TRANSIT_MS, mayHaveRunMs } from '../wire/idempotency.ts';
import { NO_SHARD, heldBytes } from '../wire/transport.ts';
import type { InboundEntry, ReplyPort } from '../wire/transport.ts';

export interface HandlerCallOptions {
  readonly nodeId: string;
  readonly shards: Shards;
  readonly codec: Codec;
  readonly handlerTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What all calls on a node share. */
export interface HandlerCallHost {
  readonly options: HandlerCallOptions;
  readonly deadlines: DeadlineWheel<HandlerCall>;
  /** For lines that any message may cause. */
  readonly floodLog: FloodLog;
  /** The caller has its answer, but the handler runs on. */
  onOutlived(run: HandlerCall): void;
  /** The handler has ended after {@link onOutlived}. */
  onLateEnd(run: HandlerCall): void;
  /** Called once for each call. */
  onCallEnd(call: HandlerCall, isSuccess: boolean): void;
}

/** Hot path: the same object is the handler's context and the item in the deadline wheel. */
export class HandlerCall extends Deadline implements HandlerContext {
  readonly #host: HandlerCallHost;
  readonly entry: InboundEntry;
  readonly #port: ReplyPort;
  readonly bytes: number;
  readonly startedMs: number;
  readonly epoch: number | undefined;
  /** When the time of the handler is over; the deadline in the wheel is earlier, for messages that still wait. */
  readonly limitMs: number;
  /** Set while the handler runs on after the answer. */
  outlived: WatchedTurn | undefined = undefined;
  isAsync = false;
  /** When the handler began; before that, the message waits. */
  beganMs: number;
  /** How long its handler will probably run; 0 if unknown. */
  expectedMs = 0;
  /** Why the message was refused before any user code ran. */
  refusal: ClstrError | undefined = undefined;
  onAbort: ((reason: ClstrError) => void) | undefined = undefined;
  trace: HandlerTrace | undefined = undefined;
  /** Of a call with an idempotency key: it keeps what the handler answers. */
  record: ReplyRecord | undefined = undefined;
  /** The dispatch keeps asynchronous calls in a list per shard. */
  nextOfShard: HandlerCall | undefined = undefined;
  previousOfShard: HandlerCall | undefined = undefined;
  #isDone = false;
  /** Created when the handler first reads `signal`: an AbortController costs more than the rest of a call. */
  #controller: AbortController | undefined;
  #abortReason: ClstrError | undefined;

  constructor(host: HandlerCallHost, entry: InboundEntry, port: ReplyPort, startedMs: number) {
    super();
    const { shards, handlerTimeoutMs } = host.options;
    this.#host = host;
    this.entry = entry;
    this.#port = port;
    this.bytes = heldBytes(entry);
    this.startedMs = startedMs;
    this.beganMs = startedMs;
    this.epoch = shards.epochOf(entry.shard);
    const limitMs = startedMs + handlerTimeoutMs;
    this.limitMs = entry.ttlMs === undefined ? limitMs : Math.min(limitMs, entry.receivedAtMs + entry.ttlMs);
    this.deadlineMs = this.limitMs - Math.min(WAIT_MARGIN_MS, (this.limitMs - startedMs) / 4);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get lease(): ShardLease | undefined {
    return this.epoch === undefined ? undefined : new CallLease(this.#host, this.entry.shard, this.epoch);
  }

  get nodeId(): string {
    return this.#host.options.nodeId;
  }

  get idempotencyKey(): string | undefined {
    return this.record?.key ?? this.entry.headers?.[IDEMPOTENCY_KEY_HEADER];
  }

  get mayHaveRunMs(): number | undefined {
    const { headers = {}, ttlMs } = this.entry;
    const sinceMs = mayHaveRunMs(headers);
    return sinceMs === undefined ? undefined : Math.max(0, sinceMs - (ttlMs ?? 0)) + TRANSIT_MS;
  }

  get log(): Logger {
    return this.#host.options.logger;
  }

  remainingMs(): number {
    return Math.max(0, this.limitMs - this.#host.options.clock.monoMs());
  }

  started(): void {
    this.beganMs = this.#host.options.clock.monoMs();
  }

  refuse(error: ClstrError): void {
    this.fail(asRefusal(error));
  }

  succeed(value: unknown): void {
    if (this.#isDone) {
      this.#host.onLateEnd(this);
      this.record?.succeedLate(this.#host.options.codec, value);
      return;
    }
    if (!this.#mayAnswer()) {
      this.record?.succeedLate(this.#host.options.codec, value);
      this.abort(fenced(this.nodeId));
      return;
    }
    if (this.entry.isNotify) {
      this.record?.succeed('', false);
      this.#end();
      return;
    }
    let bytes: string | Uint8Array;
    try {
      bytes = encodePayload(this.#host.options.codec, value);
    } catch (error) {
      this.fail(isClstrError(error) ? error : this.#unsendable(error));
      return;
    }
    this.#port.reply(this.entry, bytes, isRawPayload(value));
    this.record?.succeed(bytes, isRawPayload(value));
    this.#end();
  }

  fail(thrown: unknown): void {
    if (this.#isDone) {
      this.#host.onLateEnd(this);
      if (this.record !== undefined) this.record.fail(this.#toAnswer(thrown));
      return;
    }
    const error = this.#toAnswer(thrown);
    this.record?.fail(error);
    if (error.outcome !== 'not-executed' && !this.#mayAnswer()) {
      this.abort(fenced(this.nodeId));
      return;
    }
    if (error.outcome === 'not-executed') this.refusal = error;
    // The sender of a notify gets an error only if the handler did not run, so that it may repeat it.
    if (!this.entry.isNotify || error.outcome === 'not-executed') this.#port.fail(this.entry, error);
    else if (error.code !== 'INTERNAL') this.#logUndelivered(error);
    this.#end(error);
  }

  onDeadline(): void {
    if (this.onAbort === undefined && this.deadlineMs < this.limitMs) {
      this.deadlineMs = this.limitMs;
      this.#host.deadlines.add(this);
      return;
    }
    const ranMs = Math.round(this.#host.options.clock.monoMs() - this.startedMs);
    const message = `the handler of ${describe(this.entry.type)} on node ${this.nodeId} did not end within ${ranMs} ms`;
    this.abort(new ClstrError('HANDLER_TIMEOUT', message));
  }

  /** The caller gave up, and waits for no answer. */
  cancel(): void {
    if (this.#isDone) return;
    const reason = new ClstrError('ABORTED', 'the caller gave up');
    this.#abortReason = reason;
    this.onAbort?.(reason);
    this.#outlive();
    abortDetached(this.#controller, reason);
  }

  abort(error: ClstrError): void {
    if (this.#isDone) return;
    this.#abortReason = error;
    // A layer that only kept the message waiting answers it here, better than with `error`.
    this.onAbort?.(error);
    this.#answerAborted(error);
    // Last, because a listener may close the node, which aborts every call that has not ended.
    abortDetached(this.#controller, error);
  }

  /** Tests the lease before each reply: another node may have gone on from an older state. */
  #mayAnswer(): boolean {
    const { shard } = this.entry;
    return this.#host.options.shards.holds(shard, this.epoch) || shard === NO_SHARD;
  }

  #answerAborted(error: ClstrError): void {
    if (this.#isDone) return;
    if (!this.entry.isNotify) this.#port.fail(this.entry, error);
    else this.#logUndelivered(error);
    this.#outlive();
  }

  /** Ends the run, unless a layer that only kept the message waiting has done it. */
  #outlive(): void {
    if (this.#isDone) return;
    this.record?.outlive(this.#abortReason);
    this.#end(this.#abortReason);
    this.#host.onOutlived(this);
  }

  /** For a notify, whose sender gets no error of the handler; INTERNAL has been logged with its cause. */
  #logUndelivered({ code, message }: ClstrError): void {
    const { type, shard, key } = this.entry;
    const fields = { type, shard, key, code, nodeId: this.nodeId };
    this.#host.floodLog.warn('handler.notify_failed', fields, message);
  }

  #end(error?: ClstrError): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.trace?.ended(error, this.#waitedMs());
    this.#host.onCallEnd(this, error === undefined);
  }

  /** A message that was refused before its handler began has waited all its time. */
  #waitedMs(): number {
    const beganMs = this.refusal === undefined ? this.beganMs : this.#host.options.clock.monoMs();
    return beganMs - this.startedMs;
  }

  /** During a rolling update the next owner may know a type that this node does not. */
  #unknownType(error: ClstrError): ClstrError {
    if (!this.#host.options.shards.isMixed) return error;
    const { message, details } = error;
    return new ClstrError('UNKNOWN_TYPE', `${message}; another node may`, { retryable: true, details });
  }

  /** The handler has run, but its reply cannot leave: its author finds the reason in the log, the caller in the error. */
  #unsendable(cause: unknown): ClstrError {
    const { codec, nodeId } = this.#host.options;
    const { type, shard, key } = this.entry;
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the reply of ${describe(type)} cannot be encoded as ${codec.name}: ${why}`;
    const fields = { err: cause, type, shard, key, nodeId };
    this.#host.floodLog.error('handler.reply_not_encoded', fields, message);
    return forCaller(new ClstrError('INVALID_ENVELOPE', message, { outcome: 'executed' }));
  }

  /** The rule that makes repeats safe: once user code has started, no error leaves as `not-executed`. */
  #toAnswer(thrown: unknown): ClstrError {
    if (isClstrError(thrown)) {
      const disposition = dispositionOf(thrown);
      if (disposition === 'refusal')
        return thrown.code === 'UNKNOWN_TYPE' ? this.#unknownType(thrown) : thrown;
      if (disposition === 'for-caller' || thrown.code === 'ACTOR_ERROR') return asExecuted(thrown);
      return new ClstrError('HANDLER_ERROR', `the handler failed: ${thrown.message}`, {
        details: { code: thrown.code, message: thrown.message },
      });
    }
    const { random, nodeId } = this.#host.options;
    const { type, shard, key } = this.entry;
    const id = randomId(random, 10);
    const fields = { err: thrown, id, type, shard, key, nodeId };
    const message = `the handler of ${describe(type)} threw`;
    const isLogged = this.#host.floodLog.error('handler.threw', fields, message);
    const where = isLogged ? `logged the error as ${id}` : 'has too many such errors to log each';
    return new ClstrError('INTERNAL', `the handler failed; node ${nodeId} ${where}`, {
      outcome: 'executed',
      details: isLogged ? { id, nodeId } : { nodeId },
    });
  }
}

/**
 * A message that still waits is refused this long before its caller's timer fires, which would leave the outcome unknown.
 * It covers two ticks of the wheel and a slow network, but never more than a quarter of the message's time.
 */
const WAIT_MARGIN_MS = 50;

class CallLease implements ShardLease {
  readonly #host: HandlerCallHost;
  readonly #shard: number;
  readonly epoch: number;

  constructor(host: HandlerCallHost, shard: number, epoch: number) {
    this.#host = host;
    this.#shard = shard;
    this.epoch = epoch;
  }

  get isHeld(): boolean {
    return this.#host.options.shards.holds(this.#shard, this.epoch);
  }

  get fencingToken(): number {
    if (this.isHeld) return this.epoch;
    throw fenced(this.#host.options.nodeId);
  }
}

function fenced(nodeId: string): ClstrError {
  return new ClstrError('FENCED', `the shard may have another owner than node ${nodeId} by now`);
}

/** Keeps `unknown`: a handler may not know the outcome of its work. */
function asExecuted(error: ClstrError): ClstrError {
  if (error.outcome !== 'not-executed' && !error.retryable) return error;
  const { code, message, details } = error;
  const outcome = error.outcome === 'not-executed' ? 'executed' : error.outcome;
  return new ClstrError(code, message, { outcome, retryable: false, details });
}
