/** One request or notify, from the call to its end: deadline, abort, redirect, repeat. */
import type { Clock } from './clock.ts';
import type { Codec } from './codec.ts';
import { decodePayload } from './codec.ts';
import type { Headers } from './envelope.ts';
import { ClstrError } from './errors.ts';
import { Deadline } from './internal/deadline-wheel.ts';
import type { DeadlineWheel } from './internal/deadline-wheel.ts';
import { describe } from './options.ts';
import type {
  Address,
  ClientLink,
  InboundReply,
  NodeAddress,
  OutboundEntry,
  ReplySink,
} from './transport.ts';
import { isNodeAddress } from './transport.ts';

/** What the calls of one client share. */
export interface CallHost {
  readonly link: ClientLink;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly deadlines: DeadlineWheel<Call>;
  /** Learned shard → node routes. */
  readonly routes: Map<number, NodeAddress>;
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

/** Hot path: one object is the entry on the wire, the sink of its reply and the item in the deadline wheel. */
export class Call extends Deadline implements OutboundEntry, ReplySink {
  readonly #host: CallHost;
  readonly isNotify: boolean;
  readonly shard: number;
  readonly key: string | undefined;
  readonly type: string;
  readonly headers: Headers | undefined;
  readonly payload: string | Uint8Array;
  readonly isRaw: boolean;
  readonly timeoutMs: number;
  attempt = 0;
  isDone = false;
  /** The last attempt left, and nothing has said that it was not executed. */
  #isSent = false;
  /** A notify has left once: its promise is resolved, and only a refusal is still of interest. */
  wasHandedOver = false;
  /** Why the last attempt that left was refused, until another one leaves. */
  #refusal: ClstrError | undefined;
  #repeats = 0;
  #to: Address;
  #stopListening: (() => void) | undefined;
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
      this.#listenTo(signal);
    }
    this.#host.deadlines.add(this);
    this.#send();
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
    const { routes, codec, mayRouteDirectly } = this.#host;
    if (from !== undefined && mayRouteDirectly && routes.get(this.shard) !== from)
      routes.set(this.shard, from);
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
    } else if (this.wasHandedOver) this.#end(undefined);
    else this.#end(error);
  }

  onDeadline(): void {
    if (this.wasHandedOver) {
      this.release();
      return;
    }
    this.#host.link.cancel(this.attempt);
    this.#end(
      new ClstrError('TIMEOUT', `no reply to ${subject(this)} within ${this.timeoutMs} ms`, {
        outcome: this.#outcome(),
      }),
    );
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

  /** Ends a notify that was handed over: as delivered, unless it was refused and waits to be repeated. */
  release(): void {
    this.#host.link.release(this.attempt);
    this.#end(this.#refusal);
  }

  #send(): void {
    this.attempt = this.#host.nextAttempt();
    this.#host.link.send(this.#to, this, this);
  }

  /** A learned route that turns out wrong is forgotten; the shard subject finds the owner. */
  #redirect(error: ClstrError): boolean {
    if (!isNodeAddress(this.#to)) return false;
    const { routes } = this.#host;
    if (error.code === 'NO_PERMISSION') {
      this.#host.mayRouteDirectly = false;
      routes.clear();
    } else if (error.code !== 'NO_SUBSCRIBER' && error.code !== 'NOT_OWNER') return false;
    else if (routes.get(this.shard) === this.#to) routes.delete(this.shard);
    this.#to = { shard: this.shard };
    this.#send();
    return true;
  }

  /** Notifies are repeated within their deadline; requests only while nodes come back after a lost connection. */
  #repeat(error: ClstrError): boolean {
    if (!error.retryable) return false;
    if (!this.isNotify && !(error.code === 'NO_SUBSCRIBER' && this.#host.isSettling())) return false;
    const delayMs = this.#host.backoffMs(this.#repeats++);
    if (this.#host.clock.monoMs() + delayMs >= this.deadlineMs) return false;
    this.#refusal = error;
    this.#cancelRepeat = this.#host.clock.timer(() => {
      this.#cancelRepeat = undefined;
      this.#to = this.#host.routes.get(this.shard) ?? { shard: this.shard };
      this.#send();
    }, delayMs);
    return true;
  }

  #listenTo(signal: AbortSignal): void {
    const onAbort = (): void => {
      if (this.wasHandedOver) {
        this.release();
        return;
      }
      this.#host.link.cancel(this.attempt);
      this.#end(aborted(this, signal.reason, this.#outcome()));
    };
    signal.addEventListener('abort', onAbort);
    this.#stopListening = () => {
      signal.removeEventListener('abort', onAbort);
    };
  }

  #outcome(): 'unknown' | 'not-executed' {
    return this.#isSent ? 'unknown' : 'not-executed';
  }

  #end(error: ClstrError | undefined, value?: unknown): void {
    if (this.isDone) return;
    this.isDone = true;
    this.#host.deadlines.remove(this);
    this.#cancelRepeat?.();
    this.#stopListening?.();
    if (error === undefined) this.#resolve(value);
    else if (this.wasHandedOver) this.#host.onNotifyFailed(this, error);
    else this.#reject(error);
    this.#host.onEnd(this, error);
  }
}

/** The call as messages name it. */
function subject(call: Call): string {
  const target =
    call.key === undefined ? `shard ${call.shard}` : `key ${describe(call.key)} (shard ${call.shard})`;
  return `${describe(call.type)} for ${target}`;
}

function aborted(call: Call, reason: unknown, outcome: 'unknown' | 'not-executed'): ClstrError {
  const why = reason instanceof Error ? reason.message : describe(reason);
  return new ClstrError('ABORTED', `${subject(call)} was aborted: ${why}`, { outcome, cause: reason });
}
