/** One request or notify, from the call to its end: deadline, abort, redirect, repeat. */
import type { HeldCall, HoldQueue } from './hold-queue.ts';
import type { CallerStacks } from './stacks.ts';
import type { Discovery, Undecided } from './discovery.ts';
import type { OwnedCall, FormerOwnerCalls } from './former-owner-calls.ts';
import type { ClientTopology } from './topology.ts';
import type { Clock } from '../base/clock.ts';
import type { Codec } from '../wire/codec.ts';
import { decodePayload } from '../wire/codec.ts';
import type { Headers } from '../wire/envelope.ts';
import { aborted, afterEarlierAttempts, isStronger, subject, tooManyHeld } from './call-errors.ts';
import { ClstrError } from '../base/errors.ts';
import type { Outcome } from '../base/errors.ts';
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
import { isNodeAddress } from '../wire/transport.ts';

/** What the calls of one client share. */
export interface CallHost {
  readonly link: ClientLink;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly deadlines: DeadlineWheel<Call>;
  /** Learned shard → node routes. */
  readonly routes: Map<number, NodeAddress>;
  /** Undefined in a static cluster, where a shard without a node stays without one. */
  dynamic: DynamicCluster | undefined;
  /** Finds out whether the cluster lives; undefined where the client was told. */
  readonly discovery: Discovery | undefined;
  readonly stacks: CallerStacks;
  /** False once the server has forbidden this client the direct subjects of nodes. */
  mayRouteDirectly: boolean;
  nextAttempt(): number;
  /** Waits longer with each repeat, with full jitter. */
  backoffMs(repeat: number): number;
  /** Whether nodes may still be coming back after a lost connection. */
  isSettling(): boolean;
  onEnd(call: Call, error: ClstrError | undefined): void;
  /** A notify left for the bus for the first time: it can be refused until its deadline. */
  onNotifyHandedOver(call: Call): void;
  onNotifyFailed(call: Call, error: ClstrError): void;
}

/** What a client needs to follow shards from node to node. */
export interface DynamicCluster {
  readonly topology: ClientTopology;
  readonly holdQueue: HoldQueue;
  readonly formerOwnerCalls: FormerOwnerCalls;
}

/** Hot path: one object is the entry on the wire, the sink of its reply and the item in the deadline wheel. */
export class Call
  extends Deadline
  implements OutboundEntry, ReplySink, HeldCall, OwnedCall, Undecided, Abortable
{
  readonly #host: CallHost;
  readonly isNotify: boolean;
  readonly shard: number;
  readonly key: string | undefined;
  readonly type: string;
  readonly headers: Headers | undefined;
  readonly payload: string | Uint8Array;
  readonly isRaw: boolean;
  readonly timeoutMs: number;
  readonly isIdempotent: boolean;
  order = 0;
  /** 0 while none waits for an answer that would count. */
  attempt = 0;
  isDone = false;
  /** The last attempt left, and nothing has said that it was not executed. */
  #isSent = false;
  /** The strongest outcome of the attempts before the last one: the call must not end with a weaker one. */
  #strongest: Outcome = 'not-executed';
  /** A notify has left once: its promise is resolved, and only a refusal is still of interest. */
  wasHandedOver = false;
  /** Why the last attempt that left was refused, until another one leaves. */
  #refusal: ClstrError | undefined;
  #repeats = 0;
  /** The highest known of its shard when it was last sent to the shard's own subject. */
  #epoch = 0;
  #to: Address;
  #signal: AbortSignal | undefined;
  #cancelRepeat: (() => void) | undefined;
  #resolve: (value: unknown) => void;
  #reject: (error: ClstrError) => void;

  /** Positional on purpose: an options object per call would be one more allocation on the hot path. */
  constructor(
    host: CallHost,
    isNotify: boolean,
    shard: number,
    key: string | undefined,
    type: string,
    headers: Headers | undefined,
    payload: string | Uint8Array,
    isRaw: boolean,
    timeoutMs: number,
    isIdempotent: boolean,
    resolve: (value: unknown) => void,
    reject: (error: ClstrError) => void,
  ) {
    super();
    this.#host = host;
    this.isNotify = isNotify;
    this.shard = shard;
    this.key = key;
    this.type = type;
    this.headers = headers;
    this.payload = payload;
    this.isRaw = isRaw;
    this.timeoutMs = timeoutMs;
    this.isIdempotent = isIdempotent;
    this.deadlineMs = host.clock.monoMs() + timeoutMs;
    this.#to = host.routes.get(shard) ?? { shard };
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(signal: AbortSignal | undefined): void {
    if (signal !== undefined) {
      if (signal.aborted) {
        this.#end(aborted(this, signal.reason, 'not-executed'));
        return;
      }
      this.#signal = signal;
      listenForAbort(signal, this);
    }
    this.#host.deadlines.add(this);
    if (this.#host.dynamic === undefined) this.#send();
    else this.#sendInOrder(this.#host.dynamic);
  }

  resend(): void {
    this.#to = this.#host.routes.get(this.shard) ?? { shard: this.shard };
    this.#send();
  }

  /**
   * A notify has no answer whose absence would tell anything, and on the shard's own subject it may be the new owner that
   * works on it.
   */
  leaveFormerOwner(): void {
    const { link, dynamic, routes } = this.#host;
    const owner = routes.get(this.shard);
    if (!this.isIdempotent || this.isNotify || this.attempt === 0) return;
    if (!this.#isSent || this.#refusal !== undefined) return;
    if (owner === undefined || !isNodeAddress(this.#to) || isSameRun(this.#to, owner)) return;
    if (dynamic === undefined || dynamic.holdQueue.isFull) return;
    // What the old attempt may still bring is no answer to the new one.
    link.cancel(this.attempt);
    this.attempt = 0;
    this.#gaveUpAttempt('unknown');
    dynamic.holdQueue.hold(this);
  }

  onDecided(): void {
    if (this.isDone) return;
    const refusal = this.#refusal!;
    if (!this.#repeat(refusal)) this.#end(refusal);
  }

  #sendInOrder({ holdQueue }: DynamicCluster): void {
    this.order = this.#host.nextAttempt();
    if (!holdQueue.isHeld(this.key)) {
      this.#send();
    } else if (holdQueue.isFull) {
      this.#end(tooManyHeld());
    } else holdQueue.hold(this);
  }

  remainingMs(): number {
    return Math.max(0, Math.ceil(this.deadlineMs - this.#host.clock.monoMs()));
  }

  onSent(): void {
    this.#isSent = true;
    this.#refusal = undefined;
    if (this.isNotify) {
      if (!this.wasHandedOver) {
        this.wasHandedOver = true;
        this.#host.onNotifyHandedOver(this);
        this.#resolve(undefined);
      }
    }
  }

  onReply(reply: InboundReply): void {
    const { error, from } = reply;
    if (error !== undefined) {
      this.onError(error);
      return;
    }
    const { routes, codec, mayRouteDirectly, dynamic } = this.#host;
    if (from !== undefined && mayRouteDirectly) {
      const known = routes.get(this.shard);
      if (known !== from && (dynamic === undefined || (known === undefined && this.#isFromOwner(dynamic)))) {
        routes.set(this.shard, from);
      }
    }
    let value: unknown;
    try {
      value = decodePayload(codec, reply.payload, reply.isRaw);
    } catch (cause) {
      const message = `the reply to ${subject(this)} is no ${codec.name}`;
      this.#end(new ClstrError('INVALID_ENVELOPE', message, { outcome: 'executed', cause }));
      return;
    }
    this.#end(undefined, value);
  }

  onError(error: ClstrError): void {
    if (this.isDone) return;
    if (error.outcome === 'not-executed') {
      this.#isSent = false;
      if (this.#redirect(error) || this.#repeat(error)) return;
      this.#end(error);
    } else if (this.isIdempotent && REPEATED_WHEN_IDEMPOTENT.has(error.code)) {
      this.#gaveUpAttempt(error.outcome);
      if (!this.#repeat(error)) this.#end(error);
    } else if (this.wasHandedOver) this.#end(undefined);
    else this.#end(error);
  }

  onDeadline(): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    // Silence moves no call, but the owner may have been replaced without a word: the others know.
    this.#host.dynamic?.topology.refresh();
    this.#host.discovery?.ask();
    this.#end(
      new ClstrError('TIMEOUT', `no reply to ${subject(this)} within ${this.timeoutMs} ms${this.#hint()}`, {
        outcome: this.#outcome(),
      }),
    );
  }

  onAbort(reason: unknown): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    this.#end(aborted(this, reason, this.#outcome()));
  }

  /** Ends the call because its client closes. */
  close(): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    this.#end(aborted(this, new Error('the client was closed'), this.#outcome()));
  }

  /** Ends the call because its client does not fit the cluster, which was found out only now. */
  refuse({ code, message, details }: ClstrError): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    this.#end(new ClstrError(code, message, { outcome: this.#outcome(), details }));
  }

  /** Ends a notify that was handed over: as delivered, unless it was refused and waits to be repeated. */
  release(): void {
    this.#host.link.release(this.attempt);
    this.#end(this.#refusal);
  }

  #send(): void {
    const { dynamic } = this.#host;
    if (dynamic !== undefined && !isNodeAddress(this.#to)) this.#epoch = dynamic.topology.epochOf(this.shard);
    this.attempt = this.#host.nextAttempt();
    this.#host.link.send(this.#to, this, this);
  }

  /**
   * In a dynamic cluster an answer may come late, from an owner before the one that is known. Whoever answers on the shard's
   * own subject owns it, or owned it when no newer owner was known.
   */
  #isFromOwner({ topology }: DynamicCluster): boolean {
    return !isNodeAddress(this.#to) && topology.epochOf(this.shard) === this.#epoch;
  }

  /** A learned route that turns out wrong is forgotten; the shard subject finds the owner. */
  #redirect(error: ClstrError): boolean {
    if (!isNodeAddress(this.#to)) return false;
    const { routes, dynamic } = this.#host;
    if (error.code === 'NO_PERMISSION') {
      this.#host.mayRouteDirectly = false;
      routes.clear();
    } else if (dynamic !== undefined) return false;
    else if (error.code !== 'NO_SUBSCRIBER' && error.code !== 'NOT_OWNER') return false;
    else if (routes.get(this.shard) === this.#to) routes.delete(this.shard);
    this.#to = { shard: this.shard };
    this.#send();
    return true;
  }

  /**
   * In a dynamic cluster all that did not run is repeated within its deadline. In a static one notifies are; requests
   * only while nodes come back after a lost connection.
   */
  #repeat(error: ClstrError): boolean {
    if (!error.retryable && error.outcome === 'not-executed') return false;
    if (this.#host.discovery?.holds(this, error) === true) {
      this.#refusal = error;
      return true;
    }
    const { dynamic } = this.#host;
    if (dynamic !== undefined) return this.#hold(error, dynamic);
    if (
      !this.isNotify &&
      error.outcome !== 'unknown' &&
      !(error.code === 'NO_SUBSCRIBER' && this.#host.isSettling())
    )
      return false;
    const delayMs = this.#host.backoffMs(this.#repeats++);
    if (this.#host.clock.monoMs() + delayMs >= this.deadlineMs) return false;
    this.#refusal = error;
    this.#cancelRepeat = this.#host.clock.timer(() => {
      this.#cancelRepeat = undefined;
      this.resend();
    }, delayMs);
    return true;
  }

  #hold(error: ClstrError, { topology, holdQueue }: DynamicCluster): boolean {
    if (holdQueue.isFull) return false;
    const from = this.#to;
    this.#refusal = error;
    holdQueue.hold(this);
    if (error.code === 'OVERLOADED') return true;
    topology.learnFrom(this.shard, error);
    // A node that names its own run has yet to prove that the shard is still its own: on the shard's subject it would
    // say nothing. It may come back, or another takes over.
    if (!isNodeAddress(from) || isNamedBy(error, from)) topology.refresh();
    else {
      topology.forget(this.shard, from);
      // Elsewhere it may be there already; while it moves, it is nowhere.
      if (error.code === 'MOVED') topology.refresh();
      else holdQueue.onMoved(this.shard);
    }
    return true;
  }

  #fail(error: ClstrError): void {
    const rejection = this.#host.stacks.rejection(error);
    if (rejection === undefined) this.#reject(error);
    else this.#resolve(rejection);
  }

  /** What else may explain that nothing was heard of an attempt which has left. */
  #hint(): string {
    const hint = this.#isSent ? this.#host.link.explainSilence?.() : undefined;
    return hint === undefined ? '' : `; ${hint}`;
  }

  /** The last attempt ends here, or is left alone; another one may follow. */
  #gaveUpAttempt(outcome: Outcome): void {
    this.#isSent = false;
    if (isStronger(outcome, this.#strongest)) this.#strongest = outcome;
  }

  /** What is known of the last attempt; {@link #end} adds the ones before. */
  #outcome(): 'unknown' | 'not-executed' {
    return this.#isSent ? 'unknown' : 'not-executed';
  }

  /** Every way out of a call leads through here, and no error passes with an outcome weaker than an attempt had. */
  #end(last: ClstrError | undefined, value?: unknown): void {
    if (this.isDone) return;
    this.isDone = true;
    const error =
      last !== undefined && isStronger(this.#strongest, last.outcome)
        ? afterEarlierAttempts(last, this.#strongest)
        : last;
    this.#host.deadlines.remove(this);
    this.#cancelRepeat?.();
    if (this.#signal !== undefined) stopListening(this.#signal, this);
    this.#host.dynamic?.holdQueue.ended(this);
    if (error === undefined) this.#resolve(value);
    else if (this.wasHandedOver) this.#host.onNotifyFailed(this, error);
    else this.#fail(error);
    this.#host.onEnd(this, error);
  }
}

/** Endings that leave open whether the handler ran: an idempotent call may run again. */
const REPEATED_WHEN_IDEMPOTENT: ReadonlySet<string> = new Set(['CONNECTION_LOST', 'FENCED', 'ABORTED']);

function isNamedBy({ details }: ClstrError, { nodeId, inc }: NodeAddress): boolean {
  return details?.['nodeId'] === nodeId && details['inc'] === inc;
}

/** Addresses of one run may be two objects: read from a reply, and learned from the topology. */
function isSameRun(a: NodeAddress, b: NodeAddress): boolean {
  return a.nodeId === b.nodeId && a.inc === b.inc;
}
