/** A message without a bus: the request and context that a node would make of it, and its answer. */
import type { CallOptions, Clock, Handler, HandlerContext, HandlerRequest, Logger } from '@clstr/core';
import { ClstrError, defaults, jsonCodec, shardFromString } from '@clstr/core';
import { asRefusal } from '@clstr/core/handler';
import { detached, listenForAbort, stopListening } from '@clstr/core/internal';

export interface TestMessageOptions {
  readonly key: string;
  readonly type: string;
  readonly input: unknown;
  readonly isNotify: boolean;
  readonly options: CallOptions;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Its input and output travel as JSON, so that a test sees what a handler and its caller would see over a bus. */
export class TestMessage implements HandlerContext {
  readonly request: HandlerRequest;
  readonly nodeId: string;
  readonly log: Logger;
  readonly lease = undefined;
  readonly idempotencyKey: string | undefined;
  onAbort: ((reason: ClstrError) => void) | undefined = undefined;
  /** Settles with the answer, or with the error that the handler threw. */
  readonly answer: Promise<unknown>;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly startedMs: number;
  #isDelivered = false;
  #isDone = false;
  #stopWaiting: () => void = () => undefined;

  /** @throws INVALID_ENVELOPE when the input has no JSON form. */
  constructor({ key, type, input, isNotify, options, nodeId, clock, log }: TestMessageOptions) {
    const { timeoutMs = defaults.requestTimeoutMs, headers = {}, signal, callChain = [] } = options;
    const shard = shardFromString(key, defaults.numShards);
    const payload = asReceived(input, `the input of ${type}`);
    this.request = { key, shard, type, payload, headers: { ...headers }, isNotify, callChain };
    this.idempotencyKey = options.idempotencyKey;
    this.nodeId = nodeId;
    this.log = log;
    this.#clock = clock;
    this.startedMs = clock.monoMs();
    this.#deadlineMs = this.startedMs + timeoutMs;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const stopTimer = clock.timer(() => {
      this.end(new ClstrError('TIMEOUT', `${type} was not answered within ${timeoutMs} ms`));
    }, timeoutMs);
    const caller = {
      onAbort: (): void => {
        this.end(new ClstrError('ABORTED', `the caller of ${type} gave up`));
      },
    };
    this.#stopWaiting = () => {
      stopTimer();
      if (signal !== undefined) stopListening(signal, caller);
    };
    if (signal?.aborted === true) caller.onAbort();
    else if (signal !== undefined) listenForAbort(signal, caller);
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  remainingMs(): number {
    return Math.max(0, this.#deadlineMs - this.#clock.monoMs());
  }

  started(): void {
    // The test kit measures nothing.
  }

  /** The host answers before the actor's code has seen the message. */
  refuse(error: ClstrError): void {
    this.#fail(asRefusal(error));
  }

  deliver(handler: Handler): void {
    this.#isDelivered = true;
    let result: unknown;
    try {
      result = detached(handler, this.request, this);
    } catch (error) {
      this.#fail(error);
      return;
    }
    void Promise.resolve(result).then(
      (value) => {
        this.#succeed(value);
      },
      (error: unknown) => {
        this.#fail(error);
      },
    );
  }

  /** Aborts the message, whose caller waits no longer: it leaves the mailbox, or the signal of its handler fires. */
  end(reason: ClstrError): void {
    if (this.#isDone) return;
    const { code, message } = reason;
    const isTimeout = code === 'TIMEOUT';
    const fired = isTimeout ? new ClstrError('HANDLER_TIMEOUT', message) : reason;
    this.#controller.abort(fired);
    this.onAbort?.(fired);
    this.#fail(this.#isDelivered ? reason : new ClstrError(code, message, { outcome: 'not-executed' }));
  }

  #succeed(value: unknown): void {
    let output: unknown;
    try {
      output = this.request.isNotify ? undefined : asReceived(value, `the output of ${this.request.type}`);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#finish()) this.#resolve(output);
  }

  #fail(error: unknown): void {
    if (this.#finish()) this.#reject(error);
  }

  /** Returns false if the message already had an answer. */
  #finish(): boolean {
    if (this.#isDone) return false;
    this.#isDone = true;
    this.#stopWaiting();
    return true;
  }
}

const encoder = new TextEncoder();

function asReceived(value: unknown, what: string): unknown {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  try {
    const bytes = jsonCodec.encode(value);
    return jsonCodec.decode(typeof bytes === 'string' ? encoder.encode(bytes) : bytes);
  } catch (cause) {
    throw new ClstrError('INVALID_ENVELOPE', `${what} has no JSON form`, { cause });
  }
}
