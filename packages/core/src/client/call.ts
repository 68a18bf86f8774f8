/** One request or notify, from the call to its end: attempts, deadline, abort, outcome. */
import { isRetried } from './delivery.ts';
import type { Delivered, Delivery } from './delivery.ts';
import type { Routes } from './routes.ts';
import type { CallTrace, CallTracing } from './call-trace.ts';
import type { CallerStacks } from './stacks.ts';
import type { Clock } from '../base/clock.ts';
import type { Codec } from '../wire/codec.ts';
import { decodePayload } from '../wire/codec.ts';
import type { Headers } from '../wire/envelope.ts';
import { withAttempt, withMayHaveRun } from './call-headers.ts';
import type { AttemptEnd } from './breaker.ts';
import type { Breakers } from './breakers.ts';
import type { Retries } from './retries.ts';
import { aborted, afterEarlierAttempts, isStronger, subject } from './call-errors.ts';
import { describeNoOwner } from './unowned-shards.ts';
import { ClstrError } from '../base/errors.ts';
import type { ErrorCode, Outcome } from '../base/errors.ts';
import type { Abortable } from '../base/abort-listeners.ts';
import { listenForAbort, stopListening } from '../base/abort-listeners.ts';
import { Deadline } from '../base/deadline-wheel.ts';
import type { DeadlineWheel } from '../base/deadline-wheel.ts';
import type {
  Address,
  ClientLink,
  InboundReply,
  NodeAddress,
  OutboundEntry,
  ReplySink,
} from '../wire/transport.ts';
import { NO_SHARD, isNodeAddress } from '../wire/transport.ts';

/** What the calls of one client share. */
export interface CallHost extends CallTracing {
  readonly link: ClientLink;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly deadlines: DeadlineWheel<Call>;
  readonly routes: Routes;
  /** Changes once, when the client finds out that its cluster is dynamic. */
  delivery: Delivery;
  /** Undefined if calls are not retried. */
  readonly retries: Retries | undefined;
  /** Undefined if all nodes get their calls. */
  readonly breakers: Breakers | undefined;
  readonly stacks: CallerStacks;
  nextAttempt(): number;
  /** The call is sent again, for this reason. */
  onRepeat(reason: ErrorCode): void;
  onEnd(call: Call, error: ClstrError | undefined): void;
  /** A notify left for the first time: a node can refuse it until its deadline. */
  onNotifyHandedOver(call: Call): void;
  onNotifyFailed(call: Call, error: ClstrError): void;
}

/** What makes one call differ from another. */
export interface CallFields {
  readonly isNotify: boolean;
  readonly shard: number;
  readonly key: string | undefined;
  readonly type: string;
  /** As they are sent. */
  readonly headers: Headers | undefined;
  /** Encoded. */
  readonly payload: string | Uint8Array;
  readonly isRaw: boolean;
  readonly timeoutMs: number;
  readonly isIdempotent: boolean;
  /** The handler that makes the call serves a repeated attempt itself. */
  readonly isForRepeat: boolean;
  /** Its place in a list; -1 for a call by itself. */
  readonly index: number;
}

/** Hot path: one object is the entry on the wire, the sink of its reply and the item in the deadline wheel. */
export class Call extends Deadline implements OutboundEntry, ReplySink, Delivered, Abortable {
  readonly #host: CallHost;
  readonly isNotify: boolean;
  readonly shard: number;
  readonly key: string | undefined;
  readonly type: string;
  headers: Headers | undefined;
  readonly payload: string | Uint8Array;
  readonly isRaw: boolean;
  readonly timeoutMs: number;
  readonly isIdempotent: boolean;
  order = 0;
  /** 0 while no attempt waits for an answer that would count. */
  attempt = 0;
  isDone = false;
  /** The last attempt left, and no refusal has shown that it was not executed. */
  #isSent = false;
  /** The strongest outcome of the attempts before the last one: the call must not end with a weaker one. */
  #strongest: Outcome = 'not-executed';
  /** A notify has left once: its promise is resolved, and only a refusal still matters. */
  wasHandedOver = false;
  /** Why the last attempt that left was refused, until another one leaves. */
  #refusal: ClstrError | undefined;
  /** Why the attempt before the next one failed. */
  #failure: ErrorCode | undefined;
  repeats = 0;
  /** How many attempts have left. */
  attempts = 0;
  /** An attempt met a node that had no room, or may have run: the next one adds to the load. */
  #isRetry = false;
  readonly isForRepeat: boolean;
  /** Set before {@link start}, in the headers too. */
  idempotencyKey: string | undefined = undefined;
  readonly index: number;
  trace: CallTrace | undefined = undefined;
  /** With breakers: the permission of the last attempt, until it ends. */
  #pass = 0;
  /** The address of the last attempt; before that of the first, found once per call. */
  to: Address;
  /** The highest known epoch of its shard when it was last sent to the shard's own subject. */
  epoch = 0;
  #signal: AbortSignal | undefined;
  #cancelRepeat: (() => void) | undefined;
  readonly #resolve: (value: unknown, call: Call) => void;
  readonly #reject: (error: ClstrError, call: Call) => void;

  /** `resolve` and `reject` get the call, so that all calls of a list can share them; those of a promise ignore it. */
  constructor(
    host: CallHost,
    fields: CallFields,
    resolve: (value: unknown, call: Call) => void,
    reject: (error: ClstrError, call: Call) => void,
  ) {
    super();
    this.#host = host;
    this.isNotify = fields.isNotify;
    this.shard = fields.shard;
    this.key = fields.key;
    this.type = fields.type;
    this.headers = fields.headers;
    this.payload = fields.payload;
    this.isRaw = fields.isRaw;
    this.timeoutMs = fields.timeoutMs;
    this.isIdempotent = fields.isIdempotent;
    this.isForRepeat = fields.isForRepeat;
    this.index = fields.index;
    const nowMs = host.clock.monoMs();
    this.deadlineMs = nowMs + fields.timeoutMs;
    host.retries?.onCall(nowMs);
    this.to = host.routes.addressOf(fields.shard);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(signal: AbortSignal | undefined): void {
    if (signal !== undefined) {
      if (signal.aborted) {
        this.end(aborted(this, signal.reason, 'not-executed'));
        return;
      }
      this.#signal = signal;
      listenForAbort(signal, this);
    }
    this.#host.deadlines.add(this);
    this.#host.delivery.start(this);
  }

  /** A second run does no harm, or the node prevents it. */
  get mayRepeat(): boolean {
    return this.isIdempotent || this.idempotencyKey !== undefined;
  }

  get delivery(): Delivery {
    return this.#host.delivery;
  }

  resend(): void {
    this.#host.delivery.send(this);
  }

  resendAfter(delayMs: number): void {
    this.#cancelRepeat = this.#host.clock.timer(() => {
      this.#cancelRepeat = undefined;
      this.resend();
    }, delayMs);
  }

  sendTo(to: Address): void {
    const { link, routes, breakers, nextAttempt } = this.#host;
    this.to = to;
    if (breakers !== undefined && isNodeAddress(to) && (this.#pass = breakers.pass(to)) === 0) {
      if (routes.isOwnerOnly || this.shard === NO_SHARD) {
        this.onError(breakers.refusal(to));
        return;
      }
      this.to = to = { shard: this.shard };
    }
    if (!isNodeAddress(to)) this.epoch = routes.epochOf(this.shard);
    this.attempt = nextAttempt();
    this.attempts++;
    if (this.#isRetry) this.headers = withAttempt(this.headers, this.attempts);
    if (this.#failure !== undefined) this.#host.onRepeat(this.#failure);
    this.trace?.sending(this.#failure);
    link.send(to, this, this);
  }

  /** Records a refusal: the call waits to be sent again. */
  keep(refusal: ClstrError): void {
    this.#refusal = refusal;
  }

  /**
   * Gives up the attempt that waits for an answer; returns false if the call has none that may run twice. A notify has no
   * answer whose absence would prove anything.
   */
  leaveAttempt(): boolean {
    if (!this.mayRepeat || this.isNotify || this.attempt === 0) return false;
    if (!this.#isSent || this.#refusal !== undefined) return false;
    this.#endPass('unrelated');
    // A late answer to the old attempt must not count for the new one.
    this.#host.link.cancel(this.attempt);
    this.attempt = 0;
    this.#failure = 'MOVED';
    this.#isRetry = true;
    this.#gaveUpAttempt('unknown');
    return true;
  }

  onDecided(): void {
    if (this.isDone) return;
    const refusal = this.#refusal!;
    if (!this.#host.delivery.goesOn(this, refusal)) this.end(refusal);
  }

  remainingMs(): number {
    return Math.max(0, Math.ceil(this.deadlineMs - this.#host.clock.monoMs()));
  }

  onSent(): void {
    this.#isSent = true;
    this.#refusal = undefined;
    if (this.isNotify) {
      this.#endPass('unrelated');
      if (!this.wasHandedOver) {
        this.wasHandedOver = true;
        this.#endTrace(undefined);
        this.#host.onNotifyHandedOver(this);
        this.#resolve(undefined, this);
      }
    }
  }

  onReply(reply: InboundReply): void {
    const { error, from } = reply;
    if (this.trace !== undefined) this.trace.from = from;
    this.#endPass(error !== undefined && ONLY_ELSEWHERE.has(error.code) ? 'unrelated' : 'answered');
    if (error !== undefined) {
      this.onError(error);
      return;
    }
    const { codec, delivery } = this.#host;
    if (from !== undefined) delivery.answered(this, from);
    let value: unknown;
    try {
      value = decodePayload(codec, reply.payload, reply.isRaw);
    } catch (cause) {
      const message = `the reply to ${subject(this)} is not valid ${codec.name}`;
      this.end(new ClstrError('INVALID_ENVELOPE', message, { outcome: 'executed', cause }));
      return;
    }
    this.end(undefined, value);
  }

  onError(error: ClstrError): void {
    if (this.isDone) return;
    this.#endPass(NODE_FAILED.has(error.code) ? 'failed' : 'unrelated');
    this.#failure = error.code;
    this.#isRetry ||= isRetried(error);
    if (error.outcome === 'not-executed') {
      this.#isSent = false;
      if (!this.#host.delivery.goesOn(this, error)) this.end(error);
    } else if (this.mayRepeat && REPEATED.has(error.code)) {
      this.#gaveUpAttempt(error.outcome);
      if (!this.#host.delivery.goesOn(this, error)) this.end(error);
    } else if (this.wasHandedOver) this.end(undefined);
    else this.end(error);
  }

  onDeadline(): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    this.#endPass(this.#isSent ? 'failed' : 'unrelated');
    // A timeout never moves a call; it may mean that the owner has changed.
    this.#host.delivery.refresh();
    const noOwner = this.#host.delivery.noOwner(this);
    const why = noOwner && describeNoOwner(noOwner, this.#host.clock.monoMs());
    const hint = why === undefined ? this.#hint() : `; ${why.text}`;
    this.end(
      new ClstrError('TIMEOUT', `no reply to ${subject(this)} within ${this.timeoutMs} ms${hint}`, {
        outcome: this.#outcome(),
        details: why?.details,
      }),
    );
  }

  onAbort(reason: unknown): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    this.end(aborted(this, reason, this.#outcome()));
  }

  /** Ends the call because its client closes. */
  close(): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    this.end(aborted(this, new Error('the client was closed'), this.#outcome()));
  }

  /** Ends the call because its client does not fit the cluster, as a node's answer shows only now. */
  refuse({ code, message, details }: ClstrError): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    this.end(new ClstrError(code, message, { outcome: this.#outcome(), details }));
  }

  /** Ends a notify that was handed over: as delivered, unless it was refused and waits to be repeated. */
  release(): void {
    this.#host.link.release(this.attempt);
    this.end(this.#refusal);
  }

  #endPass(end: AttemptEnd): void {
    if (this.#pass === 0) return;
    this.#host.breakers!.ended(this.to as NodeAddress, this.#pass, end, this.deadlineMs - this.timeoutMs);
    this.#pass = 0;
  }

  #fail(error: ClstrError): void {
    // The stack shows who awaits the call; a list is awaited as a whole.
    const rejection = this.index === -1 ? this.#host.stacks.rejection(error) : undefined;
    if (rejection === undefined) this.#reject(error, this);
    else this.#resolve(rejection, this);
  }

  /** What else may explain the missing answer to an attempt that has left. */
  #hint(): string {
    const hint = this.#isSent ? this.#host.link.explainSilence?.() : undefined;
    return hint === undefined ? '' : `; ${hint}`;
  }

  /** Ends the last attempt; another one may follow. */
  #gaveUpAttempt(outcome: Outcome): void {
    this.#isSent = false;
    if (isStronger(outcome, this.#strongest)) this.#strongest = outcome;
    if (this.idempotencyKey !== undefined) this.headers = withMayHaveRun(this.headers, this.timeoutMs);
  }

  /** What is known of the last attempt; {@link end} adds the ones before. */
  #outcome(): 'unknown' | 'not-executed' {
    return this.#isSent ? 'unknown' : 'not-executed';
  }

  /** A notify may be sent again after this, unobserved. */
  #endTrace(error: ClstrError | undefined): void {
    this.trace?.ended(error, this.to, this.#host.routes.epochOf(this.shard));
    this.trace = undefined;
  }

  /** Every call ends here, and no error leaves with a weaker outcome than one of its attempts had. */
  end(last: ClstrError | undefined, value?: unknown): void {
    if (this.isDone) return;
    this.isDone = true;
    const error =
      last !== undefined && isStronger(this.#strongest, last.outcome)
        ? afterEarlierAttempts(last, this.#strongest)
        : last;
    this.#endPass('unrelated');
    this.#host.deadlines.remove(this);
    this.#cancelRepeat?.();
    if (this.#signal !== undefined) stopListening(this.#signal, this);
    this.#host.delivery.ended(this);
    this.#endTrace(error);
    // First: a list makes its next call when this one is resolved, and there has to be room for it.
    this.#host.onEnd(this, error);
    if (error === undefined) this.#resolve(value, this);
    else if (this.wasHandedOver) this.#host.onNotifyFailed(this, error);
    else this.#fail(error);
  }
}

/** Endings that leave open whether the handler ran, after which a call is repeated if it may be. */
const REPEATED: ReadonlySet<string> = new Set(['CONNECTION_LOST', 'FENCED', 'ABORTED']);

/** Failures of an attempt that speak against its node: neither the handler's errors nor those of the caller do. */
const NODE_FAILED: ReadonlySet<string> = new Set(['NO_SUBSCRIBER', 'CONNECTION_LOST']);

/** Answers of nodes that only send the call elsewhere. */
const ONLY_ELSEWHERE: ReadonlySet<string> = new Set(['MOVED', 'NOT_OWNER', 'DRAINING']);
