/** Lets so many calls of a handler run at once; further messages wait, in order, for as long as their time allows. */
import { counted } from '../base/count-text.ts';
import { detached } from '../base/async-context.ts';
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import type { ClstrErrorOptions, ErrorCode } from '../base/errors.ts';
import { ClstrError, asRefusal } from '../base/errors.ts';
import { isThenable } from '../base/thenable.ts';
import { isOfOwnHandler, isOnBehalfOfCritical } from '../wire/call-chain.ts';
import type { Handler, HandlerContext, HandlerRequest } from './handler.ts';
import { RunQueue } from './run-queue.ts';
import type { Waiter } from './run-queue.ts';
import type { Shedder } from './shedder.ts';

/** How many waiting messages begin before other work gets its turn. */
const BEGUN_PER_YIELD = 256;

export class LimitedHandler {
  readonly #handler: Handler;
  readonly #clock: Clock;
  readonly #shedder: Shedder | undefined;
  readonly #queue: RunQueue<WaitingMessage>;
  #isPumping = false;

  constructor(handler: Handler, maxRunning: number, clock: Clock, shedder: Shedder | undefined) {
    this.#handler = handler;
    this.#clock = clock;
    this.#shedder = shedder;
    this.#queue = new RunQueue(maxRunning);
    shedder?.watchQueue(() => this.#queue.first?.context.startedMs);
  }

  /** A call of a handler of this node never waits: the handler that waits for it may be the one that has to end. */
  readonly handle = (request: HandlerRequest, context: HandlerContext): unknown => {
    if (isOfOwnHandler(request.callChain)) return this.#handler(request, context);
    if (this.#queue.canRun) {
      this.#shedder?.waited(0, context.startedMs ?? this.#clock.monoMs());
      return this.#run(request, context);
    }
    const { expectedMs = 0 } = context;
    const neededMs = this.#queue.waitMs + expectedMs;
    if (neededMs > 0 && neededMs > context.remainingMs()) throw asRefusal(this.#hopeless(request, neededMs));
    return new Promise((resolve, reject) => {
      this.#queue.push(new WaitingMessage(this.#queue, request, context, resolve, reject));
    });
  };

  /** Refuses what waits for a shard that goes to another node. */
  refuse(shard: number, refusal: ClstrError): void {
    for (let waiting = this.#queue.first; waiting !== undefined;) {
      const { next } = waiting;
      if (waiting.request.shard === shard) waiting.refuse(refusal);
      waiting = next;
    }
  }

  #run(request: HandlerRequest, context: HandlerContext): unknown {
    this.#queue.started();
    let result: unknown;
    try {
      result = this.#handler(request, context);
    } catch (error) {
      this.#ended();
      throw error;
    }
    if (!isThenable(result)) {
      this.#ended();
      return result;
    }
    return Promise.resolve(result).finally(() => {
      this.#ended();
    });
  }

  #ended(): void {
    this.#queue.ended();
    this.#pump();
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    let begun = 0;
    for (let waiting = this.#queue.next(); waiting !== undefined; waiting = this.#queue.next()) {
      this.#begin(waiting);
      if (++begun < BEGUN_PER_YIELD) continue;
      this.#clock.macrotask(() => {
        this.#isPumping = false;
        this.#pump();
      });
      return;
    }
    this.#isPumping = false;
  }

  #begin(waiting: WaitingMessage): void {
    const { request, context, resolve } = waiting;
    const refusal = this.#refusal(waiting);
    if (refusal !== undefined) {
      waiting.refuse(refusal);
      return;
    }
    context.onAbort = undefined;
    context.started();
    try {
      resolve(detached(() => this.#run(request, context)));
    } catch (error) {
      waiting.reject(error);
    }
  }

  /** Why it is too late for a message whose turn has come. */
  #refusal({ request, context, isCritical, expectedMs }: WaitingMessage): ClstrError | undefined {
    const nowMs = this.#clock.monoMs();
    const waitedMs = nowMs - (context.startedMs ?? nowMs);
    this.#shedder?.waited(waitedMs, nowMs);
    const remainingMs = context.remainingMs();
    if (remainingMs <= 0) return neverRan(request, 'ENVELOPE_EXPIRED', 'until its deadline passed');
    if (remainingMs < expectedMs) return this.#hopeless(request, expectedMs);
    if (context.lease?.isHeld === false)
      return neverRan(request, 'NOT_OWNER', 'until its node lost the shard');
    // The last one that waits runs however old it is: nothing younger would run in its place.
    return this.#queue.size === 0 ? undefined : this.#shedder?.refusalAfter(waitedMs, isCritical);
  }

  #hopeless({ type }: HandlerRequest, neededMs: number): ClstrError {
    const message =
      `${describe(type)} would end in about ${Math.round(neededMs)} ms, ` +
      `behind ${counted(this.#queue.size, 'message')} (maxRunning): more time than it has left`;
    return new ClstrError('ENVELOPE_EXPIRED', message, { details: { reason: 'deadline' } });
  }
}

class WaitingMessage implements Waiter<WaitingMessage> {
  readonly expectedMs: number;
  readonly isCritical: boolean;
  isWaiting = false;
  next: WaitingMessage | undefined = undefined;
  previous: WaitingMessage | undefined = undefined;
  readonly request: HandlerRequest;
  readonly context: HandlerContext;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly #queue: RunQueue<WaitingMessage>;

  constructor(
    queue: RunQueue<WaitingMessage>,
    request: HandlerRequest,
    context: HandlerContext,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.#queue = queue;
    this.request = request;
    this.context = context;
    this.resolve = resolve;
    this.reject = reject;
    this.expectedMs = context.expectedMs ?? 0;
    this.isCritical = isOnBehalfOfCritical(request.callChain);
    context.onAbort = (reason) => {
      this.refuse(neverStarted(request, reason));
    };
  }

  refuse(refusal: ClstrError): void {
    this.context.onAbort = undefined;
    this.#queue.remove(this);
    this.context.refuse(refusal);
    this.reject(asRefusal(refusal));
  }
}

function neverStarted(request: HandlerRequest, reason: ClstrError): ClstrError {
  if (reason.code === 'FENCED') return neverRan(request, 'NOT_OWNER', 'until its node lost the shard');
  if (reason.code !== 'ABORTED') return neverRan(request, 'ENVELOPE_EXPIRED', 'until its deadline passed');
  return neverRan(request, 'ABORTED', `until it was aborted: ${reason.message}`, { outcome: 'not-executed' });
}

function neverRan(
  { type }: HandlerRequest,
  code: ErrorCode,
  how: string,
  options?: ClstrErrorOptions,
): ClstrError {
  return new ClstrError(code, `${describe(type)} waited for others to end (maxRunning) ${how}`, options);
}
